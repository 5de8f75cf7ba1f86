"""Expressions of schema files: parsed once against a whitelist, compiled to closures.

The syntax is Python's arithmetic, comparisons, ``and``/``or``/``not`` and
``a if c else b``; the functions are those of ``FUNCTIONS``. There are no
attributes, subscripts, strings or powers, and nothing is ever passed to ``eval``.
Values are exact: ``7 / 2`` is the fraction seven halves.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from trace_pipeline.traces.numbers import Number, normalise, number_to_json, parse_number

Values = Mapping[str, Number]
Evaluator = Callable[[Values], Number]

MAX_LENGTH = 300
"""Characters of one expression; long enough for any formula that a person can check."""


class ExpressionError(ValueError):
    """An expression that cannot be read or evaluated; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression."""

    source: str
    names: frozenset[str]
    """The names that it reads."""
    evaluate: Evaluator
    """Its value under given names; raises ``ExpressionError`` on a division by zero."""


def _whole(value: Number) -> int:
    return int(value.denominator == 1)


def _distinct(*values: Number) -> int:
    return int(len(set(values)) == len(values))


FUNCTIONS: dict[str, Callable[..., Number]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "whole": _whole,
    "distinct": _distinct,
}
"""``whole(x)`` is 1 if x has no fraction; ``distinct(a, b, ...)`` if no two are equal."""


def _divide(left: Number, right: Number) -> Number:
    if type(left) is int and type(right) is int and right and not left % right:
        return left // right
    return normalise(Fraction(left) / right)


_BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divide,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_ALLOWED = (
    "an expression takes numbers, names, + - * / // %, comparisons, and, or, not, a if c else b, "
    f"{', '.join(FUNCTIONS)}"
)
_COMPARISONS: dict[type[ast.cmpop], Callable[[Number, Number], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def exact(value: int | float | str) -> Number:
    """The number that was written: ``0.1`` is one tenth, not its binary neighbour.

    Raises:
        ValueError: infinite, no number, or a text that ``number_to_json`` would not write.
    """
    if isinstance(value, str):
        number = parse_number(value)
        if number_to_json(number) != value:
            raise ValueError(
                f"expected a number, or the text of one that JSON has none for, such as '1/3'; "
                f"found {value[:40]!r}"
            )
        return number
    if isinstance(value, int):
        return int(value)
    if not math.isfinite(value):
        raise ValueError(f"expected a finite number, found {value}")
    return normalise(Fraction(repr(value)))


def compile_expression(source: str | int | float) -> Expression:
    """Read and compile ``source``.

    Raises:
        ExpressionError: not an expression, or a construct outside the whitelist.
    """
    text = source if isinstance(source, str) else repr(source)
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"expected at most {MAX_LENGTH} characters, found {len(text)}")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        names: set[str] = set()
        evaluate = _compile(tree.body, names)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, ExpressionError):
            raise ExpressionError(f"{error} in {text!r}; {_ALLOWED}") from None
        raise ExpressionError(f"expected an expression, found {text!r}") from None

    if isinstance(tree.body, ast.Name | ast.Constant) or _plain_test(tree.body):
        return Expression(text, frozenset(names), evaluate)  # in normal form as it is

    def finished(values: Values) -> Number:
        try:
            value = evaluate(values)
        except ZeroDivisionError:
            raise ExpressionError(
                f"division by zero in {text!r}; add a constraint that keeps the divisor from 0"
            ) from None
        return value if type(value) is int else normalise(value)

    return Expression(text, frozenset(names), finished)


def _plain_test(node: ast.expr) -> bool:
    """Whether ``node`` gives 1 or 0 whatever its names stand for: a test without a division."""
    divides = any(isinstance(part, ast.Div | ast.FloorDiv | ast.Mod) for part in ast.walk(node))
    match node:
        case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
            return not divides
        case ast.Call(func=ast.Name(id="whole" | "distinct")):
            return not divides
    return False


def _compile(node: ast.expr, names: set[str]) -> Evaluator:
    match node:
        case ast.Constant(value=bool()):
            raise ExpressionError("expected 1 or 0 in place of True or False")
        case ast.Constant(value=int() | float() as value) if value == value and abs(value) < 1e15:
            number = exact(value)
            return lambda values: number
        case ast.Constant(value=int() | float()):
            raise ExpressionError("a number of 10**15 or more is not allowed")
        case ast.Name(id=name):
            names.add(name)
            return operator.itemgetter(name)
        case ast.BinOp(op=op) if type(op) in _BINARY:
            return _binary(node, names)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _compile(operand, names)
            return lambda values: -inner(values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = _compile(operand, names)
            return lambda values: int(not inner(values))
        case ast.BoolOp(op=op, values=operands):
            parts = [_compile(operand, names) for operand in operands]
            every = isinstance(op, ast.And)
            if len(parts) == 2:
                one, other = parts
                if every:
                    return lambda values: 1 if one(values) and other(values) else 0
                return lambda values: 1 if one(values) or other(values) else 0
            combine = all if every else any
            return lambda values: int(combine(part(values) for part in parts))
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            return _comparison([left, *comparators], ops, names)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            condition, yes, no = (_compile(part, names) for part in (test, body, orelse))
            return lambda values: yes(values) if condition(values) else no(values)
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as args, keywords=[]):
            return _call(name, args, names)
    raise ExpressionError(f"{type(node).__name__} is not allowed")


def _binary(node: ast.BinOp, names: set[str]) -> Evaluator:
    operation = _BINARY[type(node.op)]
    left, right = _compile(node.left, names), _compile(node.right, names)
    # Names and constants are read in place: a call less for each, in the engine's inner loop.
    match node.left, node.right:
        case ast.Name(id=first), ast.Name(id=second):
            return lambda values: operation(values[first], values[second])
        case ast.Name(id=first), ast.Constant():
            constant = right({})
            return lambda values: operation(values[first], constant)
        case _, ast.Name(id=second):
            return lambda values: operation(left(values), values[second])
        case _, ast.Constant():
            constant = right({})
            return lambda values: operation(left(values), constant)
    return lambda values: operation(left(values), right(values))


def _comparison(operands: list[ast.expr], ops: list[ast.cmpop], names: set[str]) -> Evaluator:
    unknown = [type(op).__name__ for op in ops if type(op) not in _COMPARISONS]
    if unknown:
        raise ExpressionError(f"{unknown[0]} is not allowed")
    parts = [_compile(operand, names) for operand in operands]
    tests = [_COMPARISONS[type(op)] for op in ops]
    if len(tests) == 1:
        test, (left, right) = tests[0], parts
        match operands:
            case [ast.Name(id=first), ast.Name(id=second)]:
                return lambda values: 1 if test(values[first], values[second]) else 0
            case [ast.Name(id=first), ast.Constant()]:
                constant = right({})
                return lambda values: 1 if test(values[first], constant) else 0
            case [_, ast.Constant()]:
                constant = right({})
                return lambda values: 1 if test(left(values), constant) else 0
        return lambda values: 1 if test(left(values), right(values)) else 0

    def chain(values: Values) -> int:
        found = [part(values) for part in parts]
        return int(all(test(*pair) for test, pair in zip(tests, pairwise(found), strict=True)))

    return chain


def _call(name: str, args: list[ast.expr], names: set[str]) -> Evaluator:
    function = FUNCTIONS.get(name)
    if function is None:
        raise ExpressionError(f"unknown function {name!r}")
    if name in ("abs", "floor", "ceil", "whole") and len(args) != 1:
        raise ExpressionError(f"{name} takes one argument, found {len(args)}")
    if name in ("min", "max", "distinct") and len(args) < 2:
        raise ExpressionError(f"{name} takes two arguments or more, found {len(args)}")
    parts = [_compile(argument, names) for argument in args]
    return lambda values: function(*[part(values) for part in parts])
