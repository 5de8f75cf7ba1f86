"""The readings of a solution: which origin each operand has, the likeliest first.

A reading is put together from one candidate per operand. Its cost adds what the
candidates cost, how the operands of a calculation go together, calculations that
nothing uses, and numbers of the question that are left over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from heapq import nsmallest

from msgspec import Struct

from trace_pipeline.gsm8k.conversion.assembly import assemble, operands
from trace_pipeline.gsm8k.conversion.fit import left_over, operands_cost
from trace_pipeline.gsm8k.conversion.nodes import Apply, Candidate, Earlier, Given, Node, Slot
from trace_pipeline.gsm8k.conversion.solution import Calculated
from trace_pipeline.gsm8k.conversion.sources import candidates
from trace_pipeline.gsm8k.conversion.text import Text
from trace_pipeline.traces.numbers import Number

BEAM = 48
"""Partial readings kept while operands are assigned from left to right."""
DEAD = 0.8
"""An annotated calculation that nothing uses."""
DEAD_PLAIN = 0.4
"""A plain equation that nothing uses: it may be a mere remark."""
REUSED = 0.2
"""A mention that an earlier operand has used already."""
COMPARED_AGAIN = 0.25
"""More for ``6 more than``: it compares once."""
REUSED_RESULT = 0.06
CANCELLED = 0.4
"""A product divided by its own factor, a sum less its own term."""
OUT_OF_ORDER = 0.06
"""A mention after a later one of the same number: authors use numbers in order."""


class Reading(Struct, frozen=True):
    """One way to compute the answer from the question."""

    order: tuple[Node, ...]
    """What it computes, in the author's order; the last is the answer."""
    cost: float
    mentions: frozenset[int]
    """The mentions that it uses."""
    dead: int
    """Annotated calculations of the author that it does not use."""
    worst: float
    """The highest cost of one operand."""
    doubled: bool
    """Whether one number of the question serves as two operands of one calculation."""
    said: tuple[tuple[str, str], ...] = ()
    """For each computation of ``order`` the author's words before and behind its result."""

    @property
    def root(self) -> Node:
        """What computes the answer."""
        return self.order[-1]


class _Partial(Struct, frozen=True):
    cost: float
    """Beyond what the candidates cost: reuse and order."""
    total: float
    chosen: tuple[Candidate, ...]
    used: int
    """Bits of the mentions used so far."""
    consumed: int
    """Bits of the calculations used so far."""


def readings(calculations: Sequence[Calculated], text: Text, rounded: bool) -> Iterator[Reading]:
    """Readings of ``calculations``, of which the last gives the answer; doubles are possible.

    Args:
        calculations: What the author computed, in order.
        text: The question.
        rounded: Whether a whole result of an inexact division means a rounded division.
    """
    slots = operands(calculations)
    options: list[list[Candidate]] = []
    implied: dict[Node, Number] = {}
    for slot in slots:
        choices = candidates(slot, text, calculations, tuple(implied.items()))
        options.append(choices)
        if isinstance(choices[0].node, Apply):
            implied[choices[0].node] = slot.value
    bounds = _bounds(slots, len(calculations))

    # Readings differ in few calculations, so most of their parts have been judged before.
    @cache
    def cost_of(index: int, nodes: tuple[Node, ...]) -> float:
        start, end = bounds[index]
        return operands_cost(nodes, slots[start:end], text, calculations, index)

    @cache
    def cost_without(used: frozenset[int]) -> float:
        return sum(left_over(text, used).values())

    for partial in _search(options, text):
        yield _finished(partial, bounds, calculations, text, rounded, cost_of, cost_without)


def _search(options: Sequence[Sequence[Candidate]], text: Text) -> list[_Partial]:
    """The most promising choices of one candidate for each operand."""
    ratios = sum(1 << index for index in range(len(text.mentions)) if text.is_ratio(index))
    differences = sum(1 << i for i in range(len(text.mentions)) if text.is_difference(i))
    later = {
        1 << first: sum(
            1 << second
            for second in range(first + 1, len(text.mentions))
            if text.mentions[second].value == mention.value
        )
        for first, mention in enumerate(text.mentions)
    }
    partials = [_Partial(0.0, 0.0, (), 0, 0)]
    for choices in options:
        uses = [_uses(choice.node) for choice in choices]
        grown = []
        for partial in partials:
            for choice, (mentions, earlier) in zip(choices, uses, strict=True):
                extra = 0.0
                if partial.used & mentions & ~ratios:
                    extra += REUSED
                    if partial.used & mentions & differences:
                        extra += COMPARED_AGAIN
                elif partial.used & later.get(mentions, 0):
                    extra += OUT_OF_ORDER
                if partial.consumed & earlier:
                    extra += REUSED_RESULT
                grown.append(
                    _Partial(
                        partial.cost + extra,
                        partial.total + extra + choice.cost,
                        (*partial.chosen, choice),
                        partial.used | mentions,
                        partial.consumed | earlier,
                    )
                )
        partials = nsmallest(BEAM, grown, key=_promise) if len(grown) > BEAM else grown
    return partials


def _promise(partial: _Partial) -> float:
    """What a partial reading will cost: each number left over adds to it at the end."""
    return partial.total - 0.5 * partial.consumed.bit_count() - 0.3 * partial.used.bit_count()


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


def _bounds(slots: Sequence[Slot], count: int) -> list[tuple[int, int]]:
    """The first and the last-but-one slot of each calculation."""
    bounds, at = [], 0
    for index in range(count):
        start = at
        while at < len(slots) and slots[at].calculation == index:
            at += 1
        bounds.append((start, at))
    return bounds


def _finished(
    partial: _Partial,
    bounds: Sequence[tuple[int, int]],
    calculations: Sequence[Calculated],
    text: Text,
    rounded: bool,
    cost_of: Callable[[int, tuple[Node, ...]], float],
    cost_without: Callable[[frozenset[int]], float],
) -> Reading:
    nodes = [candidate.node for candidate in partial.chosen]
    roots = assemble(calculations, nodes, rounded)
    cost, used, dead, worst, doubled = partial.cost, 0, 0, 0.0, False
    order: list[Node] = []
    said: list[tuple[str, str]] = []
    needed = 1 << len(calculations) - 1
    for index in range(len(calculations) - 1, -1, -1):
        if not needed >> index & 1:
            dead += calculations[index].annotated
            cost += DEAD if calculations[index].annotated else DEAD_PLAIN
            continue
        start, end = bounds[index]
        given = [node for node in nodes[start:end] if isinstance(node, Given)]
        doubled = doubled or (len(set(given)) < len(given) and not calculations[index].solved)
        cost += cost_of(index, tuple(nodes[start:end]))
        for candidate in partial.chosen[start:end]:
            mentions, earlier = _uses(candidate.node)
            used, needed = used | mentions, needed | earlier
            cost += candidate.cost
            worst = max(worst, candidate.cost)
        cost += CANCELLED * _cancels(roots[index])
        order.append(roots[index])
        said.append((calculations[index].before, calculations[index].after))
    used_mentions = frozenset(index for index in range(len(text.mentions)) if used >> index & 1)
    cost += cost_without(used_mentions)
    return Reading(tuple(order[::-1]), cost, used_mentions, dead, worst, doubled, tuple(said[::-1]))


def _cancels(root: Node) -> bool:
    """Whether the last operation only undoes the one before."""
    match root:
        case Apply(op="div", args=(Apply(op="mul", args=inner), other)):
            return other in inner
        case Apply(op="sub", args=(Apply(op="add", args=inner), other)):
            return other in inner
    return False
