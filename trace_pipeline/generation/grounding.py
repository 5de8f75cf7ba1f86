"""Which numbers a question gives: in figures, in words, or by a word that means one."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable
from fractions import Fraction
from operator import attrgetter

from trace_pipeline.generation import numerals
from trace_pipeline.traces import Consume, Init, Number, Step, SubTrace, Transfer
from trace_pipeline.traces.numbers import normalise
from trace_pipeline.traces.steps import AddEntity, PercentIncrease, PercentOf, PercentOff

MEANINGS: dict[str, int] = {
    "once": 1,
    "twice": 2,
    "double": 2,
    "doubled": 2,
    "doubles": 2,
    "half": 2,
    "triple": 3,
    "tripled": 3,
    "triples": 3,
    "third": 3,
    "quadrupled": 4,
    "quarter": 4,
    "fifth": 5,
    "sixth": 6,
    "eighth": 8,
    "tenth": 10,
}
"""Words that give a factor or a divisor."""

_NUMBERS: dict[str, int] = {numerals.words(value): value for value in range(101)} | MEANINGS
_SPELLINGS: dict[Number, tuple[str, ...]] = {
    value: tuple(word for word, meant in _NUMBERS.items() if meant == value)
    for value in _NUMBERS.values()
}
"""The words of each number that has some, the most usual first."""
_IN_WORDS = string.ascii_letters + "-"
_IN_WORD = frozenset(_IN_WORDS)
FIGURES = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
"""A number in figures, with or without thousands commas."""
_JOINED = frozenset("0123456789.,")
"""What may make a longer number of the figures beside it."""
_NO_LETTERS = str.maketrans({sign: " " for sign in string.printable if sign not in _IN_WORDS})

_STATES: dict[type[Step], Callable[[Step], Number | str | None]] = {
    Init: attrgetter("value"),
    Consume: attrgetter("amount"),
    AddEntity: attrgetter("amount"),
    Transfer: attrgetter("amount"),
    PercentOff: attrgetter("rate"),
    PercentIncrease: attrgetter("rate"),
    PercentOf: attrgetter("rate"),
}
"""Where each kind of step may state a number."""


def figures_in(text: str) -> set[Number]:
    """Every number that ``text`` gives in figures."""
    found: set[Number] = set()
    for written in FIGURES.findall(text):
        plain = written.replace(",", "")
        found.add(normalise(Fraction(plain)) if "." in plain else int(plain))
    return found


def plainly_printed(number: Number, text: str) -> bool:
    """Whether ``text`` shows ``number`` in figures, as far as a look at the neighbours tells.

    True is sure; False may be a number with a thousands comma, for which ``FIGURES`` has to read
    the whole text at five times the cost.
    """
    figures = str(number)
    if not figures.isdigit():
        return False
    start = text.find(figures)
    while start >= 0:
        end = start + len(figures)
        behind = text[end : end + 2]
        if text[start - 1 : start] not in _JOINED and (
            behind[:1] not in _JOINED or (behind[0] in ",." and not behind[1:].isdigit())
        ):
            return True
        start = text.find(figures, end)
    return False


def plainly_spelled(number: Number, lower: str) -> bool:
    """Whether ``lower``, a text in small letters, gives ``number`` by a word that stands alone.

    True is sure; False may be a word in a hyphenated one, which ``spelled_in`` takes apart.
    """
    for word in _SPELLINGS.get(number, ()):
        start = lower.find(word)
        while start >= 0:
            end = start + len(word)
            if lower[start - 1 : start] not in _IN_WORD and lower[end : end + 1] not in _IN_WORD:
                return True
            start = lower.find(word, end)
    return False


def spelled_in(text: str) -> set[Number]:
    """Every number that ``text`` gives in words, or by a word that means one."""
    lower = text.lower()
    if not lower.isascii():
        lower = lower.encode("ascii", "replace").decode()
    words = set(lower.translate(_NO_LETTERS).split())
    found: set[Number] = {_NUMBERS[word] for word in words & _NUMBERS.keys()}
    if "-" in lower:
        for word in words - _NUMBERS.keys():
            found.update(_NUMBERS[part] for part in word.split("-") if part in _NUMBERS)
    if "one hundred" in lower:
        found.add(100)
    return found


def trace_numbers(subtraces: Iterable[SubTrace]) -> list[Number]:
    """Every number that a trace states, in order."""
    found: list[Number] = []
    for subtrace in subtraces:
        for step in subtrace.steps:
            states = _STATES.get(type(step))
            if states is not None:
                stated = states(step)
                if stated is not None and not isinstance(stated, str):
                    found.append(stated)
    return found
