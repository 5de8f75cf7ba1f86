"""What a trace computes as a function of its numbers: a run over a prime field.

Every number of a trace is replaced by a random element of the field, the same for
the same number. Two results are then equal if, and but for a chance of about 2**-50
only if, they are the same rational function of the same numbers, however they are
written (the identity test of J. T. Schwartz, JACM 27 (1980) 701, and R. Zippel). What is
no rational function (``min``, rounded division, roots) stands for itself: it is equal to
the same operation on equal operands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from trace_pipeline.evaluation.diagnosis.classes import Place
from trace_pipeline.evaluation.diagnosis.steps import names_set, operands_of
from trace_pipeline.solver.execution import resolve_source
from trace_pipeline.traces import (
    AddEntity,
    Compare,
    Compute,
    Consume,
    Init,
    Number,
    PercentIncrease,
    PercentOff,
    Query,
    Step,
    Trace,
    TraceError,
    Transfer,
)

PRIME = 2**61 - 1
Element = int
"""An element of the field."""

Symbols = Callable[[Number], Element]
"""What stands for a number."""


def opaque(*parts: object) -> Element:
    """The element of something that the field knows nothing of."""
    text = "\0".join(map(str, parts))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) % PRIME


@lru_cache(maxsize=4096)
def symbol(value: Number) -> Element:
    """The element of a number; 0 and 1 are themselves, so that ``x * 1`` is ``x``."""
    if value < 0:
        return PRIME - symbol(-value)
    return int(value) if value in (0, 1) else opaque("number", value)


_SMALL_POWERS = {symbol(exponent): exponent for exponent in range(10)}


@lru_cache(maxsize=16384)
def inverse(element: Element) -> Element:
    """One over ``element``."""
    return pow(element, -1, PRIME) if element else opaque("one over zero")


def combine(operation: str, operands: Sequence[Element]) -> Element:
    """The result of a ``compute_op``."""
    match operation:
        case "add":
            return sum(operands) % PRIME
        case "sub":
            return (operands[0] - sum(operands[1:])) % PRIME
        case "mul":
            product = 1
            for operand in operands:
                product = product * operand % PRIME
            return product
        case "div":
            return operands[0] * inverse(operands[1]) % PRIME
        case "pow" if operands[1] in _SMALL_POWERS:
            return pow(operands[0], _SMALL_POWERS[operands[1]], PRIME)
        case "min" | "max":
            return opaque(operation, *sorted(operands))
    return opaque(operation, *operands)


class Setting(NamedTuple):
    """A value that a step gave to a variable."""

    place: Place
    name: str
    element: Element


class Run:
    """A trace run over the field, and run again with some of its steps changed.

    No trace makes it fail: an unknown name or source is a quantity of its own.
    """

    def __init__(self, trace: Trace, symbols: Symbols = symbol) -> None:
        self.trace = trace
        self.symbols = symbols
        self.settings: list[Setting] = []
        """Every value that was set, in order; a transfer sets two."""
        self._inits = [
            {step.var: step for step in sub.steps if isinstance(step, Init)}
            for sub in trace.subtraces
        ]
        self._states: list[list[dict[str, Element]]] = []
        """The variables before each step."""
        self.results: list[Element] = []
        """What each sub-trace queries; of one without a query, a quantity of its own."""
        for index, subtrace in enumerate(trace.subtraces):
            state: dict[str, Element] = {}
            states: list[dict[str, Element]] = []
            result: Element | None = None
            for place, step in enumerate(subtrace.steps):
                states.append(state)
                if isinstance(step, Query) and result is None:
                    result = self._value(step.var, state, self.results, index)
                state = dict(state)
                for name in self._execute(step, state, self.results, index):
                    self.settings.append(Setting((index, place), name, state[name]))
            self._states.append(states)
            self.results.append(opaque("no query", index) if result is None else result)

    @property
    def answer(self) -> Element:
        """What the last sub-trace queries."""
        return self.results[-1]

    def answer_with(
        self, steps: Mapping[Place, Step], values: Mapping[Place, Element] = {}
    ) -> Element:
        """The answer with other steps in some places, or other values where steps set them."""
        first_index, first_place = min((*steps, *values))
        results = self.results[:first_index]
        for index in range(first_index, len(self.trace.subtraces)):
            subtrace = self.trace.subtraces[index]
            asked = (n for n, step in enumerate(subtrace.steps) if isinstance(step, Query))
            # What follows a query counts for nothing.
            start = min(first_place, next(asked, first_place)) if index == first_index else 0
            state = dict(self._states[index][start]) if self._states[index] else {}
            queried: Step | None = None
            for place in range(start, len(subtrace.steps)):
                here = (index, place)
                step = steps.get(here, subtrace.steps[place])
                if isinstance(step, Query):
                    queried = step
                    break
                for name in self._execute(step, state, results, index):
                    if here in values:
                        state[name] = values[here]
            results.append(
                self._value(queried.var, state, results, index)
                if isinstance(queried, Query)
                else opaque("no query", index)
            )
        return results[-1]

    def value_with(self, place: Place, step: Step) -> Element:
        """The value of the first name that ``step`` sets if it stood at ``place``."""
        state = dict(self._states[place[0]][place[1]])
        (name, *_) = self._execute(step, state, self.results, place[0])
        return state[name]

    def value_before(self, place: Place, name: str) -> Element:
        """The value of ``name`` before the step at ``place``."""
        index = place[0]
        return self._value(name, self._states[index][place[1]], self.results, index)

    def operands(self, place: Place) -> list[Element]:
        """The values that the step at ``place`` reads."""
        step = self.trace.subtraces[place[0]].steps[place[1]]
        return [
            self.value_before(place, operand) if isinstance(operand, str) else self.symbols(operand)
            for operand in operands_of(step)
        ]

    def names_before(self, place: Place) -> list[str]:
        """What the step at ``place`` could name: all that is set before it, and every init."""
        known = dict.fromkeys(self._states[place[0]][place[1]])
        return list(known | dict.fromkeys(self._inits[place[0]]))

    def settled_without(self, place: Place) -> dict[str, Element]:
        """Results behind the step at ``place`` that do not come from it, so could stand before it.

        In which order independent computations are written says nothing about them.
        """
        index, number = place
        steps = self.trace.subtraces[index].steps
        before, tainted = self._states[index][number], set(names_set(steps[number]))
        found: dict[str, Element] = {}
        for setting in self.settings:
            if setting.place[0] != index or setting.place[1] <= number:
                continue
            step = steps[setting.place[1]]
            if not tainted.isdisjoint(operands_of(step)):
                tainted.add(setting.name)
            elif isinstance(step, Compute) and setting.name not in before:
                found[setting.name] = setting.element
        return found

    def _value(
        self, name: str, state: Mapping[str, Element], results: list[Element], index: int
    ) -> Element:
        if name in state:
            return state[name]
        # An init stands for its number wherever it is written.
        init = self._inits[index].get(name)
        return self._given(init, results, index) if init else opaque("undefined", name)

    def _given(self, init: Init, results: list[Element], index: int) -> Element:
        if init.value is not None:
            return self.symbols(init.value)
        try:
            return results[resolve_source(init.source or "", index)]
        except (TraceError, IndexError):
            return opaque("unresolved", init.source)

    def _execute(
        self, step: Step, state: dict[str, Element], results: list[Element], index: int
    ) -> Iterator[str]:
        """Run ``step`` on ``state``; the names that it set."""

        def value(operand: Number | str) -> Element:
            if isinstance(operand, str):
                return self._value(operand, state, results, index)
            return self.symbols(operand)

        match step:
            case Init():
                state[step.var] = self._given(step, results, index)
            case Compute() | Compare():
                state[step.var] = combine(step.compute_op, [value(arg) for arg in step.args])
            case Query():
                return
            case Consume():
                taken = value(step.amount)
                state[step.entity] = (value(step.entity) - taken) % PRIME
                yield step.entity
                return
            case AddEntity():
                added = value(step.amount)
                state[step.entity] = (state.get(step.entity, 0) + added) % PRIME
                yield step.entity
                return
            case Transfer():
                moved = value(step.amount)
                state[step.from_entity] = (value(step.from_entity) - moved) % PRIME
                state[step.to_entity] = (state.get(step.to_entity, 0) + moved) % PRIME
                yield step.from_entity
                yield step.to_entity
                return
            case _:
                base = value(step.base)
                share = base * value(step.rate) % PRIME * inverse(symbol(100)) % PRIME
                if isinstance(step, PercentOff):
                    share = (base - share) % PRIME
                elif isinstance(step, PercentIncrease):
                    share = (base + share) % PRIME
                state[step.var] = share
        yield step.var
