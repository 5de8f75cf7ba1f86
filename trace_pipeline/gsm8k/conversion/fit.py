"""What makes a reading unlikely beyond its single operands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from trace_pipeline.gsm8k.annotations import Expression, Operation, Operator
from trace_pipeline.gsm8k.conversion.constants import singular, words
from trace_pipeline.gsm8k.conversion.mentions import Form
from trace_pipeline.gsm8k.conversion.nodes import (
    HUNDRED,
    ONE,
    Apply,
    Earlier,
    Facet,
    Given,
    Node,
    Slot,
    World,
)
from trace_pipeline.gsm8k.conversion.solution import Calculated
from trace_pipeline.gsm8k.conversion.text import Text, first_words

SAME_TWICE = 0.5
"""One origin for two operands of a sum or product."""
SQUARED = 0.3
"""More for a number multiplied by itself that measures no length."""
ADJACENT = 0.2
"""Off for two factors that the question gives side by side."""
SELF_DIVIDED = 2.0
"""Something divided by itself, or taken from itself."""
SAME_SENTENCE = 0.05
"""Off for two numbers of one sentence in one calculation."""
PAIRED = 0.45
"""Off for both numbers of one fraction together; more for one without the other."""
UNIT = 0.2
"""Off for a conversion beside its unit; more for a product of two numbers of one unit."""
INVERTED = 0.15
"""A term of a longer sum that the question gives before the term that the author writes first."""
SQUARED_MONEY = 6
"""How many mixtures a price of prices is as odd as."""
_LENGTHS = words("foot inch yard meter centimeter mile kilometer by")
"""Units that may be multiplied with themselves."""
WRONG_KIND = 0.3
"""A result that is money where the author has none, or the reverse."""
GROUP_LEFT_OVER = 0.1
DIFFERENCE_LEFT_OVER = 0.3
"""More for ``6 more than``: nobody compares for nothing."""
LEFT_OVER = {
    Form.FIGURES: 0.5,
    Form.MONEY: 0.5,
    Form.PERCENT: 0.5,
    Form.FRACTION: 0.9,
    Form.MIXED: 0.9,
    Form.WORDS: 0.35,
    Form.PART: 0.4,
    Form.MULTIPLE: 0.4,
    Form.CLOCK: 0.1,
    Form.ORDINAL: 0.0,
}
"""Cost of a number of the question that a reading does not use."""


def operands_cost(
    nodes: Sequence[Node],
    slots: Sequence[Slot],
    text: Text,
    calculations: Sequence[Calculated],
    index: int,
) -> float:
    """How badly the operands of one calculation go together.

    In a solved equation one coefficient may well stand twice.
    """
    given = list(dict.fromkeys(node for node in nodes if isinstance(node, Given)))
    mentions = list(dict.fromkeys(node.mention for node in given))
    one_sentence = len(mentions) - len({text.sentences[index] for index in mentions})
    return (
        _repeated(nodes, slots, text, calculations[index].solved)
        + _torn_fractions(nodes, slots, given, text)
        + _odd_products(nodes, slots, text)
        + INVERTED * _inversions(nodes, slots)
        + _odd_money(nodes, text, calculations, index)
        - ADJACENT * _adjacent(nodes, slots, text)
        + _constants(nodes, slots, mentions, text)
        - SAME_SENTENCE * one_sentence
    )


def _repeated(nodes: Sequence[Node], slots: Sequence[Slot], text: Text, solved: bool) -> float:
    """One origin twice in one sum, product or quotient.

    In an equation the coefficient of its unknown may stand on both sides, but where the
    question has another number of the value, each stands for its own.
    """
    cost = 0.0
    seen: set[tuple[int, Node]] = set()
    for node, slot in zip(nodes, slots, strict=True):
        if (slot.group, node) in seen:
            if slot.op in ("div", "sub"):
                cost += 0.0 if solved else SELF_DIVIDED
            elif not solved or _has_twin(node, text):
                cost += SAME_TWICE
                if slot.op == "mul" and isinstance(node, Given):
                    cost += SQUARED * text.nouns[node.mention].isdisjoint(_LENGTHS)
        seen.add((slot.group, node))
    return cost


def _has_twin(node: Node, text: Text) -> bool:
    if not isinstance(node, Given):
        return False
    value = text.mentions[node.mention].value
    return sum(mention.value == value for mention in text.mentions) > 1


def _adjacent(nodes: Sequence[Node], slots: Sequence[Slot], text: Text) -> int:
    """Pairs of factors that the question gives side by side: ``three 8-cup bags``."""
    factors = {
        (slot.group, node.mention)
        for node, slot in zip(nodes, slots, strict=True)
        if slot.op == "mul" and isinstance(node, Given)
    }
    return sum(
        (group, mention + 1) in factors and text.multiplies_next(mention)
        for group, mention in factors
    )


def _inversions(nodes: Sequence[Node], slots: Sequence[Slot]) -> int:
    """Neighbours out of order among three or more numbers of the question in one sum."""
    sums: dict[int, list[int]] = {}
    for node, slot in zip(nodes, slots, strict=True):
        if slot.op == "add" and isinstance(node, Given):
            sums.setdefault(slot.group, []).append(node.mention)
    return sum(
        first > second
        for terms in sums.values()
        if len(terms) > 2
        for first, second in pairwise(terms)
    )


def _torn_fractions(
    nodes: Sequence[Node], slots: Sequence[Slot], given: Sequence[Given], text: Text
) -> float:
    """Fractions of the question taken whole, or torn apart."""
    cost = 0.0
    left: set[int] = set()
    for above, below in pairwise(nodes):
        match above, below:
            case (
                Apply(op="sub", args=(Given() as whole, _)),
                Given(facet=Facet.DENOMINATOR),
            ) if whole == below:
                left.add(below.mention)
                cost -= PAIRED  # what is left of the fraction: (3 - 1) / 3
    for above, below, slot in zip(nodes, nodes[1:], slots[1:], strict=False):
        if above == ONE and slot.divides and isinstance(below, Given):
            cost += -PAIRED if below.facet is Facet.DENOMINATOR else PAIRED
    for node in given:
        if node.facet is Facet.NUMERATOR:
            cost += -PAIRED if Given(node.mention, Facet.DENOMINATOR) in given else PAIRED
        elif node.facet is Facet.DENOMINATOR and text.mentions[node.mention].numerator != 1:
            beside = node.mention in left or Given(node.mention, Facet.NUMERATOR) in given
            cost += 0 if beside else PAIRED
    return cost


def _odd_products(nodes: Sequence[Node], slots: Sequence[Slot], text: Text) -> float:
    """Pints multiplied with pints, multiples with multiples."""
    cost = 0.0
    factors: dict[tuple[int, str], set[int]] = {}
    for node, slot in zip(nodes, slots, strict=True):
        if slot.op != "mul" or not isinstance(node, Given):
            continue
        if text.mentions[node.mention].form not in (Form.MONEY, Form.PERCENT):
            factors.setdefault((slot.group, text.units[node.mention]), set()).add(node.mention)
    for group in {slot.group for slot in slots if slot.op == "mul"}:
        inside = [n for n, s in zip(nodes, slots, strict=True) if s.group == group]
        if len(inside) > 1 and all(
            isinstance(node, Given) and text.is_multiple(node.mention) for node in inside
        ):
            cost += UNIT  # three times twice: of what?
    for (_, unit), mentions in factors.items():
        if unit and unit not in _LENGTHS and len(mentions) > 1:
            cost += UNIT
    return cost


def _odd_money(
    nodes: Sequence[Node], text: Text, calculations: Sequence[Calculated], index: int
) -> float:
    """Money added to what is none, and results that are money where they should not be."""
    calculation = calculations[index]
    if not any(mention.form is Form.MONEY for mention in text.mentions):
        return 0.0
    odd: list[int] = []
    kind = _kind_of(calculation.expression, iter(nodes), text, calculations, odd)
    known: bool | None = True if calculation.is_money else None
    if known is None and any(other.is_dollars for other in calculations):
        known = False if first_words(calculation.after) else None
    wrong = kind is not None and known is not None and kind != known
    return UNIT * len(odd) + WRONG_KIND * wrong


def _kind_of(
    expression: Expression,
    nodes: Iterator[Node],
    text: Text,
    calculations: Sequence[Calculated],
    odd: list[int],
) -> bool | None:
    """Whether ``expression`` is money, as far as its operands tell; ``odd`` counts mixtures."""
    if not isinstance(expression, Operation):
        return _node_kind(next(nodes, None), text, calculations)
    left = _kind_of(expression.left, nodes, text, calculations, odd)
    right = _kind_of(expression.right, nodes, text, calculations, odd)
    if expression.operator in (Operator.ADD, Operator.SUB):
        if left is not None and right is not None and left != right:
            odd.append(1)
        return left if left is not None else right
    if left is None or right is None:
        if expression.operator is Operator.MUL:
            return True if left or right else None
        return left  # half of some channels is no price
    if expression.operator is Operator.MUL:
        if left and right:
            odd += [1] * SQUARED_MONEY
        return left or right
    if right and not left:
        odd.append(1)  # things are not divided by their price
    return left and not right


def _node_kind(node: Node | None, text: Text, calculations: Sequence[Calculated]) -> bool | None:
    match node:
        case Given(mention=mention, facet=Facet.VALUE):
            if text.mentions[mention].form is Form.MONEY:
                return True
            return False if text.units[mention] or text.is_multiple(mention) else None
        case Earlier(calculation=calculation):
            return True if calculations[calculation].is_money else None
    return None


def _constants(
    nodes: Sequence[Node], slots: Sequence[Slot], mentions: Sequence[int], text: Text
) -> float:
    """Constants beside what they convert: 45 minutes / minutes_per_hour, but 2 hours * it."""
    cost = 0.0
    done: set[Node] = set()
    for node, slot in zip(nodes, slots, strict=True):
        if not isinstance(node, World) or node in done:
            continue
        done.add(node)
        small, _, large = node.name.partition("_per_")
        unit = singular(small if slot.op == "div" else large)
        cost -= UNIT * any(unit in text.nouns[index] for index in mentions)
        if node == HUNDRED:
            cost -= PAIRED * any(text.mentions[index].form is Form.PERCENT for index in mentions)
    if HUNDRED not in done:
        cost += UNIT * sum(
            isinstance(node, Given)
            and slot.op == "mul"
            and text.mentions[node.mention].form is Form.PERCENT
            for node, slot in zip(nodes, slots, strict=True)
        )
    return cost


def left_over(text: Text, used: frozenset[int]) -> dict[int, float]:
    """The unused mentions and what each costs: less where its number is used elsewhere."""
    values = {text.mentions[index].value for index in used}
    costs = {}
    for index, mention in enumerate(text.mentions):
        if index in used:
            continue
        aside = text.names_group(index) or text.is_label(index)
        cost = GROUP_LEFT_OVER if aside else LEFT_OVER[mention.form]
        if text.is_difference(index):
            cost += DIFFERENCE_LEFT_OVER
        if mention.value in values:
            cost *= 0.2
        elif mention.value == 1:
            cost *= 0.1
        costs[index] = cost
    return costs
