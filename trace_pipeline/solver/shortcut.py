"""Short circuits: answers that were given rather than computed.

A result is refused if it is one and the same given number under every perturbation
of the trace's inits. The trace is run again on perturbed numbers; an operation that
was neutral because of a given number (add 0, times 1, 0 percent) passes its operand
through, so that such a path is seen for what it is. A result that equals a given
number by chance differs from it in the first perturbed run. A perturbed run that
fails (division by zero, an inexact root) is no evidence either way.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache
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

_PLACES = 64
"""Given numbers of a trace that are perturbed apart; later ones repeat the row."""


def _row(root: Callable[[int], int]) -> tuple[int, ...]:
    """What is put in the place of the n-th given number: squares, so that roots stay exact."""
    return tuple(root(place) ** 2 for place in range(_PLACES))


def _spread_row(seed: int) -> tuple[int, ...]:
    source = random.Random(seed)
    return _row(lambda _: source.randrange(2, 9) * 3 ** source.choice((0, 0, 1, 2, 4, 8, 16)))


_PERTURBATIONS = (
    _row(lambda place: 2 * 3 ** min(place, 16)),
    _row(lambda place: 2 * 3 ** max(16 - place, 0)),
    _row(lambda place: 2 + 62 * (place + 1) % 97),
    _row(lambda place: 2 + (5 * place + 3) % 7),
    _row(lambda place: 2 + (3 * place + 1) % 5),
)
"""Steeply rising, steeply falling, in between, and small, so that powers stay within bounds."""


@cache
def _extremes() -> tuple[tuple[int, ...], ...]:
    """For operations that choose (min, mod): whatever can be chosen is to be chosen once.

    Each number above and below all others, then magnitudes far apart in any order.
    """
    lone = range(8)
    return (
        *(_lone_row(place, 3**17, 2) for place in lone),
        *(_lone_row(place, 2, 3**8) for place in lone),
        *(_spread_row(seed) for seed in range(128)),
    )


def _lone_row(chosen: int, root: int, others: int) -> tuple[int, ...]:
    return _row(lambda place: root if place == chosen else others + 5 * place % 97)


_CHOOSING = frozenset({"min", "max", "mod", "floordiv", "ceildiv", "abs"})
_WORK = 5_000
"""Operands that the extreme rows may cost altogether."""

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


def check_short_circuit(trace: Trace, outcome: Run, *, proven: bool = False) -> None:
    """Refuse ``trace`` if one of the suspect results was given rather than computed.

    Args:
        trace: one that ran.
        outcome: of its run.
        proven: refuse also what the first perturbations leave in doubt. A trace that passes this
            passes the check however it is continued by further sub-traces, which the other rule
            does not promise: operations that choose get fewer perturbations in longer traces.

    Raises:
        TraceError: ``short_circuit``.
    """
    suspects = {index: _Suspect() for index in outcome.suspects}
    for row in _PERTURBATIONS if proven else _rows(trace):
        probes = _Probes(trace, outcome.results, row)
        for index, suspect in list(suspects.items()):
            if index < len(probes.results):  # else the perturbed run failed before
                suspect.narrow(probes, index, outcome.results[index])
                if not suspect.disguises:
                    del suspects[index]
        if not suspects:
            return
    for index, suspect in suspects.items():
        if proven or suspect.evidence >= _EVIDENCE:
            disguise = min(suspect.disguises.items())[1] if suspect.disguises else "a given number"
            raise TraceError(
                Reason.SHORT_CIRCUIT,
                f"the result is nothing but {disguise}; query what the steps compute from it",
                index,
                len(trace.subtraces[index].steps) - 1,
                "query",
            )


def _rows(trace: Trace) -> Iterator[tuple[int, ...]]:
    yield from _PERTURBATIONS
    operands, choosing = 0, False
    for subtrace in trace.subtraces:
        for step in subtrace.steps:
            if isinstance(step, Compute | Compare):
                operands += len(step.args)
                choosing = choosing or step.compute_op in _CHOOSING
    if choosing:
        yield from _extremes()[: _WORK // operands]


class _Suspect:
    """The given numbers that a result may be nothing but, and how many runs have said so."""

    def __init__(self) -> None:
        self.disguises: dict[int, str] = {}
        self.evidence = 0

    def narrow(self, probes: _Probes, index: int, result: Number) -> None:
        """Keep the given numbers that sub-trace ``index`` gives back in this run too."""
        same = {
            place: given.name
            for place, given in enumerate(probes.givens[: probes.counts[index]])
            if given.probe == probes.results[index]
            and given.value == result
            and (not self.evidence or place in self.disguises)
        }
        self.disguises = same
        self.evidence += 1


class _Probes:
    """One perturbed run of a trace, as far as it went."""

    def __init__(self, trace: Trace, actual: Sequence[Number], row: tuple[int, ...]) -> None:
        self.actual = actual
        self.row = row
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
        magnitude = self.row[len(self.givens) % _PLACES]
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
