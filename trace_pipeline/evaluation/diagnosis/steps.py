"""What the steps of a trace read, set and say, whatever their kind."""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from trace_pipeline.evaluation.diagnosis.classes import Place
from trace_pipeline.traces import (
    AddEntity,
    Compare,
    Compute,
    Consume,
    Init,
    Number,
    Query,
    Step,
    Trace,
    Transfer,
)

_NUMBER_FIELDS = ("value", "amount", "rate")


def places(trace: Trace) -> list[tuple[Place, Step]]:
    """The steps of a trace with their places."""
    return [
        ((index, place), step)
        for index, subtrace in enumerate(trace.subtraces)
        for place, step in enumerate(subtrace.steps)
    ]


def step_at(trace: Trace, place: Place) -> Step:
    """The step of ``trace`` at ``place``."""
    return trace.subtraces[place[0]].steps[place[1]]


def computing(trace: Trace) -> list[Place]:
    """The places of the steps that compute: all but inits and queries."""
    return [place for place, step in places(trace) if not isinstance(step, Init | Query)]


def queried_place(trace: Trace) -> Place | None:
    """Where the trace asks for its answer; None if it does not."""
    last = len(trace.subtraces) - 1
    for place, step in enumerate(trace.subtraces[last].steps):
        if isinstance(step, Query):
            return last, place
    return None


def operation_of(step: Step) -> str:
    """The name of what a step does: its ``compute_op``, or its kind."""
    return step.compute_op if isinstance(step, Compute | Compare) else type(step).__name__


def operands_of(step: Step) -> tuple[Number | str, ...]:
    """The quantities that a step reads, in the order of its fields."""
    match step:
        case Compute() | Compare():
            return step.args
        case Consume() | AddEntity():
            return (step.entity, step.amount)
        case Transfer():
            return (step.from_entity, step.to_entity, step.amount)
        case Query():
            return (step.var,)
        case Init():
            return ()
    return (step.base, step.rate)


def names_set(step: Step) -> tuple[str, ...]:
    """The names that a step gives values."""
    match step:
        case Query():
            return ()
        case Consume(entity=entity) | AddEntity(entity=entity):
            return (entity,)
        case Transfer(from_entity=giver, to_entity=taker):
            return giver, taker
    return (step.var,)


def number_in(step: Step) -> Number | None:
    """The number that a step says, as a value, an amount or a rate; None if it says none."""
    for field in _NUMBER_FIELDS:
        value: Number | str | None = getattr(step, field, None)
        if value is not None and not isinstance(value, str):
            return value
    return None


def saying(step: Step, number: Number) -> Step:
    """``step`` with another number in the place of the one that it says."""
    fields = {
        field: number
        for field in _NUMBER_FIELDS
        if getattr(step, field, None) is not None and not isinstance(getattr(step, field), str)
    }
    return replace(step, **fields)


def numbers_of(trace: Trace) -> Counter[Number]:
    """The numbers that a trace says, each with how often."""
    said = (number_in(step) for _, step in places(trace))
    return Counter(number for number in said if number is not None)
