"""How numbers are written in questions: figures, words, money, multiples, fractions."""

from __future__ import annotations

from collections.abc import Callable

from trace_pipeline.traces.numbers import Number, format_number

# fmt: off
_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)
# fmt: on
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 8: "eighth", 10: "tenth"}
_GROUPS = {2: "twice", 3: "three times", 4: "four times", 5: "five times", 6: "six times"}
_GROWTH = {2: "doubled", 3: "tripled", 4: "quadrupled"}


class NumeralError(ValueError):
    """A number that the chosen form cannot express."""


def words(value: Number) -> str:
    """A whole number from 0 to 100 in words."""
    if not isinstance(value, int) or not 0 <= value <= 100:
        raise NumeralError(f"no words for {format_number(value)} (whole numbers from 0 to 100)")
    if value < 20:
        return _UNITS[value]
    if value == 100:
        return "one hundred"
    tens, units = divmod(value, 10)
    return _TENS[tens - 2] + (f"-{_UNITS[units]}" if units else "")


def figures(value: Number) -> str:
    """Figures, with commas from 1,000 on.

    Raises:
        NumeralError: a fraction that never ends as a decimal.
    """
    if isinstance(value, int):
        return f"{value:,}" if value >= 1000 else str(value)
    text = format_number(value)
    if "/" in text:
        raise NumeralError(f"no figures for {text}, which never ends as a decimal; constrain it")
    whole, point, decimals = text.partition(".")
    return f"{int(whole):,}{point}{decimals}" if value >= 1000 else text


def money(value: Number) -> str:
    """Dollars: whole amounts without cents, others with two places.

    Raises:
        NumeralError: less than nothing, or a fraction of a cent.
    """
    if value < 0:
        raise NumeralError(f"no amount of money is {format_number(value)}; constrain it")
    if isinstance(value, int):
        return f"${value:,}"
    cents = value * 100
    if cents.denominator != 1:
        raise NumeralError(f"${format_number(value)} is not a whole number of cents")
    return f"${int(cents) // 100:,}.{int(cents) % 100:02d}"


def times(value: Number) -> str:
    """As in "___ as many": twice, three times."""
    if value in _GROUPS:
        return _GROUPS[int(value)]
    return f"{figures(value)} times"


def grown(value: Number) -> str:
    """As in "the prize ___": doubled, tripled, quadrupled."""
    return _looked_up(value, _GROWTH, "word for growth by")


def fraction(value: Number) -> str:
    """One part of ``value`` equal parts: half, a third, a quarter, a fifth."""
    name = _looked_up(value, _ORDINALS, "fraction for a division by")
    if name == "half":
        return name
    return f"an {name}" if name == "eighth" else f"a {name}"


def _looked_up(value: Number, table: dict[int, str], what: str) -> str:
    if value not in table:
        raise NumeralError(f"no {what} {format_number(value)} (there are: {sorted(table)})")
    return table[int(value)]


FORMS: dict[str, Callable[[Number], str]] = {
    "figures": figures,
    "words": words,
    "money": money,
    "times": times,
    "grown": grown,
    "fraction": fraction,
}
"""What may stand after ``|`` in a template's ``${number|form}``."""
