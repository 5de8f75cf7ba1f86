"""Where a trace with several faults first leaves the reference.

A step is right if its value is one on the way to the reference's answer. The first wrong
steps are those all of whose operands are right, or are numbers. Of several the one that
takes the fewest operations counts, so that the order in which independent steps are
written does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from trace_pipeline.evaluation.diagnosis.classes import Diagnosed, Diagnosis, Place
from trace_pipeline.evaluation.diagnosis.edits import ORDERED
from trace_pipeline.evaluation.diagnosis.field import Element, symbol
from trace_pipeline.evaluation.diagnosis.numbers import Misreading, misreading
from trace_pipeline.evaluation.diagnosis.reference import Comparison
from trace_pipeline.evaluation.diagnosis.steps import (
    names_set,
    operands_of,
    operation_of,
    places,
    queried_place,
    step_at,
)
from trace_pipeline.evaluation.diagnosis.wording import (
    left_out,
    number_fault,
    number_invented,
    operation_differs,
    unfinished,
    unread_operand,
    unrelated_operands,
    unused_number,
)
from trace_pipeline.solver.execution import resolve_source
from trace_pipeline.traces import (
    Init,
    Number,
    Query,
    Trace,
    TraceError,
)

PRECEDENCE = (
    Diagnosis.NUMBER_MISREAD,
    Diagnosis.NUMBER_INVENTED,
    Diagnosis.NUMBER_MISSING,
    Diagnosis.WRONG_OPERATION,
    Diagnosis.WRONG_WIRING,
    Diagnosis.TRUNCATED_CHAIN,
    Diagnosis.MISSING_LAST_STEP,
)
"""Which of several first faults counts that take equally many operations."""


class _Fault(Struct, frozen=True):
    depth: int
    diagnosed: Diagnosed


def first_fault(comparison: Comparison) -> Diagnosed:
    """What is wrong where the prediction first leaves the reference."""
    trace = comparison.trace
    needed, depths = _contributing(trace), _depths(trace)
    faults = [
        _Fault(depths[place], _fault_at(comparison, place))
        for place, step in places(trace)
        if place in needed and not isinstance(step, Init | Query) and _is_first(comparison, place)
    ]
    if faults:
        return min(faults, key=_order).diagnosed
    for place, step in places(trace):
        if isinstance(step, Init) and place in needed and step.value in comparison.strange:
            return _strange_number(comparison, _number(step.value), place)
    if comparison.reference.remaining(comparison.known):
        return unfinished(comparison, queried_place(trace))
    return unrelated_operands(comparison, queried_place(trace) or places(trace)[-1][0])


def _order(fault: _Fault) -> tuple[int, int, Place]:
    found = fault.diagnosed
    return fault.depth, PRECEDENCE.index(found.diagnosis), found.place or (0, 0)


def _number(value: Number | None) -> Number:
    assert value is not None
    return value


def _is_first(comparison: Comparison, place: Place) -> bool:
    """Whether the step's value is wrong and no computed operand of it is."""
    set_here = [s.element for s in comparison.run.settings if s.place == place]
    if all(map(comparison.reference.is_on_the_way, set_here)):
        return False
    step = step_at(comparison.trace, place)
    given = _given(comparison.trace, place[0])
    return all(
        comparison.reference.is_on_the_way(element) or operand in given or not _is_name(operand)
        for operand, element in zip(operands_of(step), comparison.run.operands(place), strict=True)
    )


def _is_name(operand: Number | str) -> bool:
    return isinstance(operand, str)


def _given(trace: Trace, subtrace: int) -> dict[Number | str, tuple[Place, Number]]:
    """The names that inits give numbers, unless a stock step changes them."""
    return {
        step.var: ((index, place), step.value)
        for (index, place), step in places(trace)
        if index == subtrace and isinstance(step, Init) and step.value is not None
    }


def _fault_at(comparison: Comparison, place: Place) -> Diagnosed:
    step = step_at(comparison.trace, place)
    given = _given(comparison.trace, place[0])
    for operand in operands_of(step):
        if isinstance(operand, str):
            where, value = given.get(operand, (place, None))
        else:
            where, value = place, operand
        if value is not None and value in comparison.strange:
            return _strange_number(comparison, value, where)
    return _structure(comparison, place)


def _strange_number(comparison: Comparison, value: Number, place: Place) -> Diagnosed:
    """A number that the reference does not have."""
    if value in comparison.question.said:
        return unused_number(comparison, value, place)
    for expected in comparison.missing:
        if expected not in comparison.question.said:
            continue
        how = misreading(value, expected, comparison.question)
        # Any number can be a misread word: that it is one is a guess where more are missing.
        if how is not None and (how is not Misreading.WORDS or len(comparison.missing) == 1):
            return number_fault(comparison, value, expected, place, sure=False)
    return number_invented(comparison, value, place)


def _structure(comparison: Comparison, place: Place) -> Diagnosed:
    """The operands are right, but not what is done with them."""
    reference = comparison.reference
    step = step_at(comparison.trace, place)
    operation, operands = operation_of(step), comparison.run.operands(place)
    for element, (other, needed) in reference.operands.items():
        if sorted(needed) == sorted(operands):
            return operation_differs(comparison, place, element, other == operation)
    for element, (other, needed) in reference.operands.items():
        lacking = [operand for operand in needed if operand not in operands]
        shared = len(lacking) < len(needed)
        if operation in ORDERED:  # what is divided is not what divides
            shared = any(a == b for a, b in zip(needed, operands, strict=False))
        if other != operation or not shared:
            continue
        return _lacking(comparison, place, element, lacking)
    return unrelated_operands(comparison, place)


def _lacking(
    comparison: Comparison, place: Place, element: Element, lacking: Sequence[Element]
) -> Diagnosed:
    """The reference does the same with other operands: ``lacking`` are those that are not there."""
    reference = comparison.reference
    instead = set(comparison.run.operands(place)) - set(reference.operands[element][1])
    for operand in lacking:
        inputs = reference.inputs(operand)
        unread = [n for n in comparison.missing if symbol(n) in inputs]
        steps = reference.remaining(comparison.known, operand)
        said = [n for n in unread if n in comparison.question.said]
        # One number and what is done with it is a number that is not read; more is a piece
        # of the chain, if what stands there instead is what that piece begins with.
        if said and (len(unread) == 1 or len(steps) < 2):
            return unread_operand(comparison, said[0], place, element)
        if steps and instead <= inputs:
            return left_out(comparison, operand, place)
    return unrelated_operands(comparison, place, element)


def _contributing(trace: Trace) -> set[Place]:
    """The steps that the answer depends on; all of them where it asks for an input."""
    found: set[Place] = set()
    wanted = {len(trace.subtraces) - 1}
    for index in range(len(trace.subtraces) - 1, -1, -1):
        if index not in wanted:
            continue
        names: set[str] = set()
        steps = trace.subtraces[index].steps
        for place in range(len(steps) - 1, -1, -1):
            step = steps[place]
            sets = names_set(step)
            if not isinstance(step, Query) and names.isdisjoint(sets):
                continue
            found.add((index, place))
            names.update(operand for operand in operands_of(step) if isinstance(operand, str))
            if isinstance(step, Init) and step.source is not None:
                try:
                    wanted.add(resolve_source(step.source, index))
                except TraceError:
                    continue
    computing = any(not isinstance(step_at(trace, p), Init | Query) for p in found)
    return found if computing else {place for place, _ in places(trace)}


def _depths(trace: Trace) -> dict[Place, int]:
    """How many operations lie beneath each step on the longest way down, itself included."""
    found: dict[Place, int] = {}
    queried: list[int] = []
    for index, subtrace in enumerate(trace.subtraces):
        names: dict[str, int] = {}
        depth = 0
        for place, step in enumerate(subtrace.steps):
            below = [names.get(o, 0) for o in operands_of(step) if isinstance(o, str)]
            if isinstance(step, Init):
                depth = max(queried, default=0) if step.source is not None else 0
            else:
                depth = max(below, default=0) + (not isinstance(step, Query))
            found[index, place] = depth
            if not isinstance(step, Query):
                names |= dict.fromkeys(names_set(step), depth)
        queried.append(depth)
    return found
