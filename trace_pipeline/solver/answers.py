"""Whether an answer equals the gold value: exactly, or to the gold's own decimals."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from trace_pipeline.traces.errors import shorten
from trace_pipeline.traces.limits import MAX_BITS
from trace_pipeline.traces.numbers import (
    Number,
    exceeds_limit,
    is_terminating,
    normalise,
    normalise_numbers,
    parse_number,
)

GoldValue = int | Fraction | Decimal | float | str


class Gold(NamedTuple):
    """A gold value and its precision."""

    value: Number
    places: int | None
    """Decimals to which an answer must agree; None: exactly."""

    @classmethod
    def of(cls, answer: GoldValue) -> Gold:
        """The gold value that ``answer`` says.

        Raises:
            ValueError: ``answer`` is no finite number, or one of more than ``MAX_BITS`` bits.
        """
        if isinstance(answer, bool) or not isinstance(answer, GoldValue):
            raise _bad_gold(answer)
        if isinstance(answer, int | Fraction) and exceeds_limit(answer):
            raise _bad_gold(answer)
        if type(answer) is int:
            return cls(answer, None)
        if isinstance(answer, Fraction):
            return cls._of_value(normalise(answer), None)
        text = repr(float(answer)) if isinstance(answer, float) else str(answer)
        try:
            value = parse_number(text)
        except ValueError:
            raise _bad_gold(answer) from None
        return cls._of_value(value, _written_places(text))

    @classmethod
    def _of_value(cls, value: Number, places: int | None) -> Gold:
        if isinstance(value, int) or not is_terminating(value):
            return cls(value, None)
        if places is None:
            places = next(n for n in range(1, MAX_BITS) if 10**n % value.denominator == 0)
        return cls(value, places)

    def matches(self, answer: Number) -> bool:
        """Whether ``answer`` is this gold value, rounded half away from zero to its places."""
        if self.places is None:
            return answer == self.value
        scale = 10**self.places
        rounded = (abs(answer) * scale * 2 + 1) // 2  # half up in magnitude
        return bool(rounded * (-1 if answer < 0 else 1) == self.value * scale)


def answers_match(answer: Number, gold: GoldValue) -> bool:
    """Whether ``answer`` is correct: equal to ``gold`` if that is whole, else to its decimals.

    Raises:
        ValueError: ``gold`` is no finite number.
    """
    return Gold.of(gold).matches(answer)


def gold_number(answer: GoldValue) -> Number:
    """The exact value of a gold ``answer``.

    Raises:
        ValueError: ``answer`` is no finite number.
    """
    return Gold.of(answer).value


def _written_places(text: str) -> int | None:
    """The decimals that ``text`` shows, trailing zeros included; None where it shows none."""
    _, point, decimals = normalise_numbers(text.strip()).partition(".")
    return len(decimals) if point and decimals.isdecimal() else None


def _bad_gold(answer: object) -> ValueError:
    return ValueError(
        f"the gold answer must be a finite number of at most {MAX_BITS:,} bits, such as 12 or "
        f"'12.50', found {shorten(answer)}"
    )
