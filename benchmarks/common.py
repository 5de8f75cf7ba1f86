"""What the benchmarks share: medians of repeated runs, and a table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence


def median_seconds(work: Callable[[], object], repeats: int = 7, minimum: float = 0.05) -> float:
    """Median CPU seconds of a call, over ``repeats`` rounds of at least ``minimum`` seconds."""
    calls = 1
    while (seconds := _round(work, calls)) < minimum:
        calls = max(2 * calls, int(calls * minimum / max(seconds, 1e-9)))
    return statistics.median(_round(work, calls) for _ in range(repeats)) / calls


def _round(work: Callable[[], object], calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        work()
    return time.process_time() - start


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under a header, columns aligned."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
