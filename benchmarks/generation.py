"""Speed of generation on one core: examples a second, medians of five runs.

Run from the repository's root: ``python benchmarks/generation.py``. Where the package
``reasoning_gym`` is installed, its gsm_symbolic is measured in the same run and ratios
are printed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from trace_pipeline.generation import Catalog, Generator, audit

EXAMPLES = 3000
RUNS = 5


def per_second(work: Callable[[], int]) -> float:
    """Median rate of ``work``, which returns how many things it made."""
    rates = []
    for _ in range(RUNS):
        start = time.perf_counter()
        count = work()
        rates.append(count / (time.perf_counter() - start))
    return statistics.median(rates)


def gsm_symbolic() -> float | None:
    """Problems a second of reasoning-gym's gsm_symbolic; None where it is not installed."""
    try:
        import reasoning_gym
    except ImportError:
        return None
    data = reasoning_gym.create_dataset("gsm_symbolic", size=EXAMPLES, seed=0)
    return per_second(lambda: sum(1 for _ in data))


def main() -> None:
    start = time.perf_counter()
    catalog = Catalog.load("schemas", "vocab")
    loading = time.perf_counter() - start
    rates = {
        "verified": per_second(lambda: sum(1 for _ in Generator(catalog).sample(EXAMPLES))),
        "unverified": per_second(
            lambda: sum(1 for _ in Generator(catalog, verify=False).sample(EXAMPLES))
        ),
        "audited": per_second(lambda: 12 * len(audit(catalog, samples=12).rows)),
    }
    reference = gsm_symbolic()
    print(f"catalogue of {len(catalog.plans)} schemas loaded in {loading:.2f} s")
    for name, rate in rates.items():
        ratio = f"{rate / reference:6.2f} of gsm_symbolic" if reference else ""
        print(f"{name:12} {rate:9,.0f} examples/s  {ratio}")
    if reference:
        print(f"{'gsm_symbolic':12} {reference:9,.0f} examples/s")


if __name__ == "__main__":
    main()
