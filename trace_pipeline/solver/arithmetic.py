"""Exact arithmetic on bounded rationals: every function returns an exact result or a fault.

Whole numbers are ``int`` and stay so; a result is checked against ``MAX_BITS``,
and a power before it is computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from trace_pipeline.traces.errors import Reason, TraceError
from trace_pipeline.traces.limits import MAX_BITS
from trace_pipeline.traces.numbers import Number, normalise
from trace_pipeline.traces.shape import out_of_range

_GROWN = 2 * MAX_BITS
"""Bits from which a partial sum or product is reduced before it grows on."""


def bounded(value: Number) -> Number:
    """``value`` in normal form, if it is within bounds.

    Raises:
        TraceError: ``limit_exceeded``.
    """
    numerator, denominator = value.as_integer_ratio()
    if numerator.bit_length() <= MAX_BITS and denominator.bit_length() <= MAX_BITS:
        return numerator if denominator == 1 else value
    raise out_of_range("the result")


def divide(a: Number, b: Number) -> Number:
    """``a / b``, exactly.

    Raises:
        TraceError: ``division_by_zero``, ``limit_exceeded``.
    """
    _check_divisor(b)
    p, q = a.as_integer_ratio()
    n, d = b.as_integer_ratio()
    return _ratio(p * d, q * n)


def _ratio(numerator: int, denominator: int) -> Number:
    """The quotient of two integers, as a fraction only where it must be one."""
    whole, rest = divmod(numerator, denominator)
    return bounded(Fraction(numerator, denominator) if rest else whole)


def absolute(value: Number) -> Number:
    """``value`` without its sign."""
    return -value if value < 0 else value


def power(base: Number, exponent: Number) -> Number:
    """``base ** exponent`` where that is rational.

    Raises:
        TraceError: ``division_by_zero``, ``inexact_result``, ``limit_exceeded``.
    """
    if exponent < 0:
        _check_divisor(base)
        return divide(1, power(base, -exponent))
    root = rational_root(base, exponent.denominator)
    times = exponent.numerator
    size = max(root.numerator.bit_length(), root.denominator.bit_length())
    if (size - 1) * times >= MAX_BITS:  # the power has at least (size - 1) * times + 1 bits
        raise out_of_range("the power")
    if size <= 1:  # 0, 1 or -1, whatever the exponent's size
        return root if times % 2 else absolute(root) if times else 1
    return bounded(root**times)


def square_root(value: Number) -> Number:
    """The rational square root of ``value``.

    Raises:
        TraceError: ``inexact_result``.
    """
    return rational_root(value, 2)


def rational_root(value: Number, degree: int) -> Number:
    """The ``degree``-th root of ``value``, if it is rational and not negative under an even degree.

    Raises:
        TraceError: ``inexact_result``.
    """
    if degree == 1:
        return value
    numerator = _integer_root(value.numerator, degree) if value >= 0 else None
    denominator = _integer_root(value.denominator, degree)
    if numerator is None or denominator is None:
        raise TraceError(
            Reason.INEXACT_RESULT,
            "the root has no exact rational value; use operations whose result is exact",
        )
    return normalise(Fraction(numerator, denominator))


def _integer_root(value: int, degree: int) -> int | None:
    """The exact root of ``value >= 0``, or None."""
    if value < 2:
        return value
    if degree >= value.bit_length():  # even 2 ** degree is larger
        return None
    if degree == 2:
        root = math.isqrt(value)
        return root if root * root == value else None
    root = 1 << -(-value.bit_length() // degree)  # above the root: Newton's method falls to it
    while True:
        lower = ((degree - 1) * root + value // root ** (degree - 1)) // degree
        if lower >= root:
            return root if root**degree == value else None
        root = lower


def _check_divisor(value: Number) -> None:
    if not value:
        raise TraceError(
            Reason.DIVISION_BY_ZERO, "division by zero; divide by a quantity that is not 0"
        )


def _floor(a: Number, b: Number) -> Number:
    _check_divisor(b)
    return bounded(a // b)


def _ceiling(a: Number, b: Number) -> Number:
    _check_divisor(b)
    return bounded(-(-a // b))


def _modulo(a: Number, b: Number) -> Number:
    _check_divisor(b)
    return bounded(a % b)


def _sum(values: Sequence[Number]) -> Number:
    numerator, denominator = values[0].as_integer_ratio()
    for value in values[1:]:
        p, q = value.as_integer_ratio()
        if q == denominator:
            numerator += p
        else:
            numerator, denominator = numerator * q + p * denominator, denominator * q
            if denominator.bit_length() > _GROWN:
                numerator, denominator = _reduced(numerator, denominator)
    return _ratio(numerator, denominator)


def _difference(values: Sequence[Number]) -> Number:
    return bounded(values[0] - _sum(values[1:]))


def _product(values: Sequence[Number]) -> Number:
    numerator, denominator = 1, 1
    for value in values:
        p, q = value.as_integer_ratio()
        numerator *= p
        denominator *= q
        if numerator.bit_length() > _GROWN or denominator.bit_length() > _GROWN:
            numerator, denominator = _reduced(numerator, denominator)
    return _ratio(numerator, denominator)


def _reduced(numerator: int, denominator: int) -> tuple[int, int]:
    """A ratio that has grown, in lowest terms and within bounds; doing so each time costs more."""
    return bounded(Fraction(numerator, denominator)).as_integer_ratio()


def _least(values: Sequence[Number]) -> Number:
    best = values[0]
    p, q = best.as_integer_ratio()
    for value in values[1:]:
        n, d = value.as_integer_ratio()
        if n < p if d == q else n * q < p * d:
            best, p, q = value, n, d
    return best


def _greatest(values: Sequence[Number]) -> Number:
    return -_least([-value for value in values])


COMPUTATIONS: Mapping[str, Callable[[Sequence[Number]], Number]] = {
    "add": _sum,
    "sub": _difference,
    "mul": _product,
    "min": _least,
    "max": _greatest,
    "div": lambda values: divide(values[0], values[1]),
    "floordiv": lambda values: _floor(values[0], values[1]),
    "ceildiv": lambda values: _ceiling(values[0], values[1]),
    "mod": lambda values: _modulo(values[0], values[1]),
    "pow": lambda values: power(values[0], values[1]),
    "abs": lambda values: absolute(values[0]),
    "sqrt": lambda values: square_root(values[0]),
}
"""Each ``compute_op`` on a checked number of values."""


def percent_off(base: Number, rate: Number) -> Number:
    """``base`` less ``rate`` percent."""
    p, q = rate.as_integer_ratio()
    return _percent(base, 100 * q - p, q)


def percent_increase(base: Number, rate: Number) -> Number:
    """``base`` and ``rate`` percent more."""
    p, q = rate.as_integer_ratio()
    return _percent(base, 100 * q + p, q)


def percent_of(base: Number, rate: Number) -> Number:
    """``rate`` percent of ``base``."""
    return _percent(base, *rate.as_integer_ratio())


def _percent(base: Number, p: int, q: int) -> Number:
    """``p/q`` percent of ``base``."""
    numerator, denominator = base.as_integer_ratio()
    return _ratio(numerator * p, denominator * q * 100)
