"""How well the diagnosis names planted mistakes: a table of confusions for each source.

    TRACE_PIPELINE_GSM8K=<folder with train.jsonl> python -m benchmarks.diagnosis [SEED]

The seed chooses problems and mistakes; the rules were written on seed 0, so any other is a test
of them. Without the folder the built-in sample stands in for the real problems. It fails where
a class is named correctly less often than ``BOUND``.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence

from benchmarks.common import table
from benchmarks.mutations import Gold
from benchmarks.planting import plant
from trace_pipeline.evaluation.diagnosis import Diagnosis, diagnose
from trace_pipeline.generation import Catalog, Generator
from trace_pipeline.gsm8k import load_problems
from trace_pipeline.gsm8k.conversion import convert
from trace_pipeline.gsm8k.loading import FOLDER_VARIABLE
from trace_pipeline.paths import project_root
from trace_pipeline.solver import Solver
from trace_pipeline.traces import render_trace

COUNT = 200
BOUND = 0.95
REAL = 3000
"""Problems that are converted: enough for the rarest class."""
SYNTHETIC = 3000
PREDICTIONS = 1319
"""Problems of GSM-8K's test split."""

Confusions = dict[Diagnosis, Counter[str]]


def real_golds(seed: int) -> tuple[str, list[Gold]]:
    """Converted training problems of which the conversion is sure, in random order."""
    split = "train" if os.environ.get(FOLDER_VARIABLE) else "test"
    problems = load_problems("folder" if split == "train" else "builtin", split)
    chosen = list(problems.problems)
    random.Random(seed).shuffle(chosen)
    sure = [c for c in convert(chosen[:REAL]).conversions if not c.tied and c.grounded]
    return problems.name, [Gold(c.question, c.trace, c.answer, None) for c in sure]


def synthetic_golds(seed: int) -> tuple[str, list[Gold]]:
    """Examples of every schema, in random order."""
    root = project_root()
    generator = Generator(Catalog.load(root / "schemas", root / "vocab"), seed=seed)
    examples = list(generator.sample(SYNTHETIC))
    random.Random(seed).shuffle(examples)
    return "synthetic examples", [Gold(e.question, e.trace, e.answer, e.expert) for e in examples]


def confusions(
    golds: Sequence[Gold], seed: int, count: int = COUNT
) -> tuple[Confusions, dict[Diagnosis, int]]:
    """What each planted class was called, and how many mutants of it were still right."""
    solver = Solver()
    found: Confusions = {}
    right = {}
    for planted in Diagnosis:
        mutants, right[planted] = plant(golds, planted, count, seed)
        found[planted] = Counter()
        for mutant in mutants:
            gold = mutant.gold
            verdict = solver.verify(mutant.text, gold.answer, gold.expert)
            diagnosed = diagnose(
                mutant.text,
                verdict,
                gold.question,
                [gold.trace],
                clipped=mutant.clipped,
            )
            found[planted][str(diagnosed.diagnosis) if diagnosed else "none"] += 1
    return found, right


def worst_case(golds: Sequence[Gold], seed: int) -> tuple[float, float]:
    """CPU seconds to judge other problems' traces, without and with their diagnosis.

    They share nothing with what is asked, so that every single change is tried in vain.
    """
    rng = random.Random(seed)
    solver = Solver()
    asked = [rng.choice(golds) for _ in range(PREDICTIONS)]
    texts = [render_trace(rng.choice(golds).trace) for _ in asked]
    start = time.process_time()
    verdicts = [solver.verify(text, gold.answer) for gold, text in zip(asked, texts, strict=True)]
    judged = time.process_time()
    for gold, text, verdict in zip(asked, texts, verdicts, strict=True):
        diagnose(text, verdict, gold.question, [gold.trace])
    return judged - start, time.process_time() - start


def main() -> int:
    """Print the tables; 1 if a class falls short of the bound."""
    kept = True
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    for name, golds in (real_golds(seed), synthetic_golds(seed)):
        start = time.process_time()
        found, right = confusions(golds, seed)
        seconds = time.process_time() - start
        rows = []
        for planted, names in found.items():
            total = names.total()
            share = names[planted] / total if total else 0.0
            kept = kept and share >= BOUND
            wrong = ", ".join(f"{n} {name}" for name, n in names.most_common() if name != planted)
            rows.append(
                [planted, str(total), f"{100 * share:.1f} %", wrong or "-", str(right[planted])]
            )
        total = sum(names.total() for names in found.values())
        named = sum(names[planted] for planted, names in found.items())
        print(
            f"{name}: {named:,} of {total:,} named correctly ({100 * named / total:.2f} %), "
            f"{seconds:.1f} s of CPU"
        )
        header = [
            "planted",
            "mutants",
            "named correctly",
            "named otherwise",
            "left out: still right",
        ]
        print(table(header, rows))
        without, with_diagnosis = worst_case(golds, seed)
        print(
            f"{PREDICTIONS:,} other problems' traces: judged in {without:.1f} s of CPU, "
            f"judged and diagnosed in {with_diagnosis:.1f} s\n"
        )
    print(f"bound: {100 * BOUND:.0f} % of each class")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
