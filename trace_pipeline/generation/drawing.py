"""Drawing the numbers and words of one story from the ranges of a schema."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from trace_pipeline.generation.expressions import Expression, compile_expression, exact
from trace_pipeline.generation.model import (
    BoolVariable,
    ChoiceVariable,
    FloatVariable,
    IntVariable,
    Variable,
)
from trace_pipeline.generation.randomness import Stream
from trace_pipeline.generation.vocabulary import Entry
from trace_pipeline.traces.numbers import Number, normalise

Sampler = Callable[[Stream, Mapping[str, Number]], Number | None]
"""Draws a number given those before it; None where its range is empty for them."""


class RangeError(ValueError):
    """A variable whose range holds nothing; the message says so."""


def compile_variable(variable: Variable) -> tuple[Sampler, frozenset[str]]:
    """The sampler of a variable and the earlier names that its range reads.

    Raises:
        RangeError: a range that is empty whatever the other variables are.
        ExpressionError: a bound that is not an expression.
    """
    match variable:
        case BoolVariable():
            return (lambda stream, values: stream.below(2)), frozenset()
        case ChoiceVariable(values=options):
            numbers = [exact(option) for option in options]
            return (lambda stream, values: stream.choice(numbers)), frozenset()
        case FloatVariable():
            return _decimal(variable), frozenset()
        case IntVariable():
            return _integer(variable)


def _integer(variable: IntVariable) -> tuple[Sampler, frozenset[str]]:
    step = variable.multiple_of
    low, high = compile_expression(variable.min), compile_expression(variable.max)
    names = low.names | high.names
    if not names:
        first = -(-low.evaluate({}) // step)
        count = high.evaluate({}) // step - first + 1
        if count < 1:
            raise RangeError(_empty(variable.min, variable.max, step))
        if step == 1:
            return (lambda stream, values: first + stream.below(count)), names
        return (lambda stream, values: (first + stream.below(count)) * step), names

    def sample(stream: Stream, values: Mapping[str, Number]) -> Number | None:
        first = -(-low.evaluate(values) // step)  # the ceiling of low / step
        count = high.evaluate(values) // step - first + 1
        return (first + stream.below(count)) * step if count > 0 else None

    return sample, names


def _decimal(variable: FloatVariable) -> Sampler:
    unit = Fraction(1, 10**variable.precision)
    step = Fraction(exact(variable.multiple_of)) if variable.multiple_of else unit
    if step % unit:
        raise RangeError(
            f"multiple_of {variable.multiple_of} needs more than {variable.precision} decimals; "
            f"raise precision"
        )
    first = math.ceil(exact(variable.min) / step)
    count = math.floor(exact(variable.max) / step) - first + 1
    if count < 1:
        raise RangeError(_empty(variable.min, variable.max, float(step)))
    return lambda stream, values: normalise((first + stream.below(count)) * step)


def _empty(low: object, high: object, step: float) -> str:
    return f"nothing lies between min {low} and max {high} in steps of {step}; widen the range"


@dataclass(frozen=True, slots=True)
class Drawer:
    """Draws the numbers and words of one phrasing family."""

    samplers: tuple[tuple[str, Sampler], ...]
    derived: tuple[tuple[str, Expression], ...]
    constants: Mapping[str, Number]
    constraints: tuple[Expression, ...]
    pools: tuple[tuple[str, Sequence[Entry]], ...]
    shared: frozenset[str] = field(init=False)
    """Keys that stand in several pools and so may be drawn twice."""

    def __post_init__(self) -> None:
        """Find out which words two draws might share."""
        counts = Counter(key for _, pool in self.pools for key in {entry.key for entry in pool})
        shared = frozenset(key for key, count in counts.items() if count > 1)
        object.__setattr__(self, "shared", shared)

    def numbers(self, stream: Stream) -> tuple[dict[str, Number] | None, str]:
        """Values that meet every constraint, or None and what was not met."""
        values: dict[str, Number] = dict(self.constants)
        for name, sample in self.samplers:
            value = sample(stream, values)
            if value is None:
                return None, f"the range of {name!r} was empty"
            values[name] = value
        for name, expression in self.derived:
            values[name] = expression.evaluate(values)
        for constraint in self.constraints:
            if not constraint.evaluate(values):
                return None, f"the constraint {constraint.source!r} was not met"
        return values, ""

    def words(self, stream: Stream) -> dict[str, Entry]:
        """One entry per draw, no two the same (the pools are known to be large enough)."""
        draws: dict[str, Entry] = {}
        used: set[str] = set()
        for name, pool in self.pools:
            entry = pool[index := stream.below(len(pool))]
            if entry.key in self.shared:
                while entry.key in used:
                    entry = pool[index := (index + 1) % len(pool)]
                used.add(entry.key)
            draws[name] = entry
        return draws
