"""How long examples are for an experiment's model, for the audit."""

from __future__ import annotations

from trace_pipeline.experiment import Experiment
from trace_pipeline.generation.audit import Lengths
from trace_pipeline.modeling.base.base_models import resolve_base
from trace_pipeline.modeling.base.prompts import Prompt
from trace_pipeline.modeling.base.trace_tokens import prompt_tokenizer


def lengths_for(experiment: Experiment) -> Lengths:
    """The measure of an experiment's tokenizer and prompt, with its limits.

    Raises:
        InvalidInputError: a base model that cannot be found.
    """
    decoding = experiment.decoding
    base = resolve_base(experiment.model.reference)
    prompt = Prompt(experiment.prompt, prompt_tokenizer(base, experiment.prompt))
    return Lengths(
        prompt=lambda question: len(prompt.prompt_ids(question)),
        target=lambda trace: len(prompt.target_ids(trace)),
        max_len=None if experiment.sft.overflow == "cut" else experiment.sft.max_len,
        max_tokens=None if decoding.overflow == "cut" else decoding.max_tokens,
    )
