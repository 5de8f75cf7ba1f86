"""Which numbers a question gives: in figures, in words, or by a word that means one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction

from trace_pipeline.generation import numerals
from trace_pipeline.traces import Consume, Init, Number, SubTrace, Transfer
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
_FIGURES = re.compile(r"\d[\d,]*(?:\.\d+)?")
_WORD = re.compile(r"[a-z]+(?:-[a-z]+)?")


def figures_in(text: str) -> set[Number]:
    """Every number that ``text`` gives in figures."""
    found: set[Number] = set()
    for figures in _FIGURES.findall(text):
        plain = figures.replace(",", "")
        found.add(normalise(Fraction(plain)) if "." in plain else int(plain))
    return found


def spelled_in(text: str) -> set[Number]:
    """Every number that ``text`` gives in words, or by a word that means one."""
    found: set[Number] = set()
    for word in _WORD.findall(text.lower()):
        if word in _NUMBERS:
            found.add(_NUMBERS[word])
        elif "-" in word:
            found.update(_NUMBERS[part] for part in word.split("-") if part in _NUMBERS)
    if "one hundred" in text.lower():
        found.add(100)
    return found


def trace_numbers(subtraces: Iterable[SubTrace]) -> list[Number]:
    """Every number that a trace states, in order."""
    numbers: list[Number] = []
    for subtrace in subtraces:
        for step in subtrace.steps:
            match step:
                case Init(value=value):
                    stated: Number | str | None = value
                case Consume(amount=stated) | AddEntity(amount=stated) | Transfer(amount=stated):
                    pass
                case (
                    PercentOff(rate=stated) | PercentIncrease(rate=stated) | PercentOf(rate=stated)
                ):
                    pass
                case _:
                    continue
            if isinstance(stated, int | Fraction):
                numbers.append(stated)
    return numbers
