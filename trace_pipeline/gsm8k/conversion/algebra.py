"""Linear equations that an author solves by hand: ``x + 2x - 8 = 40`` as ``(40 + 8) / (1 + 2)``.

The unknown is isolated symbolically, so that the value keeps the numbers of the
question as its operands instead of the author's intermediate coefficients.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from msgspec import Struct

from trace_pipeline.gsm8k.annotations import (
    AnnotationError,
    Expression,
    Operation,
    Operator,
    evaluate,
    parse_expression,
)
from trace_pipeline.traces.numbers import Number

_EQUATION = re.compile(r"[\d .,$()+\-−–*/×÷a-zA-Z]+=[\d .,$()+\-−–*/×÷a-zA-Z]+")
_TOKEN = re.compile(r"\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?|\.\d+|[a-zA-Z]+|[-+*/()=]")
_MARKS = str.maketrans({"−": "-", "–": "-", "×": "*", "÷": "/", "$": " "})


class Solved(Struct, frozen=True):
    """An unknown isolated."""

    end: int
    """Offset behind the equation."""
    expression: Operation
    value: Number


class _Linear(Struct, frozen=True):
    """``factor * x + constant``; None stands for zero."""

    factor: Expression | None
    constant: Expression | None


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
        left, _, right = match[0].translate(_MARKS).partition("=")
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
        if len(unknowns) == 1 and all(sides):
            yield match.end(), sides[0], sides[1]


def _numbers(expression: Expression) -> Iterator[Number]:
    if isinstance(expression, Operation):
        yield from _numbers(expression.left)
        yield from _numbers(expression.right)
    else:
        yield expression


def _isolated(left: _Linear, right: _Linear) -> Expression:
    factor = _combined(Operator.SUB, left.factor, right.factor)
    constant = _combined(Operator.SUB, right.constant, left.constant)
    if factor is None or constant is None:
        raise _NotLinearError
    if evaluate(factor) < 0:
        factor = _combined(Operator.SUB, right.factor, left.factor)
        constant = _combined(Operator.SUB, left.constant, right.constant)
    if factor is None or constant is None or evaluate(factor) == 0:
        raise _NotLinearError
    return constant if factor == 1 else Operation(Operator.DIV, constant, factor)


def _combined(
    operator: Operator, left: Expression | None, right: Expression | None
) -> Expression | None:
    """``left + right`` or ``left - right``, written without negative numbers where possible."""
    if right is None:
        return left
    if left is None:
        if operator is Operator.ADD:
            return right
        if isinstance(right, Operation) and right.operator is Operator.SUB:
            return (
                Operation(Operator.SUB, right.right, right.left) if right.left != 0 else right.right
            )
        return Operation(Operator.SUB, 0, right)
    negative = isinstance(right, Operation) and right.operator is Operator.SUB and right.left == 0
    if negative and isinstance(right, Operation):
        flipped = Operator.ADD if operator is Operator.SUB else Operator.SUB
        return Operation(flipped, left, right.right)
    return Operation(operator, left, right)


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
            operator = Operator(self._tokens[self._next])
            self._next += 1
            term = self._product()
            total = _Linear(
                _combined(operator, total.factor, term.factor),
                _combined(operator, total.constant, term.constant),
            )
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
            return _Linear(
                _combined(Operator.SUB, None, inner.factor),
                _combined(Operator.SUB, None, inner.constant),
            )
        if token == "(":
            inner = self._sum()
            if self._peek() != ")":
                raise _NotLinearError
            self._next += 1
            return inner
        if token.isalpha():
            return _Linear(1, None)
        if token[0].isdigit() or token[0] == ".":
            return _Linear(None, parse_expression(token))
        raise _NotLinearError


def _scaled(operator: Operator, left: _Linear, right: _Linear) -> _Linear:
    if operator is Operator.MUL and right.factor is not None:
        left, right = right, left
    if right.factor is not None or right.constant is None:
        raise _NotLinearError
    by = right.constant
    return _Linear(_times(operator, left.factor, by), _times(operator, left.constant, by))


def _times(operator: Operator, value: Expression | None, by: Expression) -> Expression | None:
    if value is None or by == 1:
        return value
    if value == 1 and operator is Operator.MUL:
        return by
    return Operation(operator, value, by)
