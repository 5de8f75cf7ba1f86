"""Does a model read the word that turns a relation? Held-out problems and their contrasts.

    TRACE_PIPELINE_GSM8K=<folder with train.jsonl> python -m benchmarks.contrasts \
        artifacts/gsm8k_schemas/sft_checkpoint/0001 [MORE CHECKPOINTS]

Takes the held-out training problems in which a relation can be turned ("5 more than" into "5 fewer
than"), the problem and one contrast of each, and has every checkpoint answer both, greedily. A
model that goes by the story answers the contrast as it answers the problem. With ``--problems n``
the first n pairs only; without the folder the built-in problems stand in.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common import table
from trace_pipeline.evaluation.statistics import mcnemar_exact
from trace_pipeline.experiment import DecodingConfig
from trace_pipeline.gsm8k import load_training_problems
from trace_pipeline.gsm8k.conversion import Conversion, contrasts, convert
from trace_pipeline.gsm8k.splits import part_of
from trace_pipeline.modeling.decoding.decoder import Decoder
from trace_pipeline.modeling.storage.checkpoints import load_checkpoint
from trace_pipeline.solver import Solver
from trace_pipeline.traces import Number

MAX_TOKENS = 256


def pairs(most: int | None) -> list[tuple[Conversion, Conversion]]:
    """Held-out problems, each with its first contrast: more for fewer, then factors."""
    problems = load_training_problems()
    held_out = [p for p in problems.problems if part_of(p.question) == "validation"]
    found = [(c, contrasts(c)) for c in convert(held_out or problems.problems).conversions]
    return [(conversion, turned[0]) for conversion, turned in found if turned][:most]


def right(
    checkpoint: Path, asked: list[tuple[str, Number]]
) -> tuple[list[bool], list[Number | None]]:
    """Which questions the checkpoint answers rightly, and what it answers."""
    decoder = Decoder(load_checkpoint(checkpoint), DecodingConfig(max_tokens=MAX_TOKENS))
    verdicts = [
        Solver().verify(completion.text, gold)
        for completion, (_, gold) in zip(
            decoder.decode([question for question, _ in asked]), asked, strict=True
        )
    ]
    return [verdict.kind == "correct" for verdict in verdicts], [v.answer for v in verdicts]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--problems", type=int)
    options = parser.parse_args()
    made = pairs(options.problems)
    originals = [(conversion.question, conversion.answer) for conversion, _ in made]
    turned = [(contrast.question, contrast.answer) for _, contrast in made]
    rows = []
    before: list[bool] = []
    for checkpoint in options.checkpoints:
        first, _ = right(checkpoint, originals)
        second, said = right(checkpoint, turned)
        both = [a and b for a, b in zip(first, second, strict=True)]
        # The gold answer of the unturned problem, given to the turned one.
        stuck = sum(
            a and said == gold and gold != other
            for a, said, (_, gold), (_, other) in zip(first, said, originals, turned, strict=True)
        )
        compared = f"{mcnemar_exact(before, second).p_value:.2g}" if before else ""
        before = before or second
        counts = [sum(first), sum(second), sum(both), stuck]
        rows.append([str(checkpoint), *map(str, counts), compared])
    print(f"{len(made)} held-out problems and a contrast of each\n")
    header = [
        "checkpoint",
        "problems right",
        "contrasts right",
        "both",
        "answered as before turning",
    ]
    print(table([*header, "contrasts: p against the first"], rows))


if __name__ == "__main__":
    main()
