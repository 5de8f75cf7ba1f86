"""Whether a model is better at the test questions that word problems of ours come near to.

``python -m benchmarks.nearness docs/results/outputs/A.jsonl.gz [B.jsonl.gz ...]`` sorts the
questions of the GSM-8K test set by the largest resemblance to any word problem of the collections
(share of runs of four words in common, numbers alike), cuts them into quarters, and prints what
each model solves of each. A model trained without the collections shows what is due to the
questions themselves. Needs GSM-8K (``TRACE_PIPELINE_GSM8K``).
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import table
from trace_pipeline.evaluation import real_benchmark, rescore
from trace_pipeline.gsm8k import load_problems
from trace_pipeline.gsm8k.word_problem_check import resemblances
from trace_pipeline.gsm8k.word_problems import FOLDER, collections_of, read_word_problems
from trace_pipeline.paths import project_root
from trace_pipeline.solver import Solver


def quarters(near: Sequence[float]) -> list[list[int]]:
    """Places of the values, by size, in four parts of nearly the same length."""
    order = sorted(range(len(near)), key=lambda place: near[place])
    ends = [round(len(order) * part / 4) for part in range(5)]
    return [order[start:end] for start, end in itertools.pairwise(ends)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("outputs", nargs="+", type=Path, help="files of trace-pipeline outputs")
    parser.add_argument("--collections", nargs="*", help="of word_problems/; all by default")
    options = parser.parse_args(arguments)
    folder = project_root() / FOLDER
    names = options.collections or collections_of(folder)
    ours = [problem.question for problem in read_word_problems(folder, names).problems]
    benchmark = real_benchmark(load_problems("auto", "test"))
    near = resemblances([item.question for item in benchmark.items], ours)
    parts = quarters(near)
    rows = []
    for path in options.outputs:
        found = rescore(path, benchmark, Solver())
        right = {p.index for p in found.predictions if p.correct}
        if found.total != len(benchmark.items):
            print(f"{path}: answers {found.total} of {len(benchmark.items)} questions")
            return 1
        shares = [
            sum(benchmark.items[i].index in right for i in part) / len(part) for part in parts
        ]
        rows.append((found.model, *(f"{100 * share:.1f} %" for share in shares)))
    print(f"{len(near)} questions of {benchmark.name}, {len(ours)} word problems of ours")
    spans = [f"{100 * near[part[0]]:.1f} to {100 * near[part[-1]]:.1f} %" for part in parts]
    print(table(("right, by resemblance", *spans), rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
