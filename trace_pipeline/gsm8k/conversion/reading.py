"""The readings of a solution: which origin each operand has, the likeliest first.

A reading is put together from one candidate per operand. Its cost adds what the
candidates cost, how the operands of a calculation go together, calculations that
nothing uses, and numbers of the question that are left over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import nsmallest

from msgspec import Struct

from trace_pipeline.gsm8k.conversion.assembly import Assembly, operands
from trace_pipeline.gsm8k.conversion.fit import left_over, operands_cost
from trace_pipeline.gsm8k.conversion.nodes import Apply, Earlier, Given, Node, Slot
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


class _Option(Struct, frozen=True):
    """A candidate for an operand, with what the search asks of it again and again."""

    place: int
    """Among the candidates of its operand."""
    node: Node
    cost: float
    mentions: int
    """Bits of the mentions that it uses."""
    earlier: int
    """Bits of the calculations that it uses."""


class _Partial(Struct, frozen=True):
    cost: float
    """Beyond what the candidates cost: reuse and order."""
    total: float
    chosen: tuple[_Option, ...]
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
    options: list[list[_Option]] = []
    implied: dict[Node, Number] = {}
    for slot in slots:
        choices = candidates(slot, text, calculations, tuple(implied.items()))
        options.append(
            [
                _Option(place, choice.node, choice.cost, *_uses(choice.node))
                for place, choice in enumerate(choices)
            ]
        )
        if isinstance(choices[0].node, Apply):
            implied[choices[0].node] = slot.value
    finish = _Finish(slots, calculations, text, rounded)
    for partial in _search(options, text):
        yield finish(partial)


def _search(options: Sequence[Sequence[_Option]], text: Text) -> list[_Partial]:
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
        grown = []
        for partial in partials:
            for choice in choices:
                extra = 0.0
                if partial.used & choice.mentions & ~ratios:
                    extra += REUSED
                    if partial.used & choice.mentions & differences:
                        extra += COMPARED_AGAIN
                elif partial.used & later.get(choice.mentions, 0):
                    extra += OUT_OF_ORDER
                if partial.consumed & choice.earlier:
                    extra += REUSED_RESULT
                grown.append(
                    _Partial(
                        partial.cost + extra,
                        partial.total + extra + choice.cost,
                        (*partial.chosen, choice),
                        partial.used | choice.mentions,
                        partial.consumed | choice.earlier,
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


class _Finish:
    """Makes readings of choices, and keeps the parts: readings differ in few calculations."""

    def __init__(
        self, slots: Sequence[Slot], calculations: Sequence[Calculated], text: Text, rounded: bool
    ) -> None:
        self._slots = slots
        self._calculations = calculations
        self._text = text
        self._bounds = _bounds(slots, len(calculations))
        self._assembly = Assembly(calculations, rounded)
        self._roots: dict[tuple[int, ...], Node] = {}
        self._judged: dict[tuple[int, ...], tuple[float, bool]] = {}
        self._without: dict[int, tuple[frozenset[int], float]] = {}

    def __call__(self, partial: _Partial) -> Reading:
        calculations = self._calculations
        owned = [partial.chosen[start:end] for start, end in self._bounds]
        places = [tuple([option.place for option in own]) for own in owned]
        roots: list[Node] = []
        for index, own in enumerate(owned):
            roots.append(self._root(index, own, places[index], roots))
        cost, used, dead, worst, doubled = partial.cost, 0, 0, 0.0, False
        order: list[Node] = []
        said: list[tuple[str, str]] = []
        needed = 1 << len(calculations) - 1
        for index in range(len(calculations) - 1, -1, -1):
            calculation = calculations[index]
            if not needed >> index & 1:
                dead += calculation.annotated
                cost += DEAD if calculation.annotated else DEAD_PLAIN
                continue
            together, twice = self._judgement(index, owned[index], places[index])
            doubled = doubled or twice
            cost += together
            for option in owned[index]:
                used, needed = used | option.mentions, needed | option.earlier
                cost += option.cost
                worst = max(worst, option.cost)
            cost += CANCELLED * _cancels(roots[index])
            order.append(roots[index])
            said.append((calculation.before, calculation.after))
        mentions, unused = self._left_over(used)
        return Reading(
            tuple(order[::-1]), cost + unused, mentions, dead, worst, doubled, tuple(said[::-1])
        )

    def _root(
        self, index: int, own: Sequence[_Option], places: tuple[int, ...], roots: Sequence[Node]
    ) -> Node:
        """What a calculation computes; the same node for the same choices and parts."""
        earlier = 0
        for option in own:
            earlier |= option.earlier
        # The parts stay in the table, so that no other node gets the id of one of them.
        parts = [id(root) for at, root in enumerate(roots) if earlier >> at & 1]
        key = (index, *places, *parts)
        root = self._roots.get(key)
        if root is None:
            root = self._assembly.root(index, [option.node for option in own], roots)
            self._roots[key] = root
        return root

    def _judgement(
        self, index: int, own: Sequence[_Option], places: tuple[int, ...]
    ) -> tuple[float, bool]:
        """How the operands of a calculation go together, and whether one number serves twice."""
        key = (index, *places)
        judged = self._judged.get(key)
        if judged is None:
            start, end = self._bounds[index]
            nodes = tuple([option.node for option in own])
            given = [node for node in nodes if isinstance(node, Given)]
            twice = len(set(given)) < len(given) and not self._calculations[index].solved
            slots = self._slots[start:end]
            cost = operands_cost(nodes, slots, self._text, self._calculations, index)
            judged = self._judged[key] = (cost, twice)
        return judged

    def _left_over(self, used: int) -> tuple[frozenset[int], float]:
        """The mentions whose bits are set, and what those that are not cost."""
        found = self._without.get(used)
        if found is None:
            bits = range(len(self._text.mentions))
            mentions = frozenset(index for index in bits if used >> index & 1)
            found = mentions, sum(left_over(self._text, mentions).values())
            self._without[used] = found
        return found


def _cancels(root: Node) -> bool:
    """Whether the last operation only undoes the one before."""
    match root:
        case Apply(op="div", args=(Apply(op="mul", args=inner), other)):
            return other in inner
        case Apply(op="sub", args=(Apply(op="add", args=inner), other)):
            return other in inner
    return False
