"""The readings of a solution: which origin each operand has, the likeliest first.

A reading is put together from one candidate per operand. Its cost adds what the
candidates cost, calculations that nothing uses, and numbers of the question that
are left over. Readings that compute the same thing for any numbers are one reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from heapq import nsmallest

from msgspec import Struct

from trace_pipeline.gsm8k.annotations import Expression, Operation, Operator
from trace_pipeline.gsm8k.annotations import evaluate as evaluate_expression
from trace_pipeline.gsm8k.conversion.constants import HUNDRED
from trace_pipeline.gsm8k.conversion.mentions import Form, Mention
from trace_pipeline.gsm8k.conversion.nodes import (
    Apply,
    Earlier,
    Facet,
    Given,
    Node,
    UndefinedValueError,
    World,
    evaluate,
    facet_value,
)
from trace_pipeline.gsm8k.conversion.solution import Calculated
from trace_pipeline.gsm8k.conversion.sources import Candidate, Slot, Text, candidates
from trace_pipeline.traces.numbers import Number

BEAM = 48
"""Partial readings kept while operands are assigned from left to right."""

DEAD = 1.0
DEAD_PLAIN = 0.4
"""A plain equation may be a mere remark."""
REUSED = 0.2
"""A mention that an earlier operand has used already."""
OUT_OF_ORDER = 0.06
"""A mention after a later one of the same number: authors use numbers in order."""
SAME_TWICE = 0.5
"""One origin for two operands of a sum or product."""
SELF_DIVIDED = 2.0
"""Something divided by itself, or taken from itself."""
_LEFT_OVER = {
    Form.FIGURES: 0.5,
    Form.MONEY: 0.5,
    Form.PERCENT: 0.5,
    Form.FRACTION: 0.5,
    Form.MIXED: 0.5,
    Form.WORDS: 0.35,
    Form.PART: 0.4,
    Form.MULTIPLE: 0.4,
    Form.CLOCK: 0.1,
    Form.ORDINAL: 0.0,
}
_OPS = {Operator.ADD: "add", Operator.SUB: "sub", Operator.MUL: "mul", Operator.DIV: "div", Operator.FLOORDIV: "floordiv"}


class Reading(Struct, frozen=True):
    """One way to compute the answer from the question."""

    root: Node
    order: tuple[Node, ...]
    """What it computes, in the author's order; the last is the root."""
    cost: float
    mentions: frozenset[int]
    """The mentions that it uses."""
    dead: int
    """Calculations of the author that it does not use."""


class _Partial(Struct, frozen=True):
    cost: float
    chosen: tuple[Node, ...]
    used: int
    """Bits of the mentions used so far."""
    consumed: int
    """Bits of the calculations used so far."""


def readings(
    calculations: Sequence[Calculated], target: int, text: Text, rounded: bool
) -> list[Reading]:
    """Readings of ``calculations[: target + 1]``, the likeliest first, without doubles.

    Args:
        calculations: What the author computed, in order.
        target: The calculation that gives the answer.
        text: The question.
        rounded: Whether a whole result of an inexact division means a rounded division.
    """
    slots: list[Slot] = []
    for index in range(target + 1):
        _collect(calculations[index].expression, index, calculations, slots)
    options: list[list[Candidate]] = []
    implied: dict[Node, Number] = {}
    for slot in slots:
        choices = candidates(slot, text, calculations, tuple(implied.items()))
        options.append(choices)
        if isinstance(choices[0].node, Apply):
            implied[choices[0].node] = slot.value
    partials = _search(options, text)
    found = [
        _finished(partial, slots, calculations, target, text, rounded) for partial in partials
    ]
    found.sort(key=lambda reading: reading.cost)
    return list({reading.root: reading for reading in reversed(found)}.values())[::-1]


def _search(
    options: Sequence[Sequence[Candidate]], text: Text
) -> list[_Partial]:
    ratios = sum(1 << i for i in range(len(text.mentions)) if text.is_ratio(i))
    later = {
        1 << first: sum(
            1 << second
            for second in range(first + 1, len(text.mentions))
            if text.mentions[second].value == mention.value
        )
        for first, mention in enumerate(text.mentions)
    }
    partials = [_Partial(0.0, (), 0, 0)]
    for choices in options:
        grown = []
        for partial in partials:
            for choice in choices:
                mentions, earlier = _uses(choice.node)
                cost = partial.cost + choice.cost
                if partial.used & mentions & ~ratios:
                    cost += REUSED
                elif partial.used & later.get(mentions, 0):
                    cost += OUT_OF_ORDER
                if partial.consumed & earlier:
                    cost += REUSED / 4
                grown.append(
                    _Partial(
                        cost,
                        (*partial.chosen, choice.node),
                        partial.used | mentions,
                        partial.consumed | earlier,
                    )
                )
        if len(grown) > BEAM:
            grown = nsmallest(BEAM, grown, key=_promise)
        partials = grown
    return partials


def _promise(partial: _Partial) -> float:
    """What a partial reading will cost: each number left over adds to it at the end."""
    return partial.cost - 0.5 * partial.consumed.bit_count() - 0.3 * partial.used.bit_count()


def _uses(node: Node) -> tuple[int, int]:
    """Bits of the mentions and of the calculations that a candidate uses."""
    match node:
        case Given(mention=mention):
            return 1 << mention, 0
        case Earlier(calculation=calculation):
            return 0, 1 << calculation
        case Apply(args=args):
            mentions = earlier = 0
            for arg in args:
                first, second = _uses(arg)
                mentions, earlier = mentions | first, earlier | second
            return mentions, earlier
    return 0, 0


def _finished(
    partial: _Partial,
    slots: Sequence[Slot],
    calculations: Sequence[Calculated],
    target: int,
    text: Text,
    rounded: bool,
) -> Reading:
    chosen = iter(partial.chosen)
    roots: list[Node] = []
    needs: list[tuple[int, int]] = []
    at, fit = 0, 0.0
    for index in range(target + 1):
        start = at
        while at < len(slots) and slots[at].calculation == index:
            at += 1
        mentions = earlier = 0
        for node in partial.chosen[start:at]:
            first, second = _uses(node)
            mentions, earlier = mentions | first, earlier | second
        needs.append((mentions, earlier))
        fit += _fit(partial.chosen[start:at], slots[start:at], text)
        node = _assembled(calculations[index].expression, chosen, roots, calculations[:index])
        if rounded:
            node = _rounded(node, calculations[index])
        roots.append(node)
    reached, used, open_ = 0, 0, 1 << target
    for index in range(target, -1, -1):
        if open_ >> index & 1:
            reached |= 1 << index
            used |= needs[index][0]
            open_ |= needs[index][1]
    cost, dead = partial.cost + fit, 0
    for index in range(target):
        if not reached >> index & 1:
            dead += 1
            cost += DEAD if calculations[index].annotated else DEAD_PLAIN
    mentions_used = frozenset(i for i in range(len(text.mentions)) if used >> i & 1)
    cost += sum(left_over(text, mentions_used).values())
    order = tuple(
        root
        for index, root in enumerate(roots)
        if reached >> index & 1 and isinstance(root, Apply)
    )
    return Reading(roots[target], order, cost, mentions_used, dead)


def reading_value(reading: Reading, mentions: Sequence[Mention]) -> Number | None:
    """The exact answer of a reading; None where it divides by zero."""
    try:
        return evaluate(
            reading.root, lambda node: facet_value(mentions[node.mention], node.facet), {}
        )
    except UndefinedValueError:
        return None
