"""Which other numbers may stand in the place of a number of a question.

Whole things stay whole, magnitudes and roundness stay like the original's, shares
stay shares, and a number whose wording is tied to its value (one, half, twice, a
time of day, seven days a week) stays what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import gcd

from msgspec import Struct

from trace_pipeline.generation import numerals
from trace_pipeline.gsm8k.conversion.constants import CONSTANTS, Constant, singular, words
from trace_pipeline.gsm8k.conversion.mentions import Form, Mention
from trace_pipeline.gsm8k.conversion.text import Text
from trace_pipeline.traces.numbers import Number, format_number, normalise

_CAPS = {"day": (7, "week"), "hour": (24, "day"), "month": (12, "year"), "minute": (60, "hour")}
"""Most of a unit within another: a week has seven days."""
_FIXED_NOUNS = words(
    "sided side wheeled wheel legged leg eye ear way th st nd rd grade grader person dozen pm am o"
)
"""Things whose number is a fact, or whose wording is tied to it."""
_CONVERSIONS: dict[Number, list[Constant]] = {}
"""The constants that convert units, by value."""
for _constant in CONSTANTS:
    if _constant.converts:
        _CONVERSIONS.setdefault(_constant.value, []).append(_constant)
_FEWEST = 3
"""A place with fewer choices is left as it is."""


class Domain(Struct, frozen=True):
    """The other numbers for one mention, and how they are written there."""

    numbers: tuple[Number, ...]
    write: Callable[[Number], str]
    """The words or figures for one of them: few of them are ever drawn."""

    @property
    def texts(self) -> list[str]:
        """Every number as it is written there."""
        return [self.write(number) for number in self.numbers]


def domain_of(index: int, text: Text) -> Domain | None:
    """Other numbers for mention ``index``; None where it has to stay."""
    mention = text.mentions[index]
    written = text.question[mention.start : mention.end]
    write: Callable[[Number], str]
    if _is_fixed(mention, text):
        return None
    match mention.form:
        case Form.PERCENT:
            numbers = _percentages(mention.value)
            write = _as_words if written[0].isalpha() else format_number
        case Form.FIGURES | Form.MONEY:
            if not written[-1].isdigit():
                return None  # 3 million
            numbers = _around(mention.value, written)
            write = _figures(written)
        case Form.WORDS:
            if not isinstance(mention.value, int) or mention.value > 20:
                return None
            numbers = [number for number in _around(mention.value, written) if number <= 20]
            write = _capitalised if written[0].isupper() else _as_words
        case _:
            return None
    cap = _cap(mention, text)
    article = _article(mention, text)
    kept = [
        number for number in numbers if number != mention.value and (cap is None or number <= cap)
    ]
    if article is not None:
        kept = [number for number in kept if _takes_an(write(number)) == article]
    return Domain(tuple(kept), write) if len(kept) >= _FEWEST else None


def fractions_near(mention: Mention) -> Domain | None:
    """Other proper fractions in figures for ``2/5``."""
    below = mention.denominator or 0
    if (
        mention.form is not Form.FRACTION
        or mention.end - mention.start < 3
        or not 0 < mention.value < 1
        or below > 12
    ):
        return None
    shares = [
        Fraction(above, under)
        for under in range(2, 13)
        for above in range(1, under)
        if gcd(above, under) == 1
        and (above == 1) == (mention.numerator == 1)
        and Fraction(above, under) != mention.value
        and abs(Fraction(above, under) - mention.value) <= Fraction(1, 3)
    ]
    return Domain(tuple(shares), _as_fraction)


def _is_fixed(mention: Mention, text: Text) -> bool:
    if text.tokens[mention.first].lower == "couple":
        return True
    if mention.value <= 1 and mention.form is not Form.MONEY:
        return True  # the wording is singular
    nouns = [token.lower for token in text.tokens[mention.last : mention.last + 3]]
    near = {singular(word) for word in nouns}
    if nouns and nouns[0] == "-" and len(nouns) > 1 and not nouns[1][:1].isalpha():
        return True  # 3-4 people, 555-1234
    if near & _FIXED_NOUNS or (nouns and nouns[0] in ("x", ":", "/", "k", "times")):
        return nouns[0] != "times" or mention.value <= 2
    if mention.first and text.tokens[mention.first - 1].text in ("/", ":", "#", ".", "-"):
        return True
    if (
        isinstance(mention.value, int)
        and 1900 <= mention.value <= 2100
        and (mention.form is Form.FIGURES and "," not in text.question[mention.start : mention.end])
    ):
        return True  # a year
    around = text.windows[text.mentions.index(mention)]
    return any(
        singular(constant.name.partition("_")[0]) in near and not constant.words.isdisjoint(around)
        for constant in _CONVERSIONS.get(mention.value, ())
    )


def _percentages(value: Number) -> list[Number]:
    if not isinstance(value, int):
        return []
    if value > 100:
        return list(range(100 + 10, 2 * value + 1, 10))
    step = 5 if value % 5 == 0 else 1
    low, high = value // 3, 100 - (100 - value) // 3  # like the original: rare, common
    return [number for number in range(step, 100, step) if low <= number <= high]


def _around(value: Number, written: str) -> list[Number]:
    """Numbers between half and twice ``value``, as round as it is."""
    scale = 10 ** len(written.partition(".")[2]) if "." in written else 1
    units = int(value * scale)  # in the last decimal
    step = 1
    for candidate in (5, 10, 25, 50, 100, 250, 500, 1000, 5000, 10_000, 50_000, 100_000):
        if units % candidate == 0 and units // candidate >= 4:
            step = candidate
    low, high = max(step, units // 2), max(units * 2, 9 * step if scale == 1 else 0)
    first = -(-low // step) * step
    smallest = 2 if scale == 1 else 1
    numbers = [number for number in range(first, high + 1, step) if number >= smallest]
    if scale == 1:
        return list(numbers)
    return [normalise(Fraction(number, scale)) for number in numbers]


def _cap(mention: Mention, text: Text) -> Number | None:
    after = [singular(token.lower) for token in text.tokens[mention.last : mention.last + 2]]
    for unit, (most, whole) in _CAPS.items():
        if unit in after and mention.value <= most and whole in text.words | {"week"}:
            return most
    if "year" in after and "old" in text.words and mention.value <= 90:
        return 90
    return None


def _article(mention: Mention, text: Text) -> bool | None:
    """Whether "an" (True) or "a" (False) stands before the number; None for neither."""
    before = text.tokens[mention.first - 1].lower if mention.first else ""
    if before in ("$", "€", "£") and mention.first > 1:
        before = text.tokens[mention.first - 2].lower
    return {"an": True, "a": False}.get(before)


def _takes_an(shown: str) -> bool:
    if shown.lower().startswith(("eight", "eleven", "8")):
        return True
    return shown.split(",")[0].split(".")[0] in ("11", "18")


def _figures(written: str) -> Callable[[Number], str]:
    decimals = len(written.partition(".")[2])
    bare = written.startswith(".")
    comma = "," in written

    def write(number: Number) -> str:
        if not decimals:
            return f"{number:,}" if comma else str(number)
        scaled = int(number * 10**decimals)
        whole, part = divmod(scaled, 10**decimals)
        head = "" if bare and whole == 0 else (f"{whole:,}" if comma else str(whole))
        return f"{head}.{part:0{decimals}d}"

    return write


def _as_fraction(share: Number) -> str:
    return f"{share.numerator}/{share.denominator}"


def _as_words(number: Number) -> str:
    return numerals.words(number)


def _capitalised(number: Number) -> str:
    return numerals.words(number).capitalize()
