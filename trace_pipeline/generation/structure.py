"""The uniform shapes of traces, by expert (DESIGN, section 3; NOTEBOOK, runs 3 and 6)."""

from __future__ import annotations

from collections.abc import Iterator

from trace_pipeline.generation.naming import Naming
from trace_pipeline.traces import (
    Compare,
    Compute,
    Init,
    PercentIncrease,
    PercentOf,
    PercentOff,
    Query,
    Step,
    SubTrace,
    Trace,
)

_Operation = Compute | Compare | PercentOff | PercentIncrease | PercentOf

_SHAPES: dict[str, tuple[str, ...]] = {
    "rate_equation": ("iioq",),
    "percentage": ("iioq",),
    "comparison": ("iiooq", "iiiooq"),
}
"""One letter a step: init, operation, query."""


def broken_rules(trace: Trace, naming: Naming) -> Iterator[str]:
    """The structural rules that a generated trace breaks."""
    for subtrace in trace.subtraces:
        shape = "".join(_letter(step) for step in subtrace.steps)
        expected = _SHAPES.get(subtrace.expert)
        if expected and shape not in expected:
            yield f"{subtrace.expert} has the shape {shape}, expected {' or '.join(expected)}"
        if naming == "hybrid":
            yield from _hybrid(subtrace, alone=len(trace.subtraces) == 1)


def _letter(step: Step) -> str:
    if isinstance(step, Init):
        return "i"
    return "q" if isinstance(step, Query) else "o"


def _hybrid(subtrace: SubTrace, alone: bool) -> Iterator[str]:
    computed = [step.var for step in subtrace.steps if isinstance(step, _Operation)]
    expected = [f"step{index}" for index in range(1, len(computed))] + ["result"]
    if computed and computed != expected:
        yield f"computed values are named {computed}, expected {expected}"
    last = subtrace.steps[-1]
    if computed and not (isinstance(last, Query) and last.var == "result"):
        yield "the query's target is not result"
    first = subtrace.steps[0]
    anchored = isinstance(first, Init) and "." in first.var
    if alone and subtrace.expert == "comparison" and not anchored:
        yield "the first init is not anchored to its entity"
