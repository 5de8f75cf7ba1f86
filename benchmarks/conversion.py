"""Time and yield of the conversion of real problems and of their variants, on one core.

    TRACE_PIPELINE_GSM8K=<folder with train.jsonl> python benchmarks/conversion.py [--processes N]

Without the folder it runs on the built-in sample. With ``--processes`` the same is converted by
so many processes too, and the two times compared.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from statistics import fmean

from trace_pipeline.experiment import Gsm8kConfig
from trace_pipeline.gsm8k import load_problems
from trace_pipeline.gsm8k.conversion import (
    Fixed,
    Policy,
    conversion_record,
    convert,
    variant_maker,
)
from trace_pipeline.gsm8k.loading import FOLDER_VARIABLE
from trace_pipeline.gsm8k.word_problem_check import computations

VARIANTS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=1)
    processes = parser.parse_args().processes
    split = "train" if os.environ.get(FOLDER_VARIABLE) else "test"
    problems = load_problems("folder" if split == "train" else "builtin", split)
    start, began = time.process_time(), time.perf_counter()
    report = convert(problems.problems)
    seconds, alone = time.process_time() - start, time.perf_counter() - began
    print(f"{problems.name}: {report.describe()}")
    print(f"failures: { ({str(k): n for k, n in report.failure_counts().items() if n}) }")
    print(f"confidence: {report.confidence_counts()}")
    print(f"conversion: {seconds:.1f} s of CPU, {report.total / seconds:,.0f} problems/s")
    least = Gsm8kConfig().min_confidence
    sure = [computations(one.trace) for one in report.conversions if one.confidence >= least]
    print(
        f"computations of the {len(sure):,} that are sure enough to train on: "
        f"{fmean(sure):.1f} on average, {sum(n >= 5 for n in sure) / len(sure):.0%} five or more"
    )
    if processes > 1:
        began = time.perf_counter()
        shared = convert(problems.problems, processes=processes)
        together = time.perf_counter() - began
        same = [*map(conversion_record, shared.conversions)] == [
            *map(conversion_record, report.conversions)
        ]
        print(
            f"by {processes} processes: {together:.1f} s for {alone:.1f} s, {alone / together:.2f} "
            f"times as fast; the same traces: {same and shared.failures == report.failures}"
        )
    start = time.process_time()
    made: Counter[str] = Counter()
    total = 0
    for conversion in report.conversions:
        maker = variant_maker(conversion)
        if isinstance(maker, Fixed):
            made[str(maker)] += 1
            continue
        count = sum(1 for _ in maker.make(VARIANTS))
        made[f"{count} variants"] += 1
        total += count
    seconds = time.process_time() - start
    share = made[f"{VARIANTS} variants"] / report.total
    print(f"variants: {dict(made.most_common())}")
    print(
        f"variants: {VARIANTS} of them for {100 * share:.1f} % of the problems; "
        f"{total / seconds:,.0f} verified variants per CPU second"
    )
    fitting = convert(problems.problems, Policy.FITTING)
    print(f"experts under the fitting policy: {fitting.expert_counts()}")


if __name__ == "__main__":
    main()
