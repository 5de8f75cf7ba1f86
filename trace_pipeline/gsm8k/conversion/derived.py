"""Operands that an author worked out unsaid: converted units, complements, small sums."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from trace_pipeline.gsm8k.conversion.constants import Constant, singular
from trace_pipeline.gsm8k.conversion.context import Context
from trace_pipeline.gsm8k.conversion.mentions import Form, Mention
from trace_pipeline.gsm8k.conversion.nodes import (
    HUNDRED,
    ONE,
    Apply,
    Candidate,
    Earlier,
    Facet,
    Given,
    Node,
    Slot,
    World,
    percent_of_one,
)
from trace_pipeline.gsm8k.conversion.operation import leaves
from trace_pipeline.gsm8k.conversion.solution import Calculated
from trace_pipeline.gsm8k.conversion.text import Text, first_words, numbers_in
from trace_pipeline.traces.numbers import Number

CONVERTED = 0.45
"""A unit converted unsaid."""
FAR_CONVERTED = 0.3
"""More where only the solution names the unit."""
OTHER_UNIT = 0.3
"""More where the number stands beside another unit."""
UNSAID_UNIT = 0.2
"""More for a result that the author gives no unit."""
CENTS = "cents_per_dollar"
"""All that money is ever converted by."""
COMPLEMENT = 0.3
"""What is left of a whole, or a whole and a part."""
BARE = 0.2
"""More for a percentage that is not marked as one."""
ROUNDED = 0.5
"""An earlier result rounded unsaid."""
COMBINED = 0.9
"""A number put together unsaid from two others."""
OWN_UNIT = 0.35
"""Off for a sum with a number that counts what the author counts: one trip less."""
WHAT_IS_LEFT = 0.3
"""Off for taking the result right before from what it is a part of: half of the rest."""
COEFFICIENT = 0.3
"""Off for ``x + 2x`` in an equation: one and a multiple."""
PART_ADDED = 0.45
"""More for a sum with the parts of a fraction."""
SEEN = 0.15
"""Off for each of the two that stands in the prose before."""


def derived(slot: Slot, text: Text, calculations: Sequence[Calculated]) -> Iterator[Candidate]:
    """Unit conversions, complements to a whole, roundings that give ``slot``."""
    conversions = [(constant, 0.0) for constant in text.constants if constant.converts]
    conversions += [(constant, FAR_CONVERTED) for constant in text.remote if constant.converts]
    for node, number, percent in _quantities(slot, text, calculations):
        if number == 0:
            continue
        units = frozenset[str]()
        if isinstance(node, Given):
            units = frozenset((text.units[node.mention],)) - {""}
        elif isinstance(node, Earlier):
            units = first_words(calculations[node.calculation].after)
        far = UNSAID_UNIT * (isinstance(node, Earlier) and not units)
        money = isinstance(node, Given) and text.mentions[node.mention].form is Form.MONEY
        fitting = [c for c in conversions if not money or c[0].name == CENTS]
        yield from _converted(slot.value, node, number, fitting, units, far)
        if percent or text.speaks_of_percent:
            yield from _percentages(slot.value, node, number, 0.0 if percent else BARE)
        if 0 < number < 1 and slot.value == 1 - number:
            yield Candidate(Apply("sub", (ONE, node)), COMPLEMENT)
        gap = abs(Fraction(slot.value - number))
        if isinstance(node, Earlier) and isinstance(slot.value, int) and 0 < gap < 1:
            op = "ceildiv" if slot.value > number else "floordiv"
            yield Candidate(Apply(op, (node, ONE)), ROUNDED)
    for index, mention in enumerate(text.mentions):
        yield from _fractions(slot.value, index, mention)
        if mention.form is Form.CLOCK and mention.value + 12 == slot.value:
            yield Candidate(Apply("add", (Given(index), World("day_half", 12))), COMPLEMENT)


def combined(
    slot: Slot,
    text: Text,
    calculations: Sequence[Calculated],
    implied: Sequence[tuple[Node, Number]],
) -> Iterator[Candidate]:
    """One unsaid operation on two quantities that stand ready."""
    value = slot.value
    calculation = calculations[slot.calculation]
    seen = {number for number, _, _ in numbers_in(calculation.before)}
    counted = Context(calculation, slot, text).beside
    last = Earlier(slot.calculation - 1)
    part_of = leaves(calculations[slot.calculation - 1].expression) if slot.calculation else []
    pool = [
        (node, number)
        for node, number, _ in _quantities(slot, text, calculations)
        if not (isinstance(node, Earlier) and calculations[node.calculation].solved)
    ]
    pool += implied
    pool.append((ONE, 1))
    for first, (left, a) in enumerate(pool):
        for right, b in pool[first + 1 :]:
            cost = COMBINED - SEEN * (a in seen) - SEEN * (b in seen) + SEEN * (right == ONE)
            cost += SEEN * (isinstance(left, Earlier) and isinstance(right, Earlier))
            cost += 3 * SEEN * (a == 1 or (b == 1 and right != ONE))  # a one is not worth a step
            summed = cost + _odd_sum(left, right, text, calculations, counted)
            if a + b == value:
                whole = calculation.solved and right == ONE and _is_multiple(left, text)
                yield Candidate(Apply("add", (left, right)), summed - COEFFICIENT * whole)
            if a - b == value:
                rest = WHAT_IS_LEFT * (right == last and a in part_of)
                yield Candidate(Apply("sub", (left, right)), summed - rest)
            elif b - a == value:
                yield Candidate(Apply("sub", (right, left)), summed)
            if right == ONE:
                continue
            if a * b == value:
                yield Candidate(Apply("mul", (left, right)), cost + 2 * SEEN)
            if b * value == a:
                yield Candidate(Apply("div", (left, right)), cost + 2 * SEEN)
            elif a * value == b:
                yield Candidate(Apply("div", (right, left)), cost + 2 * SEEN)


def _is_multiple(node: Node, text: Text) -> bool:
    return isinstance(node, Given) and text.is_multiple(node.mention)


def _odd_sum(
    left: Node,
    right: Node,
    text: Text,
    calculations: Sequence[Calculated],
    counted: frozenset[str],
) -> float:
    """How odd it is to add or subtract two quantities unsaid, where the author counts something."""
    cost = 0.0
    units: list[bool] = []
    money: set[bool] = set()
    for node in (left, right):
        if isinstance(node, Given):
            cost += PART_ADDED * (node.facet is not Facet.VALUE)
            units.append(text.units[node.mention] in counted)
            money.add(text.mentions[node.mention].form is Form.MONEY)
        elif isinstance(node, Earlier):
            earlier = calculations[node.calculation]
            units.append(not first_words(earlier.after).isdisjoint(counted))
            money.update([True] if earlier.is_money else [])
    if all(units):
        cost -= OWN_UNIT
    if len(money) == 2 or (ONE in (left, right) and money == {True}):
        cost += OTHER_UNIT  # dollars and things
    return cost


def _quantities(
    slot: Slot, text: Text, calculations: Sequence[Calculated]
) -> Iterator[tuple[Node, Number, bool]]:
    """What stands ready before ``slot``: node, value, whether it is a percentage."""
    for index, mention in enumerate(text.mentions):
        if mention.denominator is not None:
            yield Given(index, Facet.DENOMINATOR), mention.denominator, False
        elif mention.form is not Form.ORDINAL:
            yield Given(index), mention.value, mention.form is Form.PERCENT
    for index in range(slot.calculation - 1, -1, -1):
        earlier = calculations[index]
        yield Earlier(index), earlier.value, earlier.is_percent


def _converted(
    value: Number,
    node: Node,
    number: Number,
    conversions: Sequence[tuple[Constant, float]],
    units: frozenset[str],
    far: float,
) -> Iterator[Candidate]:
    for constant, penalty in conversions:
        penalty += far
        small, _, large = constant.name.partition("_per_")
        other = World(constant.name, constant.value)
        # 2 hours * minutes_per_hour, 90 minutes / minutes_per_hour.
        if number * constant.value == value:
            penalty += OTHER_UNIT * (bool(units) and singular(large) not in units)
            yield Candidate(Apply("mul", (node, other)), CONVERTED + penalty)
        elif number == value * constant.value:
            penalty += OTHER_UNIT * (bool(units) and singular(small) not in units)
            yield Candidate(Apply("div", (node, other)), CONVERTED + penalty)


def _percentages(value: Number, node: Node, number: Number, extra: float) -> Iterator[Candidate]:
    """What is left of 100 percent, what an increase makes of it, as numbers and as shares."""
    cost = COMPLEMENT + extra
    left, grown = Apply("sub", (HUNDRED, node)), Apply("add", (HUNDRED, node))
    if value == 100 - number:
        yield Candidate(left, cost + 0.1 * (number == 50))
    if value == 100 + number:
        yield Candidate(grown, cost)
    if value * 100 == 100 - number:
        yield Candidate(percent_of_one(left), cost)
    if value * 100 == 100 + number:
        yield Candidate(percent_of_one(grown), cost)
    if value * 100 == number:
        yield Candidate(percent_of_one(node), cost)
    if value == number * 100:
        yield Candidate(Apply("mul", (node, HUNDRED)), cost)


def _fractions(value: Number, index: int, mention: Mention) -> Iterator[Candidate]:
    """What is left of a whole after a fraction of it, in parts and as a share."""
    if mention.denominator is None or mention.numerator is None:
        return
    below = Given(index, Facet.DENOMINATOR)
    above: Node = ONE if mention.numerator == 1 else Given(index, Facet.NUMERATOR)
    share = Apply("div", (above, below))
    if mention.denominator - mention.numerator == value:
        yield Candidate(Apply("sub", (below, above)), COMPLEMENT)
    elif mention.denominator + mention.numerator == value:
        yield Candidate(Apply("add", (below, above)), COMPLEMENT + 0.1)
    elif 1 - Fraction(mention.value) == value:
        yield Candidate(Apply("sub", (ONE, share)), COMPLEMENT)
    elif 1 + Fraction(mention.value) == value:
        yield Candidate(Apply("add", (ONE, share)), COMPLEMENT)
