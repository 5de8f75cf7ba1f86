"""A reading as a straight line of operations that runs fast on other numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import prod

from msgspec import Struct

from trace_pipeline.gsm8k.conversion.nodes import (
    Apply,
    Facet,
    Given,
    Node,
    evaluate,
    question_values,
)
from trace_pipeline.gsm8k.conversion.text import Text
from trace_pipeline.traces.numbers import Number, normalise

SPREAD = 5
"""An answer stays within this factor of the original's."""
SMALL = 10
"""Answers up to here may vary as they like."""


class _Operation(Struct, frozen=True):
    op: str
    args: tuple[int, ...]
    """Positions of the operands."""
    original: Number
    grain: int
    """The result times this is whole: 1 for whole things, 100 for cents, 0 for anything."""


class Program:
    """Computes the answer for other numbers, or refuses numbers that make no sense.

    A result stays whole if it was, positive if it was, below one if it was, a whole
    number of cents if it was one, and the answer keeps its magnitude.
    """

    def __init__(self, order: Sequence[Node], text: Text) -> None:
        self._positions: dict[Node, int] = {}
        self._values: list[Number] = []
        self._given: list[tuple[int, int, Facet]] = []
        self._operations: list[_Operation] = []
        self._known: dict[Node, Number] = {}
        for node in order:
            evaluate(node, question_values(text.mentions), self._known)
        for node in order:
            self._add_leaves(node)
        for node in order:
            self._add(node)

    @property
    def results(self) -> list[Number]:
        """The original result of each operation."""
        return [operation.original for operation in self._operations]

    def run(self, numbers: Mapping[int, Number]) -> Number | None:
        """The answer if mention ``m`` is ``numbers[m]``; None if the numbers make no sense."""
        values = list(self._values)
        for position, mention, facet in self._given:
            if mention in numbers:
                values[position] = facet_of(numbers[mention], facet)
        result: Number = 0
        for operation in self._operations:
            args = operation.args
            if len(args) == 2:  # mostly
                operands = [values[args[0]], values[args[1]]]
            else:
                operands = [values[arg] for arg in args]
            computed = _applied(operation.op, operands)
            if computed is None or not _sensible(computed, operation):
                return None
            result = computed
            values.append(result)
        original = self._operations[-1].original
        if result > SMALL and not original <= result * SPREAD <= original * SPREAD**2:
            return None
        return result

    def _add_leaves(self, node: Node) -> None:
        if isinstance(node, Apply):
            for arg in node.args:
                self._add_leaves(arg)
        elif node not in self._positions:
            self._positions[node] = len(self._values)
            if isinstance(node, Given):
                self._given.append((len(self._values), node.mention, node.facet))
            self._values.append(self._known[node])

    def _add(self, node: Node) -> int:
        if node not in self._positions and isinstance(node, Apply):
            args = tuple([self._add(arg) for arg in node.args])
            value = self._known[node]
            grain = next((grain for grain in (1, 10, 100) if (value * grain).denominator == 1), 0)
            self._positions[node] = len(self._values) + len(self._operations)
            self._operations.append(_Operation(node.op, args, value, grain))
        return self._positions[node]


def facet_of(number: Number, facet: Facet) -> Number:
    """One facet of a number that a variant puts into the place of a mention."""
    if facet is Facet.VALUE:
        return number
    return number.numerator if facet is Facet.NUMERATOR else number.denominator


def _applied(op: str, values: list[Number]) -> Number | None:
    match op:
        case "add":
            return normalise(sum(values))
        case "sub":
            return normalise(values[0] - sum(values[1:]))
        case "mul":
            return normalise(prod(values))
    above, below = values
    if below == 0:
        return None
    if op == "div":
        if isinstance(above, int) and isinstance(below, int):  # mostly, and without a fraction
            whole, rest = divmod(above, below)
            return Fraction(above, below) if rest else whole
        return normalise(Fraction(above) / below)
    return above // below if op == "floordiv" else -(-above // below)


def _sensible(value: Number, operation: _Operation) -> bool:
    original = operation.original
    if operation.grain == 1:
        if not isinstance(value, int):
            return False
    elif operation.grain and (value * operation.grain).denominator != 1:
        return False
    if original > 0:
        return 0 < value < 1 if original < 1 else value >= 1
    return value < 0 if original < 0 else value >= 0
