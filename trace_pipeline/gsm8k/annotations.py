"""Calculator annotations: ``<<16-3-4=9>>`` inside a solution, read exactly.

GSM-8K's authors marked every calculation of their solutions for a calculator
(Cobbe et al. 2021, arXiv:2110.14168, appendix). The annotation's left side is an
arithmetic expression over numbers; it is kept as a tree, so that it can be
evaluated, and turned into the steps of a trace.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from math import floor

from msgspec import Struct

from trace_pipeline.traces import Number, parse_number
from trace_pipeline.traces.numbers import normalise

MAX_LENGTH = 200
"""Characters of one side (GSM-8K: under 60); the parser recurses at most three deep a character."""

_ANNOTATION = re.compile(r"<<(.*?)>>", re.DOTALL)
_TOKEN = re.compile(r"\s*(?:(?P<number>(?:\d[\d,]*(?:\.\d*)?|\.\d+))|(?P<mark>//|[-+*/()%$]))")


class AnnotationError(ValueError):
    """An annotation that is not ``<<expression=number>>``; the message says what is wrong."""


class Operator(StrEnum):
    """The operations of the annotations; GSM-8K has two floor divisions."""

    ADD = "+"
    SUB = "-"
    MUL = "*"
    DIV = "/"
    FLOORDIV = "//"


class Operation(Struct, frozen=True):
    """``left operator right``."""

    operator: Operator
    left: Expression
    right: Expression


Expression = Number | Operation


class Calculation(Struct, frozen=True):
    """One annotated calculation."""

    text: str
    """The annotation's left side as written."""
    expression: Expression
    result: Number
    """The number that the author wrote behind the equals sign, possibly rounded."""

    @property
    def value(self) -> Number:
        """The exact value of the expression.

        Raises:
            AnnotationError: division by zero.
        """
        return evaluate(self.expression)


def read_calculations(solution: str) -> tuple[Calculation, ...]:
    """All annotations of a solution in order.

    Raises:
        AnnotationError: unbalanced marks, no result, or not an arithmetic expression.
    """
    calculations = tuple(_calculation(body) for body in _ANNOTATION.findall(solution))
    if solution.count("<<") != len(calculations) or solution.count(">>") != len(calculations):
        raise AnnotationError("the marks << and >> of the annotations do not pair up")
    return calculations


def strip_annotations(solution: str) -> str:
    """The solution as prose: without annotations and without the final ``####`` line."""
    return _ANNOTATION.sub("", solution).rpartition("####")[0].rstrip()


@lru_cache(maxsize=4096)
def parse_expression(text: str) -> Expression:
    """The tree of an arithmetic expression; ``20%`` is read as ``20/100``.

    Raises:
        AnnotationError: anything but numbers, ``+ - * / // ( )``, ``%`` and ``$``.
    """
    if len(text) > MAX_LENGTH:
        raise AnnotationError(f"an expression of {len(text)} characters (at most {MAX_LENGTH})")
    return _Parser(text).parse()


def evaluate(expression: Expression) -> Number:
    """The exact value of an expression.

    Raises:
        AnnotationError: division by zero.
    """
    if not isinstance(expression, Operation):
        return expression
    left, right = evaluate(expression.left), evaluate(expression.right)
    match expression.operator:
        case Operator.ADD:
            return normalise(left + right)
        case Operator.SUB:
            return normalise(left - right)
        case Operator.MUL:
            return normalise(left * right)
        case Operator.DIV | Operator.FLOORDIV:
            if right == 0:
                raise AnnotationError("division by zero")
            quotient = Fraction(left) / right
            return normalise(quotient) if expression.operator is Operator.DIV else floor(quotient)


@lru_cache(maxsize=256)  # a problem that was just checked is asked for its calculations at once
def _calculation(body: str) -> Calculation:
    left, equals, right = body.rpartition("=")
    try:
        if not equals:
            raise AnnotationError("no equals sign")
        expression = parse_expression(left)
        evaluate(expression)
        return Calculation(left.strip(), expression, evaluate(parse_expression(right)))
    except AnnotationError as error:
        shown = body if len(body) <= 60 else body[:57] + "..."
        raise AnnotationError(f"broken annotation <<{shown}>>: {error}") from None


class _Parser:
    """Recursive descent over ``sum := product (+- product)*`` and so on; MAX_LENGTH bounds it."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._next = 0

    def parse(self) -> Expression:
        tree = self._sum()
        if self._next < len(self._tokens):
            raise AnnotationError(f"unexpected {self._tokens[self._next]!r}")
        return tree

    def _sum(self) -> Expression:
        tree = self._product()
        while self._peek() in ("+", "-"):
            tree = Operation(Operator(self._take()), tree, self._product())
        return tree

    def _product(self) -> Expression:
        tree = self._factor()
        while self._peek() in ("*", "/", "//"):
            tree = Operation(Operator(self._take()), tree, self._factor())
        return tree

    def _factor(self) -> Expression:
        token = self._take()
        if token == "-":
            operand = self._factor()
            return (
                Operation(Operator.SUB, 0, operand) if isinstance(operand, Operation) else -operand
            )
        if token in ("+", "$"):
            return self._factor()
        if token == "(":
            tree = self._sum()
            if self._take() != ")":
                raise AnnotationError("a parenthesis is not closed")
        elif token and token not in ("*", "/", "//", ")", "%"):
            tree = _number(token)
        else:
            raise AnnotationError(f"expected a number, found {token or 'the end'!r}")
        while self._peek() == "%":
            self._take()
            tree = Operation(Operator.DIV, tree, 100)
        return tree

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._next += 1
        return token


def _number(token: str) -> Number:
    if token.isdecimal() and token.isascii():  # mostly
        return int(token)
    try:
        return parse_number(token)
    except ValueError:
        raise AnnotationError(f"{token!r} is not a number") from None


def _tokens(text: str) -> Iterator[str]:
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise AnnotationError(f"unexpected {text[position:].strip()[0]!r}")
        position = match.end()
        yield match[match.lastgroup or 0]
