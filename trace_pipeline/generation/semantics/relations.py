"""Declared relations: ``times_as_many(one, factor, two)``, parsed and checked for their form."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from fractions import Fraction

from trace_pipeline.generation.expressions import exact
from trace_pipeline.generation.semantics.lexicon import KINDS, Check, Kind
from trace_pipeline.traces.numbers import Number
from trace_pipeline.validation import unknown_name


class RelationError(ValueError):
    """A declared relation that cannot be read; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Term:
    """One argument of a relation."""

    name: str
    """Of a number, of a draw or of a quantity in between; the word itself for a quoted one."""
    number: Number | None = None
    """Its value, where the argument is a number as such."""
    quoted: bool = False
    """Whether it is named by a word of the text; ``a|b`` is whichever of them stands there."""
    sign: int = 0
    """-1 or 1 where the argument carries a sign."""


@dataclass(frozen=True, slots=True)
class Relation:
    """One thing that a question's wording says."""

    source: str
    kind: Kind
    terms: tuple[Term, ...]

    def role(self, name: str) -> Term:
        """The argument of a role that is not repeated."""
        return self.terms[self.kind.roles.index(name)]


def parse_relation(source: str) -> Relation:
    """Read one declared relation.

    Raises:
        RelationError: not ``kind(argument, ...)``, an unknown kind, a wrong number of arguments.
    """
    try:
        tree = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    match tree:
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as args, keywords=[]):
            pass
        case _:
            raise RelationError(f"expected kind(quantity, ...), found {source!r}")
    if name not in KINDS:
        raise RelationError(unknown_name("relation", name, list(KINDS)))
    kind = KINDS[name]
    terms = tuple(_term(argument, source) for argument in args)
    several = kind.roles[-1].startswith("*")
    least = len(kind.roles) + several
    if len(terms) < least or (len(terms) > least and not several):
        signature = ", ".join(kind.roles)
        raise RelationError(f"expected {name}({signature}), found {source!r}")
    if any(term.sign for term in terms) and kind.check is not Check.ACCOUNT:
        raise RelationError(f"{name} takes no signs, found {source!r}")
    if kind.check is Check.ACCOUNT and (
        terms[0].sign or terms[1].sign or not all(t.sign for t in terms[2:])
    ):
        raise RelationError(f"expected {name}(result, start, -goes, +comes, ...), found {source!r}")
    return Relation(source, kind, terms)


def _term(node: ast.expr, source: str) -> Term:
    match node:
        case ast.Name(id=name):
            return Term(name)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Name(id=name)):
            return Term(name, sign=-1)
        case ast.UnaryOp(op=ast.UAdd(), operand=ast.Name(id=name)):
            return Term(name, sign=1)
        case ast.Constant(value=str() as word) if all(map(str.strip, word.split("|"))):
            return Term(word.lower(), quoted=True)
        case ast.Constant(value=int() | float() as value) if (
            not isinstance(value, bool) and value != math.inf
        ):
            number = exact(value)
            return Term(str(Fraction(number)), number=number)
    raise RelationError(f"expected names, quoted words or numbers as arguments, found {source!r}")
