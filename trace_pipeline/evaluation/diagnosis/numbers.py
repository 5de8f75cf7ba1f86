"""The numbers of a question, and how one number is taken for another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

from trace_pipeline.evaluation.diagnosis.field import PRIME, Element, inverse, symbol
from trace_pipeline.gsm8k.conversion.mentions import Form, find_mentions, tokenize
from trace_pipeline.traces import Number, format_number
from trace_pipeline.traces.numbers import normalise

_IN_WORDS = frozenset((Form.WORDS, Form.PART, Form.MULTIPLE, Form.ORDINAL))
_SHARES = frozenset((Form.PART, Form.FRACTION, Form.MIXED, Form.PERCENT))
_POWERS = tuple(10**exponent for exponent in range(1, 7))
UNSAID: frozenset[Number] = frozenset((1, 100))
"""Numbers that need not be said: the whole, and the hundred of a percentage."""


class QuestionNumbers:
    """The numbers that a question mentions."""

    def __init__(self, question: str) -> None:
        self.said: set[Number] = set()
        self._figures: set[Number] = set()
        self._shares: set[Number] = set()
        self._texts: dict[Number, str] = {}
        for mention in find_mentions(tokenize(question)):
            facets = (mention.value, mention.numerator, mention.denominator)
            for value in facets:
                if value is None or (value == 1 and mention.value != 1):
                    continue
                self.said.add(value)
                self._texts.setdefault(value, question[mention.start : mention.end])
                if mention.form not in _IN_WORDS:
                    self._figures.add(value)
                if mention.form in _SHARES:
                    self._shares.add(value)

    def is_in_words(self, value: Number) -> bool:
        """Whether ``value`` is said, and only in words: ``half``, ``twice``, ``seven``."""
        return value in self.said and value not in self._figures

    def is_share(self, value: Number) -> bool:
        """Whether ``value`` is a decimal or part of a fraction or percentage."""
        return not isinstance(value, int) or value in self._shares

    def show(self, value: Number) -> str:
        """The number, and the question's words for it where they are no figures."""
        text = format_number(value)
        return f"{text} ({self._texts[value]!r})" if self.is_in_words(value) else text


class Misreading(StrEnum):
    """How a number became another; the value describes it in explanations."""

    POWER_OF_TEN = "off by a power of ten"
    DIGITS_DROPPED = "with digits dropped"
    DIGITS_CHANGED = "with its digits mixed up"
    RECIPROCAL = "turned upside down"
    WORDS = "said in words"


def misreading(found: Number, expected: Number, question: QuestionNumbers) -> Misreading | None:
    """How ``expected`` may have been read as ``found``; None if nothing suggests that it was."""
    if found == 0 or expected == 0:
        return None
    ratio = Fraction(found) / expected
    if max(ratio, 1 / ratio) in _POWERS:
        return Misreading.POWER_OF_TEN
    if question.is_in_words(expected):
        return Misreading.WORDS
    if found * expected == 1:
        return Misreading.RECIPROCAL
    had, has = _digits(expected), _digits(found)
    if 0 < len(has) < len(had) and (had.startswith(has) or had.endswith(has)):
        return Misreading.DIGITS_DROPPED
    if len(had) >= 3 and any(had[:i] + had[i + 1 :] == has for i in range(len(had))):
        return Misreading.DIGITS_DROPPED
    if len(had) == len(has) and had != has:
        differing = [(a, b) for a, b in zip(had, has, strict=True) if a != b]
        swapped = len(differing) == 2 and differing[0] == differing[1][::-1]
        if swapped or (len(differing) == 1 and len(had) >= 3):
            return Misreading.DIGITS_CHANGED
    return None


def _digits(value: Number) -> str:
    return format_number(max(value, -value)).replace(".", "").replace("/", "").lstrip("0")


def aliases(numbers: Iterable[Number], percentages: bool) -> Mapping[Number, Element]:
    """Other forms of numbers: 0.5 for a division by 2, 0.4 for 2/5, 0.8 for 20 percent off.

    A trace that writes ``price * 0.8`` computes the same function of the question's 20 as
    one that takes 20 percent off; so 0.8 stands for ``1 - 20/100`` unless it is a number of its
    own.

    Args:
        numbers: Those of the reference.
        percentages: Whether the reference has percentages; else 95 is no form of 5.
    """
    return _aliases(tuple(sorted(set(numbers))), percentages)


@lru_cache(maxsize=4096)
def _aliases(known: tuple[Number, ...], percentages: bool) -> Mapping[Number, Element]:
    forms: list[tuple[Fraction, Element]] = []
    for number in known:
        if number <= 0:
            continue
        whole, own = Fraction(number), symbol(number)
        if percentages:
            share, hundred = own * inverse(symbol(100)) % PRIME, symbol(100)
            forms.append((whole / 100, share))
            forms.append((1 + whole / 100, (1 + share) % PRIME))
            forms.append((100 + whole, (hundred + own) % PRIME))
            if number < 100:
                forms.append((1 - whole / 100, (1 - share) % PRIME))
                forms.append((100 - whole, (hundred - own) % PRIME))
        if number < 1:
            forms.append((1 - whole, (1 - own) % PRIME))
            forms.append((1 + whole, (1 + own) % PRIME))
        elif number > 1 and isinstance(number, int):
            forms.append((1 / whole, inverse(own)))
            forms.append((1 - 1 / whole, (1 - inverse(own)) % PRIME))
            forms.append((1 + 1 / whole, (1 + inverse(own)) % PRIME))
    wholes = [number for number in known if isinstance(number, int) and number > 1]
    for above, below in combinations(wholes, 2):
        share = symbol(above) * inverse(symbol(below)) % PRIME
        forms.append((Fraction(above, below), share))
        forms.append((1 - Fraction(above, below), (1 - share) % PRIME))
    found: dict[Number, Element] = {}
    for value, element in forms:
        plain = normalise(value)
        if plain not in known and plain not in UNSAID:
            found.setdefault(plain, element)
    return found
