"""Where a predicted trace and the reference part, as lines of their texts.

What is wrong the diagnosis has found (``Prediction.diverges_at``); here it gets its line, the
solver's steps so far, and the first step of the reference whose value is never reached.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from trace_pipeline.evaluation.scoring import Prediction
from trace_pipeline.solver import Execution, explain
from trace_pipeline.solver.execution import Recorded, StepValue, run
from trace_pipeline.solver.rewards import VerdictKind
from trace_pipeline.traces import (
    Init,
    Number,
    Query,
    SubTrace,
    Trace,
    TraceError,
    format_number,
    parse_trace,
)

_STEP = re.compile(r"\s*-\s*(\{|op\s*:)")
_SUBTRACE = re.compile(r"\s*(-\s*)?expert\s*:")


class Mark(Struct, frozen=True):
    """A line of a trace that the reader should look at."""

    line: int
    """From 0."""
    note: str
    """What is wrong with it, in a few words."""


class Marked(Struct, frozen=True, kw_only=True):
    """A prediction beside the reference, with the place where they part."""

    steps: tuple[str, ...] = ()
    """What the solver computed, step by step, as far as it got."""
    predicted: Mark | None = None
    """The step at fault: refused by the solver, or where the trace leaves the reference."""
    reference: Mark | None = None
    """The reference's first step whose value the prediction never has."""


class _Executed(Struct, frozen=True):
    trace: Trace
    values: tuple[StepValue, ...]
    error: TraceError | None

    def steps(self) -> tuple[str, ...]:
        """The executed steps in words.

        What was executed, not what precedes the fault: a fault of shape is named where the whole
        trace has its first, which may lie behind the step at which the solver stopped.
        """
        done = {(value.subtrace, value.step) for value in self.values}
        subtraces = []
        for index, subtrace in enumerate(self.trace.subtraces):
            count = 0
            while count < len(subtrace.steps) and (index, count) in done:
                count += 1
            subtraces.append(SubTrace(subtrace.expert, subtrace.steps[:count]))
            if count < len(subtrace.steps):
                break
        whole = Trace(tuple(subtraces))
        recorded: list[Recorded] = [tuple(value) for value in self.values]  # type: ignore[misc]
        return tuple(explain(whole, Execution(whole, (), recorded)))


def mark(prediction: Prediction) -> Marked:
    """The steps of ``prediction``, and where it and the reference part."""
    executed, error = _execute(prediction.completion)
    if executed is None:
        return Marked(predicted=_refused(prediction.completion, error))
    if prediction.correct:
        return Marked(steps=executed.steps())
    if executed.error is not None:
        refused = _refused(prediction.completion, executed.error)
        return Marked(steps=executed.steps(), predicted=refused)
    reference, _ = _execute(prediction.reference_trace)
    if reference is None or prediction.kind is not VerdictKind.WRONG_ANSWER:
        return Marked(steps=executed.steps(), predicted=_last_step(prediction))
    return Marked(
        steps=executed.steps(),
        predicted=_departure(prediction, executed),
        reference=_missing(prediction, executed, reference),
    )


def _execute(text: str) -> tuple[_Executed | None, TraceError | None]:
    if not text:
        return None, None
    try:
        trace = parse_trace(text)
    except TraceError as error:
        return None, error
    record: list[Recorded] = []
    fault = None
    try:
        run(trace, record)
    except TraceError as error:
        fault = error
    return _Executed(trace, tuple(StepValue(*found) for found in record), fault), None


def _refused(text: str, error: TraceError | None) -> Mark | None:
    if error is None or error.subtrace is None or error.step is None:
        return None
    line = _line(text, error.subtrace, error.step)
    return None if line is None else Mark(line, error.detail)


def _last_step(prediction: Prediction) -> Mark | None:
    """A trace that runs and is refused all the same is refused for what it queries."""
    if prediction.kind is not VerdictKind.INVALID_TRACE:
        return None
    lines = _step_lines(prediction.completion)
    return Mark(max(lines.values()), prediction.message) if lines else None


def _departure(prediction: Prediction, mine: _Executed) -> Mark | None:
    if prediction.diverges_at is None:
        lines = _step_lines(prediction.completion)
        return Mark(max(lines.values()), "ends here") if lines else None
    line = _line(prediction.completion, *prediction.diverges_at)
    subtrace, place = prediction.diverges_at
    step = mine.trace.subtraces[subtrace].steps[place]
    verb = {Init: "takes", Query: "asks for"}.get(type(step), "gives")
    values = [v.value for v in mine.values if (v.subtrace, v.step) == (subtrace, place)]
    return None if line is None else Mark(line, f"{verb} {format_number(values[-1])}")


def _missing(prediction: Prediction, mine: _Executed, theirs: _Executed) -> Mark | None:
    known = _numbers(mine.values)
    for value in theirs.values:
        step = theirs.trace.subtraces[value.subtrace].steps[value.step]
        if value.value in known or isinstance(step, Init):
            continue
        line = _line(prediction.reference_trace, value.subtrace, value.step)
        note = f"gives {format_number(value.value)}, which the prediction never has"
        return None if line is None else Mark(line, note)
    return None


def _numbers(values: Iterable[StepValue]) -> set[Number]:
    return {value.value for value in values}


def _line(text: str, subtrace: int, step: int) -> int | None:
    return _step_lines(text).get((subtrace, step))


def _step_lines(text: str) -> dict[tuple[int, int], int]:
    """Line of each step by sub-trace and place, for traces with one line a step."""
    found: dict[tuple[int, int], int] = {}
    subtrace, step = -1, -1
    for number, line in enumerate(text.split("\n")):
        if _SUBTRACE.match(line):
            subtrace, step = subtrace + 1, -1
        elif subtrace >= 0 and _STEP.match(line):
            step += 1
            found[subtrace, step] = number
    return found
