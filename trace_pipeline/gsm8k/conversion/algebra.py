"""Linear equations that an author solves by hand: ``x + 2x - 8 = 40`` as ``(40 + 8) / (1 + 2)``.

The unknown is isolated symbolically, so that the value keeps the numbers of the
question as its operands instead of the author's intermediate coefficients.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import pairwise

from msgspec import Struct

from trace_pipeline.gsm8k.annotations import (
    AnnotationError,
    Expression,
    Operation,
    Operator,
    evaluate,
    parse_expression,
)
from trace_pipeline.traces.numbers import Number, normalise

_EQUATION = re.compile(r"[\d .,$()+\-−–*/×÷a-zA-Z]+=[\d .,$()+\-−–*/×÷a-zA-Z]+")
_TOKEN = re.compile(r"\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?|\.\d+|[a-zA-Z]+|[-+*/()=]")
_TIMES = re.compile(r"(?<=\d)\s*[xX]\s*(?=\$?[\d.])|(?<=\d)\s+[xX]\s+(?=\()")
"""An x between two numbers multiplies."""
_MARKS = str.maketrans({"−": "-", "–": "-", "×": "*", "÷": "/", "$": " "})


class Solved(Struct, frozen=True):
    """An unknown isolated."""

    end: int
    """Offset behind the equation."""
    expression: Operation
    value: Number


_Terms = tuple[tuple[int, Expression], ...]
"""A sum: sign and positive expression of each term; empty for zero."""


class _Linear(Struct, frozen=True):
    """``factor * x + constant``."""

    factor: _Terms
    constant: _Terms


class _NotLinearError(ValueError):
    pass


def solve_equations(text: str, given: Collection[Number]) -> list[Solved]:
    """The unknowns of ``text``, each value once.

    Of several equations with one solution, the one is taken whose numbers are
    most often in ``given`` (the first of equals): that is where the author set it up.
    """
    best: dict[Number, tuple[int, Solved]] = {}
    for end, left, right in _equations(text):
        try:
            expression = _isolated(_Parser(left).parse(), _Parser(right).parse())
            value = evaluate(expression)
        except (_NotLinearError, AnnotationError, IndexError):
            continue
        if value <= 0 or not isinstance(expression, Operation):
            continue
        foreign = sum(number not in given and number != 1 for number in _numbers(expression))
        if value not in best or foreign < best[value][0]:
            best[value] = (foreign, Solved(end, expression, value))
    return sorted((solved for _, solved in best.values()), key=lambda solved: solved.end)


def _equations(text: str) -> Iterator[tuple[int, list[str], list[str]]]:
    """Both sides of every equation with one unknown of one letter."""
    for match in _EQUATION.finditer(text):
        found = match[0]
        if match.start() and text[match.start() - 1] in "'’":
            found = found.lstrip("abcdefghijklmnopqrstuvwxyz")  # it's 3 + 4
        found = _TIMES.sub("*", found)
        left, _, right = found.translate(_MARKS).partition("=")
        sides = []
        for side, from_end in ((left, True), (right, False)):
            tokens = _TOKEN.findall(side)
            # Prose may run into the equation: keep what touches the equals sign.
            kept: list[str] = []
            for token in reversed(tokens) if from_end else tokens:
                if len(token) > 1 and token.isalpha():
                    break
                kept.append(token)
            sides.append(kept[::-1] if from_end else kept)
        unknowns = {token for side in sides for token in side if token.isalpha()}
        # "10 crates x 2 = 20": behind a word an x before a number multiplies too.
        times = any(
            first in ("x", "X") and second[0].isdigit()
            for side in sides
            for first, second in pairwise(side)
        )
        if len(unknowns) == 1 and all(sides) and not times:
            yield match.end(), sides[0], sides[1]


def _numbers(expression: Expression) -> Iterator[Number]:
    if isinstance(expression, Operation):
        yield from _numbers(expression.left)
        yield from _numbers(expression.right)
    else:
        yield expression


def _isolated(left: _Linear, right: _Linear) -> Expression:
    factor = left.factor + _negated(right.factor)
    constant = right.constant + _negated(left.constant)
    if _total(factor) < 0:
        factor, constant = _negated(factor), _negated(constant)
    if _total(factor) == 0 or not constant:
        raise _NotLinearError
    above, below = _written(constant), _written(factor)
    return above if below == 1 else Operation(Operator.DIV, above, below)


def _negated(terms: _Terms) -> _Terms:
    return tuple((-sign, value) for sign, value in terms)


def _total(terms: _Terms) -> Number:
    return normalise(sum(sign * evaluate(value) for sign, value in terms))


def _written(terms: _Terms) -> Expression:
    """A sum as an expression, what is added first."""
    added = [value for sign, value in terms if sign > 0]
    if not added:
        raise _NotLinearError
    total = added[0]
    for value in added[1:]:
        total = Operation(Operator.ADD, total, value)
    for sign, value in terms:
        if sign < 0:
            total = Operation(Operator.SUB, total, value)
    return total


class _Parser:
    """Recursive descent over one side of an equation."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._next = 0

    def parse(self) -> _Linear:
        side = self._sum()
        if self._next < len(self._tokens):
            raise _NotLinearError
        return side

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _sum(self) -> _Linear:
        total = self._product()
        while self._peek() in ("+", "-"):
            minus = self._peek() == "-"
            self._next += 1
            term = self._product()
            if minus:
                term = _Linear(_negated(term.factor), _negated(term.constant))
            total = _Linear(total.factor + term.factor, total.constant + term.constant)
        return total

    def _product(self) -> _Linear:
        product = self._factor()
        while True:
            token = self._peek()
            if token in ("*", "/"):
                self._next += 1
                product = _scaled(Operator(token), product, self._factor())
            elif token == "(" or token.isalpha() or token[:1].isdigit():
                product = _scaled(Operator.MUL, product, self._factor())
            else:
                return product

    def _factor(self) -> _Linear:
        token = self._tokens[self._next]
        self._next += 1
        if token == "-":
            inner = self._factor()
            return _Linear(_negated(inner.factor), _negated(inner.constant))
        if token == "(":
            inner = self._sum()
            if self._peek() != ")":
                raise _NotLinearError
            self._next += 1
            return inner
        if token.isalpha():
            return _Linear(((1, 1),), ())
        if token[0].isdigit() or token[0] == ".":
            return _Linear((), ((1, parse_expression(token)),))
        raise _NotLinearError


def _scaled(operator: Operator, left: _Linear, right: _Linear) -> _Linear:
    if operator is Operator.MUL and right.factor:
        left, right = right, left
    if right.factor or len(right.constant) != 1:
        raise _NotLinearError
    sign, by = right.constant[0]
    return _Linear(
        _times(operator, left.factor, sign, by), _times(operator, left.constant, sign, by)
    )


def _times(operator: Operator, terms: _Terms, sign: int, by: Expression) -> _Terms:
    return tuple((own * sign, _scaled_term(operator, value, by)) for own, value in terms)


def _scaled_term(operator: Operator, value: Expression, by: Expression) -> Expression:
    if by == 1:
        return value
    if value == 1 and operator is Operator.MUL:
        return by
    return Operation(operator, value, by)
