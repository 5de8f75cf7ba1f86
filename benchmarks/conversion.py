"""Time and yield of the conversion of real problems and of their variants, on one core.

    TRACE_PIPELINE_GSM8K=<folder with train.jsonl> python benchmarks/conversion.py

Without the folder it runs on the built-in sample.
"""

from __future__ import annotations

import os
import time
from collections import Counter

from trace_pipeline.gsm8k import load_problems
from trace_pipeline.gsm8k.conversion import Fixed, Policy, convert, variant_maker
from trace_pipeline.gsm8k.loading import FOLDER_VARIABLE

VARIANTS = 5


def main() -> None:
    split = "train" if os.environ.get(FOLDER_VARIABLE) else "test"
    problems = load_problems("folder" if split == "train" else "builtin", split)
    start = time.process_time()
    report = convert(problems.problems)
    seconds = time.process_time() - start
    print(f"{problems.name}: {report.describe()}")
    print(f"failures: { ({str(k): n for k, n in report.failure_counts().items() if n}) }")
    print(f"confidence: {report.confidence_counts()}")
    print(f"conversion: {seconds:.1f} s of CPU, {report.total / seconds:,.0f} problems/s")
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
