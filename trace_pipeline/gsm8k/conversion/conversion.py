"""A problem with its author's solution as a trace that computes the gold answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

from msgspec import Struct

from trace_pipeline.gsm8k.annotations import AnnotationError
from trace_pipeline.gsm8k.conversion.confidence import TIED, confidence_of, rival_margin
from trace_pipeline.gsm8k.conversion.experts import Policy, write_trace
from trace_pipeline.gsm8k.conversion.nodes import (
    Apply,
    Node,
    UndefinedValueError,
    evaluate,
    is_grounded,
    question_values,
)
from trace_pipeline.gsm8k.conversion.reading import Reading, readings
from trace_pipeline.gsm8k.conversion.solution import Calculated, read_solution, stated
from trace_pipeline.gsm8k.conversion.text import Text
from trace_pipeline.gsm8k.problem import Problem
from trace_pipeline.solver import Solver
from trace_pipeline.traces import Number, Trace, TraceError, format_number

IMPLAUSIBLE = 3.0
"""A grounded reading that costs more is none: nothing in the text speaks for it."""
IMPLAUSIBLE_UNGROUNDED = 6.0
"""The same with a number that only the solution states."""
DOUBTFUL = 0.6
"""A grounded reading with less confidence is not worth training on."""
DOUBTFUL_UNGROUNDED = 0.2
"""The same for an ungrounded one, which is marked as such anyway."""
TRIED = 8
"""Readings shown to the solver, the likeliest first."""


class FailureKind(StrEnum):
    """Why a problem has no trace."""

    BROKEN_ANNOTATION = "broken_annotation"
    NO_ROUTE = "no_route"
    """Nothing that the author computed gives the gold answer."""
    WRONG_VALUE = "wrong_value"
    """The author's calculations do not give the gold answer when they are done exactly."""
    IMPLAUSIBLE = "implausible"
    """Only readings that nothing in the text speaks for."""
    NO_COMPUTATION = "no_computation"
    """The answer stands in the question; a trace would be a short circuit."""
    INVALID_TRACE = "invalid_trace"
    """The solver refuses the trace; the message says why."""


class Failure(Struct, frozen=True):
    """A problem without a trace."""

    index: int
    kind: FailureKind
    message: str = ""


class Conversion(Struct, frozen=True):
    """A problem with its verified trace."""

    index: int
    """The problem's position in its file."""
    question: str
    trace: Trace
    answer: Number
    confidence: float
    """Between 0 and 1; see docs/gsm8k-traces.md for what lowers it."""
    grounded: bool
    """Whether every number stems from the question or a named constant of the world."""
    tied: bool
    """Whether another reading, with other results for other numbers, is as likely."""
    origins: tuple[tuple[Node | None, ...], ...]
    """For each step of each sub-trace where the number comes from that its init states."""
    reading: Reading
    text: Text
    """The question's numbers, to which the reading refers."""
    alternatives: tuple[Trace, ...] = ()
    """Where ``tied``: the traces of the readings that are as likely."""


def convert_problem(
    problem: Problem, policy: Policy = Policy.ARITHMETIC, solver: Solver | None = None
) -> Conversion | Failure:
    """Turn a problem's annotated solution into a trace that executes to the gold answer.

    Args:
        problem: With the author's solution.
        policy: To which experts the trace may be given.
        solver: Checks the trace; a strict one by default.
    """
    text = Text(problem.question, problem.solution)
    try:
        found, kind = _best(problem, text)
    except AnnotationError as error:
        return Failure(problem.index, FailureKind.BROKEN_ANNOTATION, str(error))
    if not found:
        return Failure(problem.index, kind)
    failure = Failure(problem.index, FailureKind.NO_COMPUTATION)
    for position, reading in enumerate(found[:TRIED]):
        if not isinstance(reading.root, Apply):
            continue
        if reading.cost > (IMPLAUSIBLE if is_grounded(reading.root) else IMPLAUSIBLE_UNGROUNDED):
            failure = Failure(problem.index, FailureKind.IMPLAUSIBLE, f"cost {reading.cost:.2f}")
            break
        trace, origins = write_trace(reading, text, policy)
        try:
            # Where a misread equal number cancels out, the solver says so: on to the next.
            answer = (solver or _STRICT).execute(trace).answer
        except TraceError as error:
            failure = Failure(problem.index, FailureKind.INVALID_TRACE, str(error))
            continue
        if answer != problem.gold:
            message = f"{format_number(answer)} instead of {format_number(problem.gold)}"
            return Failure(problem.index, FailureKind.WRONG_VALUE, message)
        rivals = found[position + 1 :]
        if is_grounded(reading.root):
            # That a number may be the author's own invention says nothing for another origin.
            rivals = [rival for rival in rivals if is_grounded(rival.root)]
        margin = rival_margin(reading, rivals, text)
        confidence = confidence_of(reading, margin, text)
        if confidence < (DOUBTFUL if is_grounded(reading.root) else DOUBTFUL_UNGROUNDED):
            message = f"confidence {confidence:.2f}"
            return Failure(problem.index, FailureKind.IMPLAUSIBLE, message)
        return Conversion(
            problem.index,
            problem.question,
            trace,
            answer,
            confidence,
            is_grounded(reading.root),
            margin < TIED,
            origins,
            reading,
            text,
            _alternatives(reading, rivals, problem, text, policy) if margin < TIED else (),
        )
    return failure


def _alternatives(
    reading: Reading, rivals: Sequence[Reading], problem: Problem, text: Text, policy: Policy
) -> tuple[Trace, ...]:
    """Verified traces of the rivals that cost hardly more than ``reading``."""
    found = []
    for rival in rivals[:TRIED]:
        if rival.cost - reading.cost >= TIED or not isinstance(rival.root, Apply):
            continue
        trace, _ = write_trace(rival, text, policy)
        try:
            right = _STRICT.execute(trace).answer == problem.gold
        except TraceError:
            continue
        if right:
            found.append(trace)
    return tuple(found)


_STRICT = Solver()


def _best(problem: Problem, text: Text) -> tuple[list[Reading], FailureKind]:
    """Readings that give the gold answer, the likeliest first: strict looks before loose ones."""
    given = {mention.value for mention in text.mentions}
    best: list[Reading] = []
    kind = FailureKind.NO_ROUTE
    for loose in (False, True):
        calculations = read_solution(problem.solution, given, loose)
        for route in _routes(calculations, problem.gold, last_resort=loose and not best):
            found = _readings_of(route, problem.gold, text)
            if found is None:
                kind = FailureKind.WRONG_VALUE
                continue
            if not best or _merit(found[0]) < _merit(best[0]):
                best = found
        if best and is_grounded(best[0].root):
            break
    return best, kind


def _merit(reading: Reading) -> tuple[bool, float]:
    """Readings in order: grounded ones first, then by cost."""
    return not is_grounded(reading.root), reading.cost


def _routes(
    calculations: list[Calculated], gold: Number, last_resort: bool
) -> Iterator[list[Calculated]]:
    """The author's calculations up to one that gives the gold answer."""
    hits = [
        index
        for index, calculation in enumerate(calculations)
        if gold in (calculation.result, calculation.value)
    ]
    if hits:
        yield calculations[: hits[-1] + 1]
        # An equation that is solved by hand gives its unknown in more than one place.
        yield from (calculations[: hit + 1] for hit in hits[:-1] if calculations[hit].solved)
    elif last_resort and calculations:
        yield [*calculations, stated(gold)]


def _readings_of(
    calculations: Sequence[Calculated], gold: Number, text: Text
) -> list[Reading] | None:
    """The readings that give ``gold``, cheapest first; None if there are none."""
    given = question_values(text.mentions)
    known: dict[Node, Number] = {}
    inexact = any(
        isinstance(calculation.result, int) and calculation.value != calculation.result
        for calculation in calculations
    )
    for rounded in (True, False) if inexact else (False,):
        found: dict[object, Reading] = {}
        for reading in readings(calculations, text, rounded):
            try:
                right = evaluate(reading.root, given, known) == gold
            except UndefinedValueError:
                continue
            if right and (reading.root not in found or reading.cost < found[reading.root].cost):
                found[reading.root] = reading
        if found:
            return sorted(found.values(), key=lambda reading: reading.cost)
    return None
