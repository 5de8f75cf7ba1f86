"""Running a typed trace: its steps in order, each sub-trace with a state of its own.

The loop is written for speed, because rewards, evaluation and generation all pass
through it: whole numbers take a short way, and a trace is judged for its shape
only where the run has stumbled.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from trace_pipeline.solver.arithmetic import (
    COMPUTATIONS,
    bounded,
    percent_increase,
    percent_of,
    percent_off,
)
from trace_pipeline.solver.experts import EXPERT_OPERATIONS
from trace_pipeline.traces.errors import Reason, TraceError, shorten
from trace_pipeline.traces.limits import MAX_BITS, MAX_STEPS, MAX_SUBTRACES
from trace_pipeline.traces.numbers import Number
from trace_pipeline.traces.operations import COMPUTE_ARITIES, OP_NAMES, OPERATIONS
from trace_pipeline.traces.shape import check_shape
from trace_pipeline.traces.steps import (
    AddEntity,
    Compare,
    Compute,
    Consume,
    Init,
    PercentIncrease,
    PercentOf,
    PercentOff,
    Query,
    Step,
    SubTrace,
    Trace,
    Transfer,
)

PERCENTAGES: Mapping[type[Step], Callable[[Number, Number], Number]] = {
    PercentOff: percent_off,
    PercentIncrease: percent_increase,
    PercentOf: percent_of,
}
"""What each percentage step does with its base and its rate."""

_VOCABULARIES = {
    expert: frozenset(OPERATIONS[op].step for op in ops)
    for expert, ops in EXPERT_OPERATIONS.items()
}
_SHORT_WAY: dict[str, Callable[[int, int], int]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
}
_BOUND = 1 << MAX_BITS
_LOWEST = -_BOUND


class StepValue(NamedTuple):
    """The value that a step gave to a variable."""

    subtrace: int
    step: int
    name: str
    value: Number


Recorded = tuple[int, int, str, Number]
"""A ``StepValue`` while the trace runs, when a plain tuple is a fifth of the cost."""


class Execution:
    """What came of running a valid trace."""

    def __init__(
        self,
        trace: Trace,
        results: tuple[Number, ...],
        record: list[Recorded] | None = None,
    ) -> None:
        self.trace = trace
        self._record = record
        self.results = results
        """What each sub-trace queried."""

    @property
    def answer(self) -> Number:
        """What the last sub-trace queried."""
        return self.results[-1]

    @cached_property
    def steps(self) -> tuple[StepValue, ...]:
        """Every value that a step set, in order; a transfer sets two, a query repeats one."""
        if self._record is None:
            self._record = []
            run(self.trace, self._record)
        return tuple(itertools.starmap(StepValue, self._record))

    @property
    def fractions(self) -> tuple[StepValue, ...]:
        """Of ``steps`` those whose value is not whole."""
        if self._record is None:
            return tuple(step for step in self.steps if type(step.value) is not int)
        return tuple([StepValue(*found) for found in self._record if type(found[3]) is not int])


class Run(NamedTuple):
    """A trace's results, and which of them equal a number that was given."""

    results: tuple[Number, ...]
    suspects: tuple[int, ...]


class _MisshapenError(Exception):
    """A step that no reader would have let through; ``check_shape`` says why."""


def run(trace: Trace, record: list[Recorded] | None = None) -> Run:
    """Execute ``trace``, short circuits apart; ``record`` collects the value of every step.

    Raises:
        TraceError: the first fault, of shape or of execution.
    """
    subtraces = trace.subtraces
    if not 0 < len(subtraces) <= MAX_SUBTRACES:
        check_shape(trace, EXPERT_OPERATIONS)
    for subtrace in subtraces:
        if len(subtrace.steps) > MAX_STEPS:
            check_shape(trace, EXPERT_OPERATIONS)
    results: list[Number] = []
    givens: list[Number] = []
    suspects: list[int] = []
    for index, subtrace in enumerate(subtraces):
        result = _run_subtrace(trace, index, subtrace, results, givens, record)
        results.append(result)
        if result in givens:
            suspects.append(index)
    return Run(tuple(results), tuple(suspects))


def _run_subtrace(
    trace: Trace,
    index: int,
    subtrace: SubTrace,
    results: list[Number],
    givens: list[Number],
    record: list[Recorded] | None,
) -> Number:
    state: dict[str, Number] = {}
    steps = subtrace.steps
    last = len(steps) - 1
    place = 0
    try:
        vocabulary = _VOCABULARIES[subtrace.expert]
        for place, step in enumerate(steps):
            if type(step) not in vocabulary:
                raise _MisshapenError
            # ``type`` is cheaper than ``isinstance``; subclasses are in no vocabulary.
            if type(step) is Init:
                name = step.var
                if step.source is None:
                    said = step.value
                    value = (
                        said if type(said) is int and _LOWEST < said < _BOUND else _literal(said)
                    )
                elif step.value is None:
                    value = results[resolve_source(step.source, index)]
                else:
                    raise _MisshapenError
                if name in state:
                    raise _redefined(name)
                state[name] = value
                givens.append(value)
            elif type(step) is Compute or type(step) is Compare:
                name, args = step.var, step.args
                short = _SHORT_WAY.get(step.compute_op)
                if (
                    short is not None
                    and len(args) == 2
                    and type(left := state[args[0]]) is type(right := state[args[1]]) is int
                ):
                    if name in state:
                        raise _redefined(name)
                    value = short(left, right)
                    if not _LOWEST < value < _BOUND:
                        bounded(value)
                else:
                    values = [state[arg] for arg in args]
                    if name in state:
                        raise _redefined(name)
                    low, high = COMPUTE_ARITIES[step.compute_op]
                    if not low <= len(values) <= high:
                        raise _MisshapenError
                    value = COMPUTATIONS[step.compute_op](values)
                state[name] = value
            elif type(step) is Query:
                if place != last:
                    raise TraceError(
                        Reason.MISPLACED_QUERY, "steps follow the query; put the query last"
                    )
                name = step.var
                value = state[name]
            elif isinstance(step, (PercentOff, PercentIncrease, PercentOf)):
                name, base = step.var, state[step.base]
                rate = given_amount(step.rate, state, givens)
                if name in state:
                    raise _redefined(name)
                state[name] = value = PERCENTAGES[type(step)](base, rate)
            else:
                name, value = move(step, state, givens, index, place, record)
            if record is not None:
                record.append((index, place, name, value))
    except (TraceError, LookupError, TypeError, AttributeError, _MisshapenError) as error:
        raise _located(error, trace, index, place) from None
    if last < 0 or type(steps[last]) is not Query:
        raise TraceError(
            Reason.NO_QUERY,
            "no query at the end; end with {op: query, var: ...}",
            index,
            label=subtrace.expert,
        )
    return value


def move(
    step: Step,
    state: dict[str, Number],
    givens: list[Number],
    index: int,
    place: int,
    record: list[Recorded] | None,
) -> tuple[str, Number]:
    """Change the stocks that ``step`` is about; the last name changed, and its new stock."""
    if isinstance(step, AddEntity):
        stock = state.get(step.entity, 0)
        amount = _stock_amount(step.amount, state, givens)
        state[step.entity] = value = bounded(stock + amount)
        return step.entity, value
    if isinstance(step, Consume):
        stock = state[step.entity]
        amount = _stock_amount(step.amount, state, givens)
        state[step.entity] = value = _taken(step.entity, stock, amount)
        return step.entity, value
    assert isinstance(step, Transfer)
    stock = state[step.from_entity]
    amount = _stock_amount(step.amount, state, givens)
    state[step.from_entity] = value = _taken(step.from_entity, stock, amount)
    if record is not None:
        record.append((index, place, step.from_entity, value))
    state[step.to_entity] = value = bounded(state.get(step.to_entity, 0) + amount)
    return step.to_entity, value


def resolve_source(source: str, index: int) -> int:
    """The index of the earlier sub-trace that ``source`` names in sub-trace ``index``.

    Raises:
        TraceError: ``unresolved_source``.
    """
    if source == "prev.result":
        number = index - 1
    else:
        digits = source.removeprefix("sub").removesuffix(".result")
        plain = digits.isascii() and digits.isdecimal() and len(digits) <= 4
        number = int(digits) if plain and source == f"sub{int(digits)}.result" else index
    if not 0 <= number < index:
        raise TraceError(
            Reason.UNRESOLVED_SOURCE,
            f"{shorten(source)} names no earlier sub-trace; use prev.result or subN.result with "
            "N from 0, or give a value",
        )
    return number


def _literal(value: object) -> Number:
    if type(value) is int and _LOWEST < value < _BOUND:
        return value
    if type(value) is int or isinstance(value, Fraction):
        return bounded(value)
    raise _MisshapenError


def given_amount(amount: Number | str, state: dict[str, Number], givens: list[Number]) -> Number:
    """An amount or rate: the value of a name, or a number, which goes to ``givens``."""
    if isinstance(amount, str):
        return state[amount]
    value = _literal(amount)
    givens.append(value)
    return value


def _stock_amount(amount: Number | str, state: dict[str, Number], givens: list[Number]) -> Number:
    value = given_amount(amount, state, givens)
    if value < 0:
        raise TraceError(
            Reason.NEGATIVE_STOCK, "the amount is negative; move a positive amount the other way"
        )
    return value


def _taken(entity: str, stock: Number, amount: Number) -> Number:
    if stock < amount:
        raise TraceError(
            Reason.NEGATIVE_STOCK,
            f"{entity!r} has less than is taken; take at most its stock",
        )
    return bounded(stock - amount)


def _redefined(name: str) -> TraceError:
    return TraceError(
        Reason.REDEFINED_VARIABLE, f"{shorten(name)} is defined already; use a new name"
    )


def _located(error: Exception, trace: Trace, index: int, place: int) -> Exception:
    """The fault to report for ``error``: one of shape anywhere comes before it."""
    check_shape(trace, EXPERT_OPERATIONS)
    if isinstance(error, KeyError):
        error = TraceError(
            Reason.UNDEFINED_VARIABLE,
            f"{shorten(error.args[0])} is not defined here; init or compute it in an earlier step",
        )
    if isinstance(error, TraceError):
        return error.at(index, place, OP_NAMES[type(trace.subtraces[index].steps[place])])
    return error
