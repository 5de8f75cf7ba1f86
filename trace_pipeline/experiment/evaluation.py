"""How completions are decoded, and what is evaluated on real problems."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from trace_pipeline.experiment.fields import Count, Positive


class DecodingConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How completions are decoded; sampling applies to evaluation alone (RL has its own)."""

    max_tokens: Positive = 750
    """NOTEBOOK, run 18: 250 silently cut three-expert compositions."""
    overflow: Literal["error", "cut"] = "error"
    """A trace over ``max_tokens`` is an error of the audit; ``cut`` is for the notebook's ablation
    alone."""
    batch_size: Positive | Literal["auto"] = "auto"
    """Sequences decoded together; ``auto`` is up to 128 on a CPU, 1,024 on a GPU."""
    drafts: Count = 4
    """Tokens guessed ahead at most, from what the batch wrote before; they are checked in the same
    pass, so that they change the speed and not the text. 0 writes token by token."""
    constrained: bool = False
    """Let only tokens through that can still become a valid trace."""
    sensible: bool = False
    """With ``constrained``: also leave out computations whose result is not above zero or no whole
    number of hundredths, and answers that are not whole and above zero, while something else is
    left."""
    samples: Positive = 1
    """Completions per problem in evaluation; with more than one, pass@k and majority@k are
    reported."""
    greedy_first: bool = False
    """Let the first of several samples be the greedy one; the others are drawn."""
    temperature: Annotated[float, Meta(ge=0)] = 0.0
    """Of the samples; 0 is greedy and needs ``samples: 1``."""
    top_p: Annotated[float, Meta(gt=0, le=1)] = 1.0
    """Probability of the nucleus that samples are drawn from."""
    engine: Literal["native", "vllm"] = "native"
    """``vllm`` decodes with vLLM, which has to be installed (docs/training.md)."""


class BaselineConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The untuned base model, scored on the same problems."""

    problems: Count = 32
    """First problems to score zero-shot; 0 leaves it out."""
    max_tokens: Positive = 200
    shots: Count = 8
    """Solved training problems shown before each question; 0 leaves the few-shot base out."""
    few_shot_problems: Positive = 32
    """First problems to score few-shot: its prompts are long, so fewer may have to do."""


class EvalConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The evaluation on real problems."""

    gsm8k: Literal["auto", "folder", "hub", "builtin"] = "auto"
    """``auto``: the folder of ``TRACE_PIPELINE_GSM8K``, then the hub, then the built-in sample."""
    problems: Positive | Literal["all"] = "all"
    """The first so many problems; the notebook used 10, 30 and 100."""
    fast: bool = False
    """Cap completions at 150 tokens (the notebook's ``--fast``)."""
    answer: Literal["first", "majority", "plausible", "probable"] = "first"
    """Which of several samples is a problem's answer: the first, the first with the most frequent
    answer, the same among those that the least speaks against, or among these one with the answer
    that the model finds the most probable (docs/training.md)."""
    forgetting: bool = False
    """Measure what training cost on general text and chat (NOTEBOOK: full fine-tuning forgets)."""
    baseline: BaselineConfig = BaselineConfig()
