"""Exact numbers: the one representation of quantities in traces, questions and answers.

A number is an ``int`` whenever it is whole and a ``Fraction`` otherwise, never a
float, so that equality, hashing and printing have one meaning everywhere.
"""

from __future__ import annotations

from fractions import Fraction

Number = int | Fraction


def normalise(value: int | Fraction) -> Number:
    """Return ``value`` as an ``int`` if it is whole, else as a ``Fraction``."""
    if isinstance(value, int):
        return int(value)
    return value.numerator if value.denominator == 1 else value


def is_terminating(value: Number) -> bool:
    """Whether ``value`` has a finite decimal expansion."""
    denominator = value.denominator
    while denominator % 2 == 0:
        denominator //= 2
    while denominator % 5 == 0:
        denominator //= 5
    return denominator == 1


def format_number(value: Number) -> str:
    """Shortest exact text of ``value``: ``12``, ``0.5``, or ``p/q`` if it does not terminate."""
    if isinstance(value, int):
        return str(value)
    if not is_terminating(value):
        return f"{value.numerator}/{value.denominator}"
    denominator, twos, fives = value.denominator, 0, 0
    while denominator % 2 == 0:
        denominator //= 2
        twos += 1
    while denominator % 5 == 0:
        denominator //= 5
        fives += 1
    places = max(twos, fives)
    scaled = abs(value.numerator) * 10**places // value.denominator
    digits = str(scaled).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}"


def number_to_json(value: Number) -> int | float | str:
    """``value`` as a JSON number, or as the string ``"p/q"`` where no decimal is exact."""
    if isinstance(value, int):
        return value
    return float(value) if is_terminating(value) else f"{value.numerator}/{value.denominator}"
