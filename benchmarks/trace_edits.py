"""Small changes to traces, from which planted mistakes are made."""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from trace_pipeline.evaluation.diagnosis.steps import (
    number_in,
    numbers_of,
    operands_of,
    places,
    saying,
    step_at,
)
from trace_pipeline.traces import (
    AddEntity,
    Compare,
    Compute,
    Consume,
    Init,
    Number,
    Query,
    Step,
    SubTrace,
    Trace,
    Transfer,
)

Place = tuple[int, int]


def single_number_places(trace: Trace) -> list[Place]:
    """Where numbers stand that the trace says once and uses."""
    counts: Counter[Number] = numbers_of(trace)
    return [
        place
        for place, step in places(trace)
        if (number := number_in(step)) is not None
        and counts[number] == 1
        and (not isinstance(step, Init) or is_used(trace, place[0], step.var))
    ]


def number_at(trace: Trace, place: Place) -> Number:
    """The number that the step at ``place`` says.

    Raises:
        ValueError: it says none.
    """
    number = number_in(step_at(trace, place))
    if number is None:
        raise ValueError(f"{step_at(trace, place)} says no number")
    return number


def is_used(trace: Trace, index: int, name: str) -> bool:
    """Whether a step of sub-trace ``index`` reads ``name``."""
    return any(name in operands_of(step) for step in trace.subtraces[index].steps)


def with_step(trace: Trace, place: Place, step: Step | None) -> Trace:
    """``trace`` with another step at ``place``, or with none."""
    index, at = place
    subtrace = trace.subtraces[index]
    steps = (*subtrace.steps[:at], *([] if step is None else [step]), *subtrace.steps[at + 1 :])
    changed = SubTrace(subtrace.expert, steps)
    return Trace((*trace.subtraces[:index], changed, *trace.subtraces[index + 1 :]))


def with_number(trace: Trace, place: Place, value: Number) -> Trace:
    """``trace`` with another number at ``place``."""
    return with_step(trace, place, saying(step_at(trace, place), value))


def drop_step(trace: Trace, place: Place) -> Trace | None:
    """``trace`` without the number at ``place`` and what is done with it, if that is one step.

    An operand of three or more is taken out; a step of two gives way to its other operand.
    """
    index = place[0]
    step = step_at(trace, place)
    if isinstance(step, Consume | AddEntity | Transfer):
        return with_step(trace, place, None)
    if not isinstance(step, Init):
        return None
    users = [
        (at, other)
        for at, other in enumerate(trace.subtraces[index].steps)
        if step.var in operands_of(other)
    ]
    if len(users) != 1:
        return None
    at, user = users[0]
    if not isinstance(user, Compute | Compare) or user.args.count(step.var) != 1:
        return None
    others = tuple(arg for arg in user.args if arg != step.var)
    if len(others) >= 2:
        if user.compute_op == "sub" and user.args[0] == step.var:
            return None
        return with_step(with_step(trace, (index, at), replace(user, args=others)), place, None)
    return with_step(bypassed(trace, (index, at), user.var, others[0]), place, None)


def bypassed(trace: Trace, place: Place, name: str, operand: str) -> Trace:
    """``trace`` without the step at ``place``, which sets ``name``: its operand is read instead."""
    without = with_step(trace, place, None)
    index = place[0]
    subtrace = without.subtraces[index]
    changed = SubTrace(
        subtrace.expert, tuple(_reading(step, name, operand) for step in subtrace.steps)
    )
    return Trace((*without.subtraces[:index], changed, *without.subtraces[index + 1 :]))


def _reading(step: Step, old: str, new: str) -> Step:
    """``step`` reading ``new`` where it read ``old``."""
    match step:
        case Compute(args=args) | Compare(args=args):
            return replace(step, args=tuple(new if arg == old else arg for arg in args))
        case Query(var=var) if var == old:
            return Query(new)
        case Init():
            return step
    fields = {
        name: new
        for name in ("entity", "from_entity", "to_entity", "amount", "base", "rate")
        if getattr(step, name, None) == old
    }
    return replace(step, **fields)


def renamed(trace: Trace, place: Place, name: str) -> Trace:
    """``trace`` whose step at ``place`` sets ``name``, and what reads its variable reads that."""
    index, at = place
    subtrace = trace.subtraces[index]
    old = getattr(step_at(trace, place), "var", "")
    later = tuple(_reading(step, old, name) for step in subtrace.steps[at + 1 :])
    changed = replace(subtrace.steps[at], var=name)
    made = SubTrace(subtrace.expert, (*subtrace.steps[:at], changed, *later))
    return Trace((*trace.subtraces[:index], made, *trace.subtraces[index + 1 :]))


def without_unused_inits(trace: Trace) -> Trace:
    """``trace`` without inits that nothing reads."""
    return Trace(
        tuple(
            SubTrace(
                subtrace.expert,
                tuple(
                    step
                    for step in subtrace.steps
                    if not isinstance(step, Init) or is_used(trace, index, step.var)
                ),
            )
            for index, subtrace in enumerate(trace.subtraces)
        )
    )
