"""Exact numbers: the one representation of quantities in traces, questions and answers.

A number is an ``int`` whenever it is whole and a ``Fraction`` otherwise, never a
float, so that equality, hashing and printing have one meaning everywhere.
"""

from __future__ import annotations

import re
from fractions import Fraction

from trace_pipeline.traces.limits import MAX_BITS

Number = int | Fraction

_DECIMAL = re.compile(r"([-+]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([-+]?)([0-9]+))?")
_WRITTEN = re.compile(
    r"(?P<sign>[-+]?)\$?(?:(?P<p>[0-9]+)/(?P<q>[0-9]+)"
    r"|(?P<decimal>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?))"
)
_THOUSANDS = re.compile(r"(?<![\w.,])[1-9][0-9]{0,2}(?:,[0-9]{3})+(?!,?[0-9])")
_MAX_DIGITS = 1100
"""No decimal with more significant digits or places than this can keep within ``MAX_BITS``."""


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
    """``value`` as a JSON number, or as the text of :func:`format_number` where none is exact.

    Fractions are written from floats, which hold 15 significant digits for sure.
    """
    if isinstance(value, int):
        return value
    number = float(value)
    return number if Fraction(repr(number)) == value else format_number(value)


def exceeds_limit(value: Number) -> bool:
    """Whether numerator or denominator need more than ``MAX_BITS`` bits."""
    return max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS


def decimal_number(text: str) -> Number:
    """The exact value of decimal notation (``16``, ``-0.50``, ``1e3``), in bounded time.

    Raises:
        ValueError: not decimal notation.
        OverflowError: the value needs more than ``MAX_BITS`` bits.
    """
    if text.isdecimal() and text.isascii() and len(text) < 300:
        return int(text)
    match = _DECIMAL.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        raise ValueError(f"{text[:40]!r} is not a number")
    sign, whole, fraction, exponent_sign, exponent = (group or "" for group in match.groups())
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return 0
    exponent = exponent.lstrip("0")
    if len(exponent) > 9 or len(significant) > _MAX_DIGITS:
        raise OverflowError(f"{text[:40]!r} is out of range")
    shift = int(exponent_sign + (exponent or "0")) - len(fraction) + len(digits) - len(significant)
    if abs(shift) > _MAX_DIGITS:
        raise OverflowError(f"{text[:40]!r} is out of range")
    mantissa = int(sign + significant)
    value = normalise(Fraction(mantissa, 10**-shift)) if shift < 0 else mantissa * 10**shift
    if exceeds_limit(value):
        raise OverflowError(f"{text[:40]!r} is out of range")
    return value


def parse_number(text: str) -> Number:
    """The exact value of a number as people write it: ``1,234``, ``$5``, ``-2.50``, ``1/3``.

    Raises:
        ValueError: not a number, or one of more than ``MAX_BITS`` bits.
    """
    match = _WRITTEN.fullmatch(normalise_numbers(text.strip()))
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a number; expected for example 12, 1,234 or 2.50")
    sign = -1 if match["sign"] == "-" else 1
    try:
        if match["decimal"]:
            return sign * decimal_number(match["decimal"])
        numerator, denominator = decimal_number(match["p"]), decimal_number(match["q"])
    except OverflowError as error:
        raise ValueError(str(error)) from None
    if not denominator:
        raise ValueError(f"{text[:40]!r} divides by zero")
    return normalise(sign * Fraction(numerator, denominator))


def normalise_numbers(text: str) -> str:
    """``text`` with thousands commas removed from its numbers: ``$80,000`` becomes ``$80000``."""
    return _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
