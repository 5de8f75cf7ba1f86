"""How an author writes an operand, compared with where a number of the question stands."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from math import fsum

from trace_pipeline.gsm8k.conversion.constants import singular
from trace_pipeline.gsm8k.conversion.nodes import Slot
from trace_pipeline.gsm8k.conversion.solution import Calculated
from trace_pipeline.gsm8k.conversion.text import (
    FUNCTION_WORDS,
    Text,
    first_words,
    numbers_in,
    rest_of_sentence,
)
from trace_pipeline.traces.numbers import Number

RECALLED = 0.16
"""Most that the words around an earlier result count."""
SAME_UNIT = 0.12
OTHER_UNIT = 0.1
NO_MONEY = 0.3
"""Money where the author counts something."""
OTHER_MONEY = 0.2
"""Money where the author marks other numbers as money."""
UNMARKED_MONEY = 0.03
NO_MONEY_TERM = 0.12
"""What is no money in a sum that the author marks as money."""
OTHER_PERSON = 0.08
"""A number of somebody whom the author does not name beside those that he names."""
SAME_PERSON = 0.04


class Context:
    """How the author writes one operand: the words behind it, a currency sign before it."""

    def __init__(self, calculation: Calculated, slot: Slot, text: Text) -> None:
        prose, value = calculation.before, slot.value
        self._weights = text.weights
        self._money_sum = calculation.is_money and slot.op in ("add", "sub")
        self._named = sentence_words(calculation) & text.persons
        self.beside: frozenset[str] = frozenset()
        self._currency: bool | None = None
        written = [found for found in numbers_in(prose) if found[0] == value]
        priced = any(currency for _, _, currency in written)
        if len(written) >= slot.from_last:
            # The expression ends the prose: its operands are the last ones there.
            own = written[-slot.from_last]
            written = [own]
            if not own[1] and not own[2]:
                # "5 petunias at $1 each is 5*1": the words stand beside the same number before.
                written += _said_before(prose, slot) or _said_behind(calculation, slot)
        elif slot.from_last == 1:
            after = numbers_in(rest_of_sentence(calculation.after))
            written = [found for found in after if found[0] == value]
        for _, beside, currency in written:
            self.beside |= beside
            self._currency = bool(self._currency) or currency
        self._marks_money = not priced and any(currency for _, _, currency in numbers_in(prose))
        if slot.op in ("add", "sub"):
            self.beside |= first_words(calculation.after)  # terms and sum share a unit
        self.around = _words_around(prose, calculation.after)

    def bonus(self, nouns: frozenset[str], window: frozenset[str]) -> float:
        """How well an origin's words fit the operand's."""
        weights = self._weights
        # fsum: the sum does not depend on the order of a set.
        beside = fsum(weights.get(word, 1.0) for word in self.beside & nouns)
        near = fsum(weights.get(word, 1.0) for word in self.around & nouns)
        around = fsum(weights.get(word, 1.0) for word in self.around & window)
        return min(0.24, 0.15 * beside) + min(0.2, 0.1 * near) + min(0.08, 0.02 * around)

    def recalled(self, sentence: frozenset[str]) -> float:
        """How well an earlier result's sentence fits: by the words that the question knows."""
        known = (self.around & sentence).intersection(self._weights)
        return min(RECALLED, 0.04 * fsum(self._weights[word] for word in known))

    def unit(self, unit: str, units: Collection[str]) -> float:
        """The cost of counting ``unit`` where the author names one of ``units``, or its gain."""
        if unit and unit in self.beside:
            return -SAME_UNIT
        return OTHER_UNIT if unit and not self.beside.isdisjoint(units) else 0.0

    def person(self, subject: str) -> float:
        """The cost of a number of somebody else than the author speaks of, or the gain."""
        if not subject or not self._named:
            return 0.0
        return -SAME_PERSON if subject in self._named else OTHER_PERSON

    def currency(self, money: bool, nouns: frozenset[str]) -> float:
        """The cost of money where the author writes none, and the reverse."""
        if self._money_sum and not self._currency:
            plain = not money and nouns.isdisjoint(("dollar", "cent", "$"))
            return NO_MONEY_TERM * plain
        if self._currency is None:
            return 0.0
        if self._currency:
            return 0.0 if money or not nouns.isdisjoint(("dollar", "cent", "$")) else 0.15
        if not money or not self.beside.isdisjoint(("dollar", "cent")):
            return 0.0
        if self.beside:
            return NO_MONEY
        return OTHER_MONEY if self._marks_money else UNMARKED_MONEY


def _said_before(prose: str, slot: Slot) -> list[tuple[Number, frozenset[str], bool]]:
    """What the sentence says of the operand before the expression repeats it bare."""
    sentence = re.split(r"\n|[.?!] ", prose.rstrip())[-1]
    found = [found for found in numbers_in(sentence) if found[0] == slot.value]
    before = found[: -slot.of_value]
    if slot.of_value == 1:
        return before
    return [before[-slot.from_last]] if len(before) == slot.of_value else []


def _said_behind(calculation: Calculated, slot: Slot) -> list[tuple[Number, frozenset[str], bool]]:
    """What the sentence says of the operand behind the result: "20*1 = 20 for 20 cookies"."""
    if slot.of_value > 1:
        return []
    sentence = rest_of_sentence(calculation.after)
    if " than " in sentence:
        return []  # "40/5 = 8 boxes of more than 5 pounds" says nothing of the 5 that divides
    behind = numbers_in(sentence)[1:]
    return [found for found in behind if found[0] == slot.value][:1]


def _clause(after: str) -> str:
    """What follows a result up to the next number: ``dollars for the notebooks``."""
    return re.split(r"\d", rest_of_sentence(after).lstrip("0123456789.,"), maxsplit=1)[0]


@lru_cache(maxsize=1024)
def _words_around(before: str, after: str) -> frozenset[str]:
    """The words before a result, and behind it up to the next number."""
    text = f"{before} {_clause(after)}".lower()
    return frozenset(singular(word) for word in re.findall(r"[a-z]+", text)) - FUNCTION_WORDS


@lru_cache(maxsize=1024)
def sentence_words(calculation: Calculated) -> frozenset[str]:
    """What the sentence of a calculation speaks of."""
    before = re.split(r"\n|\. ", calculation.before)[-1]
    text = f"{before} {rest_of_sentence(calculation.after)}".lower()
    return frozenset(singular(word) for word in re.findall(r"[a-z]+", text)) - FUNCTION_WORDS
