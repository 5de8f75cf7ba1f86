"""The numbers that a question mentions: in figures, words, fractions, percent, multiples.

Each mention keeps its place in the text, so that a trace can say where every
quantity comes from, and a variant can write another number in the same place.
"""

from __future__ import annotations

import re
from enum import StrEnum
from fractions import Fraction

from msgspec import Struct

from trace_pipeline.generation import numerals
from trace_pipeline.gsm8k.conversion.constants import words
from trace_pipeline.gsm8k.conversion.solution import NUMBER
from trace_pipeline.traces.numbers import Number, normalise

LONGEST = 300
"""Characters of a number; what is longer counts nothing, and Python does not read it."""
_TOKEN = re.compile(
    rf"(?P<number>{NUMBER})"
    r"|(?P<word>[^\W\d_½⅓⅔¼¾⅛]+(?:['’][a-z]+)?)|(?P<mark>[^\s\w]|[_½⅓⅔¼¾⅛])"
)
_CARDINALS = {numerals.words(value): value for value in range(101) if value <= 20 or not value % 10}
_CARDINALS.pop("one hundred")
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_PARTS = {
    "half": 2,
    "halve": 2,
    "third": 3,
    "fourth": 4,
    "quarter": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
    "twelfth": 12,
    "twentieth": 20,
    "hundredth": 100,
}
"""What a whole is divided into, by the word for one part (singular)."""
_ORDINALS = (
    {"first": 1, "second": 2, "eleventh": 11, "thirteenth": 13, "fifteenth": 15}
    | {
        "sixteenth": 16,
        "eighteenth": 18,
    }
    | {word: value for word, value in _PARTS.items() if word not in ("half", "halve", "quarter")}
)
MULTIPLES = {
    "once": 1,
    "twice": 2,
    "double": 2,
    "doubles": 2,
    "doubled": 2,
    "doubling": 2,
    "thrice": 3,
    "triple": 3,
    "triples": 3,
    "tripled": 3,
    "tripling": 3,
    "quadruple": 4,
    "quadruples": 4,
    "quadrupled": 4,
    "quintuple": 5,
}
"""Words for a factor."""
_CLOCKS = ("am", "pm", "a.m", "p.m", "o'clock", "o’clock")


_BEHIND_PART = words(
    "the more less as is are was were has have had do does did can will would like live"
)
"""Words after which "a third" is a share and no ordinal."""
_GLYPHS = {"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅛": (1, 8)}
"""Fractions in one character."""


class Form(StrEnum):
    """How a number is written."""

    FIGURES = "figures"
    MONEY = "money"
    PERCENT = "percent"
    FRACTION = "fraction"
    """``2/5``."""
    MIXED = "mixed"
    """``2 1/2``, ``3 and a half``."""
    WORDS = "words"
    PART = "part"
    """``half``, ``a third``, ``two-thirds``."""
    MULTIPLE = "multiple"
    """``twice``, ``doubled``."""
    ORDINAL = "ordinal"
    CLOCK = "clock"
    """A time of day; its hour is the value."""


class Token(Struct, frozen=True, gc=False):
    """A word, a number or a mark of a text."""

    kind: str
    """``word``, ``number`` or ``mark``."""
    text: str
    start: int
    end: int

    @property
    def lower(self) -> str:
        """The text in lower case."""
        return self.text.lower()


class Mention(Struct, frozen=True, gc=False):
    """A number at one place of a question."""

    value: Number
    form: Form
    start: int
    """Offset of its first character, a currency sign excluded."""
    end: int
    first: int
    """Position of its first token."""
    last: int
    """Position behind its last token."""
    numerator: int | None = None
    denominator: int | None = None
    """Of a fraction or part; None otherwise."""


def tokenize(text: str) -> list[Token]:
    """Words, numbers and marks of ``text`` in order."""
    return [
        Token(match.lastgroup or "", match[0], match.start(), match.end())
        for match in _TOKEN.finditer(text)
    ]


def find_mentions(tokens: list[Token]) -> list[Mention]:
    """Every number that the tokens of a question mention, in order."""
    return _Scanner(tokens).scan()


class _Scanner:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._lower = [token.lower for token in tokens]
        self._mentions: list[Mention] = []

    def scan(self) -> list[Mention]:
        position = 0
        while position < len(self._tokens):
            if self._is_number(position):
                position = self._figures(position)
            elif self._tokens[position].kind == "word":
                position = self._word(position)
            elif self._at(position) in _GLYPHS:
                above, below = _GLYPHS[self._at(position)]
                share = Fraction(above, below)
                position = self._add(position, position + 1, share, Form.FRACTION, above, below)
            else:
                position += 1
        return self._mentions

    def _at(self, position: int) -> str:
        return self._lower[position] if 0 <= position < len(self._lower) else ""

    def _is_number(self, position: int) -> bool:
        there = position < len(self._tokens) and self._tokens[position].kind == "number"
        return there and len(self._lower[position]) <= LONGEST

    def _whole(self, position: int) -> int | None:
        text = self._at(position)
        return int(text) if text.isdecimal() and len(text) <= LONGEST else None

    def _adjacent(self, position: int) -> bool:
        """Whether the token at ``position`` touches the one before it."""
        return (
            0 < position < len(self._tokens)
            and self._tokens[position - 1].end == self._tokens[position].start
        )

    def _add(
        self,
        first: int,
        last: int,
        value: int | Fraction,
        form: Form,
        numerator: int | None = None,
        denominator: int | None = None,
    ) -> int:
        start, end = self._tokens[first].start, self._tokens[last - 1].end
        self._mentions.append(
            Mention(normalise(value), form, start, end, first, last, numerator, denominator)
        )
        return last

    def _figures(self, position: int) -> int:
        value = normalise(Fraction(self._at(position).replace(",", "").replace(" ", "")))
        after = position + 1
        if self._at(after) == "/" and self._whole(after + 1) and isinstance(value, int):
            below = int(self._at(after + 1))
            return self._add(
                position, after + 2, Fraction(value, below), Form.FRACTION, value, below
            )
        if self._is_time(position):
            return self._add(position, after + 2, value, Form.CLOCK)
        if self._at(after) in _CLOCKS or (
            self._at(after) in ("a", "p")
            and self._at(after + 1) == "."
            and self._at(after + 2) == "m"
        ):
            return self._add(position, after, value, Form.CLOCK)
        if self._at(after) in ("st", "nd", "rd", "th") and self._adjacent(after):
            if self._at(position - 1) in ("a", "one") and value > 2 and isinstance(value, int):
                return self._add(position, after + 1, Fraction(1, value), Form.PART, 1, value)
            return self._add(position, after, value, Form.ORDINAL)
        mixed = self._mixed(position, after, value)
        if mixed:
            return mixed
        while self._at(after) in _SCALES:
            value, after = normalise(value * _SCALES[self._at(after)]), after + 1
        return self._add(position, after, value, self._form(position, after, Form.FIGURES))

    def _is_time(self, position: int) -> bool:
        """``8:30``, but not the ratio ``4:30``, which the question then calls a ratio."""
        minutes = self._at(position + 2)
        return (
            self._at(position + 1) == ":"
            and self._adjacent(position + 1)
            and len(minutes) == 2
            and minutes.isdecimal()
            and int(minutes) < 60
            and self._at(position + 3) != ":"
            and self._at(position - 1) != ":"
            and not {"ratio", "ratios"} & set(self._lower)
        )

    def _form(self, first: int, after: int, plain: Form) -> Form:
        if self._at(after) in ("%", "percent", "percentage") or (
            self._at(after) == "per" and self._at(after + 1) == "cent"
        ):
            return Form.PERCENT
        return Form.MONEY if self._at(first - 1) in ("$", "€", "£") else plain

    def _mixed(self, first: int, after: int, whole: Number) -> int | None:
        """``2 1/2``, ``2-1/2``, ``2 and 1/2``, ``two and a half``, ``1 and half``."""
        joined = self._at(after) in ("and", "-")
        position = after + 1 if joined else after
        above, below = self._whole(position), self._whole(position + 2)
        if above and below and above < below and self._at(position + 1) == "/":
            value = whole + Fraction(above, below)
            return self._add(first, position + 3, value, Form.MIXED)
        if self._at(after) != "and":
            return None
        if self._at(position) in ("a", "one"):
            position += 1 + (self._at(position + 1) == "-")
        elif self._at(position) != "half" or self._at(position + 1) in ("of", "the"):
            return None
        part = _PARTS.get(self._at(position))
        if part is None or part > 4:
            return None
        return self._add(first, position + 1, whole + Fraction(1, part), Form.MIXED)

    def _word(self, position: int) -> int:
        word = self._at(position)
        if word in _CARDINALS or (word in ("a", "one") and self._at(position + 1) in _SCALES):
            return self._number_words(position)
        if word == "couple" and self._at(position - 1) in ("a", "another"):
            return self._add(position, position + 1, 2, Form.WORDS)
        if word in MULTIPLES:
            return self._add(position, position + 1, MULTIPLES[word], Form.MULTIPLE)
        part = _PARTS.get(word)
        if part is not None and self._means_part(position):
            return self._add(position, position + 1, Fraction(1, part), Form.PART, 1, part)
        if word in _ORDINALS and word != "second":
            return self._add(position, position + 1, _ORDINALS[word], Form.ORDINAL)
        if word == "second" and self._at(position - 1) in (
            "the",
            "a",
            "his",
            "her",
            "their",
            "its",
        ):
            return self._add(position, position + 1, 2, Form.ORDINAL)
        return position + 1

    def _means_part(self, position: int) -> bool:
        """Whether an ordinal is a fraction here, as in "a third of"."""
        word, after = self._at(position), self._at(position + 1)
        if word in ("half", "halve"):
            return True
        if word == "quarter" and after in ("more", "less", "fewer", "longer", "full"):
            return self._at(position - 1) in ("a", "one")
        if word == "quarter" and after not in ("of", "as", "the"):
            return False
        if self._at(position - 1) in ("a", "one") and after in _BEHIND_PART:
            return True
        return (after == "of" and self._at(position - 1) in ("a", "an")) or (
            after in ("of", "as")
            and (self._at(position - 1) not in ("the", "his", "her", "their", "on", "every"))
        )

    def _number_words(self, first: int) -> int:
        total, current, position = 0, 0, first
        while True:
            word = self._at(position)
            if word in _CARDINALS and (current % 10 == 0 or current == 0):
                value = _CARDINALS[word]
                if current % 100 and value >= 10:
                    break
                current += value
            elif word in ("a", "one") and position == first:
                current = 1
            elif word == "hundred" and current:
                current *= 100
            elif word in _SCALES and current:
                total, current = total + current * _SCALES[word], 0
            else:
                break
            position += 1
            joint = self._at(position)
            if (joint == "-" and self._at(position + 1) in _CARDINALS and current % 100 >= 20) or (
                joint == "and" and current >= 100 and self._at(position + 1) in _CARDINALS
            ):
                position += 1
        value = total + current
        part_at = position + (self._at(position) == "-")
        part = _PARTS.get(self._at(part_at).removesuffix("s").replace("halve", "half"))
        if (
            part is not None
            and 0 < value < part
            and (
                self._at(part_at) != "second"
                and not (value == 1 and self._at(part_at).endswith("s"))
            )
        ):
            return self._add(first, part_at + 1, Fraction(value, part), Form.PART, value, part)
        mixed = self._mixed(first, position, value)
        if mixed:
            return mixed
        if self._at(position) in _CLOCKS:
            return self._add(first, position, value, Form.CLOCK)
        return self._add(first, position, value, self._form(first, position, Form.WORDS))
