"""How many tokens converted training problems take, with and without ``prompt.trace_tokens``.

    TRACE_PIPELINE_GSM8K=<folder with train.jsonl and test.jsonl> python -m benchmarks.trace_tokens

Without the folder it counts on the built-in problems. The settings are those of ``gsm8k_real``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from benchmarks.common import table
from trace_pipeline.experiment import load_experiment
from trace_pipeline.gsm8k.loading import load_problems, load_training_problems
from trace_pipeline.gsm8k.training import training_traces
from trace_pipeline.modeling.base.base_models import resolve_base
from trace_pipeline.modeling.base.prompts import Prompt
from trace_pipeline.modeling.base.trace_tokens import prompt_tokenizer, trace_phrases
from trace_pipeline.modeling.network.batching import Sequence, tokenise


def converted(most: int | None = None) -> Iterator[tuple[bool, list[Sequence]]]:
    """Converted training problems in tokens: without trace tokens, then with them."""
    experiment = load_experiment("gsm8k_real", Path("experiments"))
    base = resolve_base(experiment.model.reference)
    tests = [problem.question for problem in load_problems().problems]
    made = training_traces(load_training_problems(), tests, experiment.data.gsm8k, experiment.seed)
    for added in (False, True):
        config = replace(experiment.prompt, trace_tokens=added)
        prompt = Prompt(config, prompt_tokenizer(base, config))
        yield added, tokenise(prompt, made.train[:most], experiment.sft.max_len)


def main() -> None:
    """Print the table."""
    rows = []
    count = 0
    for added, sequences in converted():
        asked = sum(len(sequence.prompt) for sequence in sequences)
        written = sum(len(sequence.completion) for sequence in sequences)
        count = len(sequences)
        means = [f"{tokens / count:.1f}" for tokens in (asked, written, asked + written)]
        rows.append([str(added).lower(), *means, f"{asked + written:,}"])
    print(f"{count:,} problems, {len(trace_phrases())} phrases\n")
    print(table(["trace_tokens", "prompt", "trace", "both", "in all"], rows))


if __name__ == "__main__":
    main()
