"""A reading as a straight line of operations that runs fast on other numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


class Place(Struct, frozen=True, gc=False):
    """Where a number of the question goes into a program, and which facet of it."""

    position: int
    facet: Facet


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

    def places(self, mentions: Sequence[int]) -> list[Place]:
        """Where the numbers of ``mentions`` stand, for :meth:`run`."""
        return [
            Place(position, facet)
            for position, mention, facet in self._given
            if mention in mentions
        ]

    def run(self, varied: Iterable[tuple[Number, Sequence[Place]]]) -> Number | None:
        """The answer with other numbers in their places; None if they make no sense."""
        values = list(self._values)
        for number, places in varied:
            for place in places:
                values[place.position] = facet_of(number, place.facet)
        result: Number = 0
        for operation in self._operations:
            computed = _applied(operation.op, [values[arg] for arg in operation.args])
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
    if len(values) == 2:  # mostly
        first, second = values
        if op == "mul":
            return normalise(first * second)
        if op == "add":
            return normalise(first + second)
        if op == "sub":
            return normalise(first - second)
    elif op == "add":
        return normalise(sum(values))
    elif op == "sub":
        return normalise(values[0] - sum(values[1:]))
    elif op == "mul":
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
    above, below = value.numerator, value.denominator  # integers compare faster than fractions
    if operation.grain and operation.grain % below:
        return False
    original = operation.original
    if original > 0:
        return 0 < above < below if original < 1 else above >= below
    return above < 0 if original < 0 else above >= 0
