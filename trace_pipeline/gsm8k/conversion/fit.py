"""What makes a reading unlikely beyond its single operands."""

from __future__ import annotations

from collections.abc import Sequence

from trace_pipeline.gsm8k.conversion.constants import singular
from trace_pipeline.gsm8k.conversion.mentions import Form
from trace_pipeline.gsm8k.conversion.nodes import HUNDRED, ONE, Facet, Given, Node, Slot, World
from trace_pipeline.gsm8k.conversion.text import Text

SAME_TWICE = 0.5
"""One origin for two operands of a sum or product."""
SELF_DIVIDED = 2.0
"""Something divided by itself, or taken from itself."""
SAME_SENTENCE = 0.05
"""Off for two numbers of one sentence in one calculation."""
PAIRED = 0.3
"""Off for both numbers of one fraction together; more for one without the other."""
MONEY_SQUARED = 0.4
"""Two prices in one product."""
UNIT = 0.2
"""Off for a conversion beside its unit."""
GROUP_LEFT_OVER = 0.1
LEFT_OVER = {
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
"""Cost of a number of the question that a reading does not use."""


def operands_cost(
    nodes: Sequence[Node], slots: Sequence[Slot], text: Text, solved: bool = False
) -> float:
    """How badly the operands of one calculation go together.

    In a ``solved`` equation one coefficient may well stand twice.
    """
    cost = 0.0
    seen: set[tuple[int, Node]] = set()
    for node, slot in zip(nodes, slots, strict=True):
        if (slot.group, node) in seen and not solved:
            cost += SELF_DIVIDED if slot.op in ("div", "sub") else SAME_TWICE
        seen.add((slot.group, node))
    for above, below, slot in zip(nodes, nodes[1:], slots[1:], strict=False):
        if above == ONE and slot.divides and isinstance(below, Given):
            cost += -PAIRED if below.facet is Facet.DENOMINATOR else PAIRED
    given = {node for node in nodes if isinstance(node, Given)}
    for node in given:
        if node.facet is Facet.NUMERATOR:
            cost += -PAIRED if Given(node.mention, Facet.DENOMINATOR) in given else PAIRED
    mentions = {node.mention for node in given}
    cost -= SAME_SENTENCE * (len(mentions) - len({text.sentences[index] for index in mentions}))
    divisors = {node for node, slot in zip(nodes, slots, strict=True) if slot.divides}
    if sum(text.mentions[node.mention].form is Form.MONEY for node in given) > 1 and any(
        slot.op == "mul" for slot in slots
    ):
        cost += MONEY_SQUARED
    for world in {node for node in nodes if isinstance(node, World)}:
        # 45 minutes / minutes_per_hour, but 2 hours * minutes_per_hour.
        unit = singular(world.name.partition("_per_")[0 if world in divisors else 2])
        cost -= UNIT * any(unit in text.nouns[index] for index in mentions)
        if world == HUNDRED:
            cost -= PAIRED * any(text.mentions[index].form is Form.PERCENT for index in mentions)
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
        if mention.value in values:
            cost *= 0.2
        elif mention.value == 1:
            cost *= 0.1
        costs[index] = cost
    return costs
