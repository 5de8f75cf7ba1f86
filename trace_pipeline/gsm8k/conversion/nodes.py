"""Where a quantity of a reading comes from: the question, the world, or a computation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from fractions import Fraction
from math import prod

from msgspec import Struct

from trace_pipeline.gsm8k.conversion.mentions import Mention
from trace_pipeline.traces.numbers import Number, normalise


class Facet(StrEnum):
    """Which number of a mention is meant: of ``2/5`` the value 0.4, the 2 or the 5."""

    VALUE = "value"
    NUMERATOR = "numerator"
    DENOMINATOR = "denominator"


class Given(Struct, frozen=True, gc=False):
    """A number of the question."""

    mention: int
    """Position among the question's mentions."""
    facet: Facet = Facet.VALUE


class World(Struct, frozen=True, gc=False, cache_hash=True):
    """A named constant of the world, or a count of what the question lists."""

    name: str
    value: Number


class Stated(Struct, frozen=True, gc=False, cache_hash=True):
    """A number that only the solution states: not grounded."""

    value: Number


class Earlier(Struct, frozen=True, gc=False):
    """The result of an earlier calculation, before a reading is put together."""

    calculation: int


class Apply(Struct, frozen=True, gc=False, cache_hash=True):
    """``op(args)`` in the trace language's own operations."""

    op: str
    args: tuple[Node, ...]


Node = Given | World | Stated | Earlier | Apply


class Candidate(Struct, frozen=True, gc=False):
    """One possible origin of an operand; ``cost`` ranks it, lower is likelier."""

    node: Node
    cost: float


class Slot(Struct, frozen=True, gc=False):
    """An operand of a calculation."""

    calculation: int
    value: Number
    op: str
    """The operation that it takes part in; empty for a number that stands alone."""
    divides: bool
    """Whether it is the right side of a division."""
    group: int
    """Operands of one sum, product or other operation share a number."""
    from_last: int = 1
    """1 for the last operand of this value in its calculation, 2 for the last but one ..."""
    minuend: bool = False
    """Whether something is taken from it."""
    of_value: int = 1
    """Operands of this value in its calculation."""


ONE = World("one", 1)
ZERO = World("zero", 0)
HUNDRED = World("hundred", 100)


def percent_of_one(node: Node) -> Apply:
    """``node`` percent as a share of one."""
    return Apply("div", (node, HUNDRED))


class UndefinedValueError(ValueError):
    """A division by zero."""


def facet_value(mention: Mention, facet: Facet) -> Number:
    """The number that one facet of a mention stands for."""
    if facet is Facet.VALUE:
        return mention.value
    value = mention.numerator if facet is Facet.NUMERATOR else mention.denominator
    if value is None:
        raise ValueError(f"{mention.form} has no {facet}")
    return value


def apply(op: str, values: Sequence[Number]) -> Number:
    """The value of one operation of the kinds that readings use.

    Raises:
        UndefinedValueError: division by zero.
    """
    match op:
        case "add":
            return normalise(sum(values))
        case "mul":
            return normalise(prod(values))
        case "sub":
            return normalise(values[0] - sum(values[1:]))
    below = values[1]
    if below == 0:
        raise UndefinedValueError("division by zero")
    if op == "div":
        return normalise(Fraction(values[0]) / below)
    return values[0] // below if op == "floordiv" else -(-values[0] // below)


def evaluate(node: Node, given: Callable[[Given], Number], known: dict[Node, Number]) -> Number:
    """The value of ``node``; ``known`` keeps what has been computed.

    Raises:
        UndefinedValueError: division by zero.
    """
    if node in known:
        return known[node]
    match node:
        case Given():
            value = given(node)
        case World(value=value) | Stated(value=value):
            pass
        case Apply(op=op, args=args):
            value = apply(op, [evaluate(arg, given, known) for arg in args])
        case Earlier():
            raise ValueError("an unresolved reference to an earlier calculation")
    known[node] = value
    return value


def is_grounded(node: Node) -> bool:
    """Whether every number of ``node`` comes from the question or the world."""
    if isinstance(node, Apply):
        return all(map(is_grounded, node.args))
    return not isinstance(node, Stated)


def question_values(mentions: Sequence[Mention]) -> Callable[[Given], Number]:
    """The numbers of a question, as :func:`evaluate` asks for them."""
    return lambda node: facet_value(mentions[node.mention], node.facet)
