"""The answer that a question's relations give, by linear algebra: neither trace nor answer is used.

A relation's equation is a polynomial that must be zero. With the numbers of the
question put in, the linear ones are solved; what that determines may make further
ones linear, until nothing new is found.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cache

from trace_pipeline.generation.semantics.lexicon import ANSWER
from trace_pipeline.generation.semantics.relations import Relation, Term
from trace_pipeline.traces.numbers import Number, normalise

Polynomial = dict[tuple[str, ...], Fraction]
"""Coefficient by the sorted unknowns of a monomial; ``()`` is the constant."""


class UnderivableError(ValueError):
    """Relations that contradict each other or leave the answer open."""


def derive_answer(relations: Iterable[Relation], values: Mapping[str, Number]) -> Number:
    """The answer that follows from the relations.

    Args:
        relations: What the wording says.
        values: The numbers that the question shows and the constants that it implies.

    Raises:
        UnderivableError: no answer follows, or two.
    """
    known = {name: Fraction(value) for name, value in values.items()}
    stated, grown = list(relations), True
    while grown:
        equations = [_equation(relation, known) for relation in stated]
        linear = [e for e in equations if e is not None and all(len(key) < 2 for key in e)]
        found = _solved(linear)
        grown = not found.keys() <= known.keys()
        known |= found
    if ANSWER not in known:
        raise UnderivableError("the relations do not determine the answer")
    return normalise(known[ANSWER])


def _equation(relation: Relation, known: Mapping[str, Fraction]) -> Polynomial | None:
    """The relation as a polynomial that is zero; None while a rounding waits for its numbers."""
    roles: dict[str, list[Polynomial]] = {}
    for index, term in enumerate(relation.terms):
        role = relation.kind.roles[min(index, len(relation.kind.roles) - 1)].removeprefix("*")
        roles.setdefault(role, []).append(_term(term, known))
    left, right = _sides(relation.kind.equation)
    value = _evaluate(right, roles)
    return None if value is None else _plus(_evaluate(left, roles) or {}, value, -1)


@cache
def _sides(equation: str) -> tuple[ast.expr, ast.expr]:
    tree = ast.parse(equation, mode="eval").body
    assert isinstance(tree, ast.Compare), equation
    return tree.left, tree.comparators[0]


def _term(term: Term, known: Mapping[str, Fraction]) -> Polynomial:
    if term.number is not None:
        return {(): Fraction(term.number)}
    if term.name in known:
        return {(): (term.sign or 1) * known[term.name]}
    return {(term.name,): Fraction(term.sign or 1)}


def _evaluate(node: ast.expr, roles: Mapping[str, list[Polynomial]]) -> Polynomial | None:
    match node:
        case ast.Name(id=name):
            return roles[name][0] if name in roles else {(name,): Fraction(1)}
        case ast.Constant(value=int() as value):
            return {(): Fraction(value)}
        case ast.BinOp(left=left, op=op, right=right):
            one, two = _evaluate(left, roles), _evaluate(right, roles)
            if one is None or two is None:
                return None
            if isinstance(op, ast.Mult):
                return _times(one, two)
            return _plus(one, two, 1 if isinstance(op, ast.Add) else -1)
        case ast.Call(func=ast.Name(id="sum"), args=[ast.Name(id=name)]):
            total: Polynomial = {}
            for item in roles[name]:
                total = _plus(total, item, 1)
            return total
        case ast.Call(func=ast.Name(id="product"), args=[ast.Name(id=name)]):
            result: Polynomial = {(): Fraction(1)}
            for item in roles[name]:
                result = _times(result, item)
            return result
        case ast.Call(func=ast.Name(id="count"), args=[ast.Name(id=name)]):
            return {(): Fraction(len(roles[name]))}
        case ast.Call(func=ast.Name(id=function), args=[ast.Name(id=whole), ast.Name(id=size)]):
            return _rounded(function, roles[whole][0], roles[size][0])
    raise AssertionError(ast.dump(node))


def _rounded(function: str, whole: Polynomial, size: Polynomial) -> Polynomial | None:
    if set(whole) - {()} or set(size) - {()} or not size.get((), 0):
        return None
    dividend, divisor = whole.get((), Fraction(0)), size[()]
    if function == "remainder":
        return {(): dividend % divisor}
    rounded = math.ceil if function == "ceil" else math.floor
    return {(): Fraction(rounded(dividend / divisor))}


def _plus(one: Polynomial, two: Polynomial, sign: int) -> Polynomial:
    result = dict(one)
    for monomial, coefficient in two.items():
        result[monomial] = result.get(monomial, Fraction(0)) + sign * coefficient
    return {monomial: value for monomial, value in result.items() if value}


def _times(one: Polynomial, two: Polynomial) -> Polynomial:
    result: Polynomial = {}
    for left, a in one.items():
        for right, b in two.items():
            monomial = tuple(sorted(left + right))
            result[monomial] = result.get(monomial, Fraction(0)) + a * b
    return {monomial: value for monomial, value in result.items() if value}


def _solved(equations: list[Polynomial]) -> dict[str, Fraction]:
    """The unknowns that linear equations determine, by elimination."""
    rows = [dict(equation) for equation in equations]
    pivots: dict[tuple[str, ...], Polynomial] = {}
    for row in rows:
        for pivot, other in pivots.items():
            if pivot in row:
                row = _plus(row, _times({(): row[pivot]}, other), -1)
        unknowns = [monomial for monomial in row if monomial]
        if not unknowns:
            if row:
                raise UnderivableError("the relations contradict each other")
            continue
        pivot = min(unknowns)
        row = _times({(): 1 / row[pivot]}, row)
        for key, other in pivots.items():
            if pivot in other:
                pivots[key] = _plus(other, _times({(): other[pivot]}, row), -1)
        pivots[pivot] = row
    return {
        pivot[0]: -row.get((), Fraction(0))
        for pivot, row in pivots.items()
        if not any(monomial and monomial != pivot for monomial in row)
    }
