"""Short circuits: answers that were given rather than computed.

A result is refused if it is one and the same given number under every perturbation
of the trace's inits. The trace is run again on perturbed numbers; an operation that
was neutral because of a given number (add 0, times 1, 0 percent) passes its operand
through, so that such a path is seen for what it is. A result that equals a given
number by chance differs from it in the first perturbed run. A perturbed run that
fails (division by zero, an inexact root) is no evidence either way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from trace_pipeline.solver.arithmetic import COMPUTATIONS
from trace_pipeline.solver.execution import PERCENTAGES, Run, resolve_source
from trace_pipeline.traces.errors import Reason, TraceError
from trace_pipeline.traces.numbers import Number, format_number
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

_PERTURBATIONS: tuple[Callable[[int, int], int], ...] = (
    lambda place, count: (2 * 3 ** min(place, 40)) ** 2,
    lambda place, count: (2 * 3 ** min(count - place, 40)) ** 2,
    lambda place, count: (2 + 7919 * (place + 1) % 97) ** 2,
    lambda place, count: (2 + (5 * place + 3) % 7) ** 2,
)
"""The number put in the place of the n-th given one: rising and falling steeply, so that every
order occurs, then in between and small, so that powers stay within bounds. All are
squares, so that roots stay exact, and none is 0 or 1."""

_EVIDENCE = 2
"""Perturbed runs that must have worked, and agreed, before a result is called a short circuit."""

_NEUTRAL = {"add": 0, "sub": 0, "mul": 1, "div": 1, "floordiv": 1, "ceildiv": 1, "pow": 1}
"""The operand that leaves the others as they are: on any side of add and mul, else the right."""

_NEUTRAL_RATE: dict[type[Step], int] = {PercentOff: 0, PercentIncrease: 0, PercentOf: 100}


class _Cell(NamedTuple):
    """A variable in a perturbed run."""

    probe: Number
    """Its perturbed value."""
    given: int | None
    """Its value in the trace itself, if that is said there and whole; else None."""


class _Given(NamedTuple):
    """A number that the trace says, or takes from an earlier sub-trace."""

    name: str
    value: Number
    probe: Number


def check_short_circuit(trace: Trace, outcome: Run) -> None:
    """Refuse ``trace`` if one of the suspect results was given rather than computed.

    Raises:
        TraceError: ``short_circuit``.
    """
    disguises: dict[int, set[int]] = {}
    evidence = dict.fromkeys(outcome.suspects, 0)
    names: list[_Given] = []
    suspects = list(outcome.suspects)
    for magnitude in _PERTURBATIONS:
        probes = _Probes(trace, outcome.results, magnitude)
        for index in list(suspects):
            if index >= len(probes.results):
                continue  # the perturbed run failed before
            result = outcome.results[index]
            same = {
                place
                for place, given in enumerate(probes.givens[: probes.counts[index]])
                if given.probe == probes.results[index] and given.value == result
            }
            evidence[index] += 1
            disguises[index] = disguises.get(index, same) & same
            names = max(names, probes.givens, key=len)
            if not disguises[index]:
                suspects.remove(index)
        if not suspects:
            return
    for index in suspects:
        if evidence[index] >= _EVIDENCE:
            name = names[min(disguises[index])].name
            raise TraceError(
                Reason.SHORT_CIRCUIT,
                f"the result is nothing but {name}; query what the steps compute from it",
                index,
                len(trace.subtraces[index].steps) - 1,
                "query",
            )


class _Probes:
    """One perturbed run of a trace, as far as it went."""

    def __init__(
        self, trace: Trace, actual: Sequence[Number], magnitude: Callable[[int, int], int]
    ) -> None:
        self.actual = actual
        self.magnitude = magnitude
        self.steps = sum(len(subtrace.steps) for subtrace in trace.subtraces)
        self.givens: list[_Given] = []
        self.literals: dict[Number, _Cell] = {}
        self.results: list[Number] = []
        self.counts: list[int] = []
        """Givens up to the end of each sub-trace."""
        for index, subtrace in enumerate(trace.subtraces):
            try:
                self.results.append(self._run(subtrace, index))
            except TraceError:
                break
            self.counts.append(len(self.givens))

    def _run(self, subtrace: SubTrace, index: int) -> Number:
        state: dict[str, _Cell] = {}
        for step in subtrace.steps:
            if isinstance(step, Init):
                state[step.var] = self._init(step, index)
            elif isinstance(step, Compute | Compare):
                state[step.var] = _computed(step.compute_op, [state[arg] for arg in step.args])
            elif isinstance(step, Query):
                return state[step.var].probe
            elif isinstance(step, AddEntity):
                stock = state.get(step.entity, _Cell(0, 0))
                state[step.entity] = _computed("add", [stock, self._cell(step.amount, state)])
            elif isinstance(step, Consume):
                stock, amount = state[step.entity], self._cell(step.amount, state)
                state[step.entity] = _computed("sub", [stock, amount])
            elif isinstance(step, Transfer):
                amount = self._cell(step.amount, state)
                state[step.from_entity] = _computed("sub", [state[step.from_entity], amount])
                stock = state.get(step.to_entity, _Cell(0, 0))
                state[step.to_entity] = _computed("add", [stock, amount])
            else:
                base, rate = state[step.base], self._cell(step.rate, state)
                kind = type(step)
                neutral = rate.given == _NEUTRAL_RATE[kind]
                value = base.probe if neutral else PERCENTAGES[kind](base.probe, rate.probe)
                state[step.var] = base if neutral else _Cell(value, None)
        raise AssertionError("a trace that ran has a query")

    def _init(self, step: Init, index: int) -> _Cell:
        if step.source is not None:
            origin = resolve_source(step.source, index)
            cell = _Cell(self.results[origin], None)
            self.givens.append(_Given(repr(step.source), self.actual[origin], cell.probe))
            return cell
        assert step.value is not None
        return self._given(repr(step.var), step.value)

    def _cell(self, amount: Number | str, state: dict[str, _Cell]) -> _Cell:
        """The cell of an amount or rate; equal literals are perturbed alike."""
        if isinstance(amount, str):
            return state[amount]
        if amount not in self.literals:
            self.literals[amount] = self._given(f"the literal {format_number(amount)}", amount)
        return self.literals[amount]

    def _given(self, name: str, value: Number) -> _Cell:
        magnitude = self.magnitude(len(self.givens), self.steps)
        probe = -magnitude if value < 0 else magnitude
        self.givens.append(_Given(name, value, probe))
        return _Cell(probe, value if isinstance(value, int) else None)


def _computed(operation: str, cells: list[_Cell]) -> _Cell:
    neutral = _NEUTRAL.get(operation)
    if neutral is not None:
        if operation in ("add", "mul"):
            others = [cell for cell in cells if cell.given != neutral]
            if len(others) <= 1:
                return others[0] if others else cells[0]
        elif all(cell.given == neutral for cell in cells[1:]) and (
            operation not in ("floordiv", "ceildiv") or cells[0].probe.denominator == 1
        ):
            return cells[0]
    return _Cell(COMPUTATIONS[operation]([cell.probe for cell in cells]), None)
