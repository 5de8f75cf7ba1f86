"""How sure a reading is: its rivals, its leaps, what it leaves unexplained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from trace_pipeline.gsm8k.conversion.fit import LEFT_OVER, left_over
from trace_pipeline.gsm8k.conversion.nodes import (
    Apply,
    Earlier,
    Given,
    Node,
    Stated,
    World,
    facet_value,
    is_grounded,
)
from trace_pipeline.gsm8k.conversion.reading import Reading
from trace_pipeline.gsm8k.conversion.text import Text
from trace_pipeline.traces.numbers import Number

TIED = 0.05
"""Readings whose costs differ by less are as likely as each other."""
CLOSE = 0.15
_PROBES = 2
_PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73)


def rival_margin(reading: Reading, rivals: Sequence[Reading], text: Text) -> float:
    """How much more the likeliest different reading costs; ``CLOSE`` where none is near.

    Readings differ if they compute something else once the question's numbers
    change. Every mention gets a number of its own, so that a reading that confuses
    two equal numbers, or a number with an equal result, gives another answer.

    Args:
        reading: The best one.
        rivals: The others, cheapest first.
        text: The question.
    """
    for rival in rivals:
        margin = rival.cost - reading.cost
        if margin >= CLOSE:
            break
        same = _one_quantity(reading, rival, text)
        pairs = zip(_probed(reading, text, same), _probed(rival, text, same), strict=True)
        if any(abs(a - b) > 1e-9 * abs(a) for a, b in pairs):
            return margin
    return CLOSE


def confidence_of(reading: Reading, margin: float, text: Text) -> float:
    """The confidence between 0 and 1 (docs/gsm8k-traces.md has the table)."""
    confidence = 1.0
    if margin < TIED:
        confidence *= 0.6
    elif margin < CLOSE:
        confidence *= 0.85
    if reading.worst >= 0.4:
        confidence *= 0.8 if reading.worst < 0.7 else 0.65
    if reading.doubled:
        confidence *= 0.8
    confidence *= 0.85**reading.dead
    for index, cost in left_over(text, reading.mentions).items():
        if cost >= LEFT_OVER[text.mentions[index].form] and cost >= 0.35:
            confidence *= 0.9
    if not is_grounded(reading.root):
        confidence *= 0.5
    return round(confidence, 3)


def _one_quantity(reading: Reading, rival: Reading, text: Text) -> dict[int, int]:
    """Mentions that stand for another: equal numbers of which each reading uses but one.

    "She pays $60. Half of the $60 ..." says one thing twice.
    """
    by_value: dict[Number, list[int]] = {}
    for index, mention in enumerate(text.mentions):
        by_value.setdefault(mention.value, []).append(index)
    return {
        index: group[0]
        for group in by_value.values()
        if all(map(text.is_definite, group[1:]))
        and len(reading.mentions.intersection(group)) <= 1
        and len(rival.mentions.intersection(group)) <= 1
        for index in group
    }


def _probed(reading: Reading, text: Text, same: Mapping[int, int]) -> list[float]:
    """The answers of a reading for other numbers in the question."""
    values: list[float] = []
    for probe in range(_PROBES):
        known: dict[Node, float] = {}
        try:
            values.append(_float_value(reading.root, text, probe, same, known))
        except ZeroDivisionError:
            values.append(float("inf"))
    return values


def _float_value(
    node: Node, text: Text, probe: int, same: Mapping[int, int], known: dict[Node, float]
) -> float:
    if node in known:
        return known[node]
    match node:
        case Given(mention=mention):
            value = float(facet_value(text.mentions[mention], node.facet))
            mention = same.get(mention, mention)
            value += _PRIMES[(mention + 7 * probe) % len(_PRIMES)] / (97 + mention)
        case Apply(op=op, args=args):
            values = [_float_value(arg, text, probe, same, known) for arg in args]
            value = _applied(op, values)
        case World(value=number) | Stated(value=number):
            value = float(number)
        case Earlier():
            raise ValueError("an unresolved reference to an earlier calculation")
    known[node] = value
    return value


def _applied(op: str, values: list[float]) -> float:
    match op:
        case "add":
            return sum(values)
        case "sub":
            return values[0] - sum(values[1:])
        case "mul":
            return prod(values)
    # Rounded divisions are compared before they are rounded: rounding hides differences.
    return values[0] / values[1]
