"""How fast the solver is, against PyYAML's loaders on the same text in the same run.

``python -m benchmarks.solver`` prints ratios (medians) and the worst CPU time of
``verify`` over a fixed corpus of nasty texts; it fails where a bound is missed.
"""

from __future__ import annotations

import statistics
import sys
import time

import yaml

from benchmarks.common import median_seconds, table
from benchmarks.nasty_texts import nasty_texts
from trace_pipeline.solver import Solver
from trace_pipeline.traces import parse_trace

TRACE = """expert: arithmetic
trace:
- {op: init, var: produced, value: 16}
- {op: init, var: eaten, value: 3}
- {op: compute, compute_op: sub, args: [produced, eaten], var: step1}
- {op: init, var: price, value: 2}
- {op: compute, compute_op: mul, args: [step1, price], var: result}
- {op: query, var: result}
"""
COMPOSITION = """- expert: percentage
  trace:
  - {op: init, var: price, value: 12.50}
  - {op: init, var: rate, value: 20}
  - {op: percent_off, base: price, rate: rate, var: result}
  - {op: query, var: result}
- expert: arithmetic
  trace:
  - {op: init, var: reduced, source: prev.result}
  - {op: init, var: count, value: 3}
  - {op: compute, compute_op: mul, args: [reduced, count], var: result}
  - {op: query, var: result}
"""
TEXTS = {"one sub-trace, 6 steps": (TRACE, 26), "two sub-traces, 8 steps": (COMPOSITION, 30)}
PURE_RATIO, C_RATIO = 15, 2.5
EXECUTIONS_PER_SECOND = 100_000
WORST_SECONDS = 0.05


def speed() -> tuple[list[list[str]], bool]:
    """The table of ratios, and whether every bound is kept."""
    solver = Solver()
    rows, kept = [], True
    for name, (text, answer) in TEXTS.items():
        verify = median_seconds(lambda text=text, answer=answer: solver.verify(text, answer))
        pure = median_seconds(lambda text=text: yaml.load(text, Loader=yaml.SafeLoader))
        c = median_seconds(lambda text=text: yaml.load(text, Loader=yaml.CSafeLoader))
        trace = parse_trace(text)
        execute = median_seconds(lambda trace=trace: solver.execute(trace))
        fenced = f"The trace is:\n```yaml\n{text}```\n"
        prose = median_seconds(lambda text=fenced, answer=answer: solver.verify(text, answer))
        kept = kept and pure / verify >= PURE_RATIO and c / verify >= C_RATIO
        kept = kept and 1 / execute >= EXECUTIONS_PER_SECOND
        micros = [f"{seconds * 1e6:.1f}" for seconds in (verify, prose, execute)]
        rows.append(
            [name, *micros, f"{1 / execute:,.0f}", f"{pure / verify:.1f}", f"{c / verify:.1f}"]
        )
    return rows, kept


def worst(count: int = 5) -> tuple[list[list[str]], bool]:
    """The slowest of the nasty texts in CPU time (medians of 5), and whether they are in bounds."""
    solver = Solver()
    measured = []
    for name, text in nasty_texts().items():
        seconds = []
        for _ in range(5):
            start = time.process_time()
            verdict = solver.verify(text, 18)
            seconds.append(time.process_time() - start)
        measured.append((statistics.median(seconds), name, str(verdict.reason or verdict.kind)))
    measured.sort(reverse=True)
    rows = [[name, f"{seconds * 1e3:.1f}", kind] for seconds, name, kind in measured[:count]]
    return rows, measured[0][0] < WORST_SECONDS


def main() -> int:
    """Print both tables; 1 if a bound is missed."""
    rows, fast = speed()
    header = ["text", "verify us", "in a fence us", "execute us", "executions/s"]
    print(table([*header, "x pure YAML", "x C YAML"], rows))
    print(f"bounds: {PURE_RATIO} x pure, {C_RATIO} x C, {EXECUTIONS_PER_SECOND:,}/s executed\n")
    rows, bounded = worst()
    print(table(["slowest nasty texts", "CPU ms", "verdict"], rows))
    print(f"bound: {WORST_SECONDS * 1e3:.0f} ms")
    return 0 if fast and bounded else 1


if __name__ == "__main__":
    sys.exit(main())
