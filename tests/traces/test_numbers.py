from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given

from tests.traces.trace_strategies import numbers
from trace_pipeline.traces import format_number, normalise_numbers, number_to_json, parse_number
from trace_pipeline.traces.numbers import decimal_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("16", 16),
        ("-3", -3),
        ("+3", 3),
        ("007", 7),
        ("0.50", Fraction(1, 2)),
        ("5.", 5),
        (".5", Fraction(1, 2)),
        ("0.1", Fraction(1, 10)),
        ("1e3", 1000),
        ("25e-2", Fraction(1, 4)),
        ("1.5E+2", 150),
        ("0" * 5000 + "7", 7),
        ("0e99999999999999999999", 0),
        ("0." + "0" * 5000, 0),
        ("9" * 308, 10**308 - 1),
    ],
)
def test_decimal_notation_is_exact(text: str, value: int | Fraction) -> None:
    assert decimal_number(text) == value
    assert type(decimal_number(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    ["1e400", "-1e400", "1e-400", "9" * 310, "9" * 16000, "1e99999999999", "0." + "3" * 2000],
)
def test_numbers_over_1024_bits_are_out_of_range(text: str) -> None:
    with pytest.raises(OverflowError):
        decimal_number(text)


@pytest.mark.parametrize("text", ["", "-", ".", "e5", "1_000", "0x10", "1:30", "٣", "1 2", "nan"])
def test_what_is_no_decimal_notation(text: str) -> None:
    with pytest.raises(ValueError, match="not a number"):
        decimal_number(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234", 1234),
        ("$5", 5),
        ("-$2.50", Fraction(-5, 2)),
        (" 12.50 ", Fraction(25, 2)),
        ("1/3", Fraction(1, 3)),
        ("-6/3", -2),
        ("1,234,567.5", Fraction(2469135, 2)),
    ],
)
def test_numbers_as_people_write_them(text: str, value: int | Fraction) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize("text", ["", "twelve", "1,23", "5 %", "1/0", "1e400", "--5", "inf", "nan"])
def test_what_people_would_not_call_a_number(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_number(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a house for $80,000.", "a house for $80000."),
        ("1,234,567 and 1,000", "1234567 and 1000"),
        ("-12,000.50", "-12000.50"),
        ("{value: 80,000, var: x}", "{value: 80000, var: x}"),
        ("[a, b,300]", "[a, b,300]"),
        ("1,2 and 12,34 and 1234,567", "1,2 and 12,34 and 1234,567"),
        ("step1,200", "step1,200"),
        ("1,000,00", "1,000,00"),
        ("0,123", "0,123"),
    ],
)
def test_thousands_commas_go_and_other_commas_stay(text: str, expected: str) -> None:
    assert normalise_numbers(text) == expected


@given(numbers)
def test_formatting_a_number_loses_nothing(value: int | Fraction) -> None:
    assert parse_number(format_number(value)) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (12, 12),
        (Fraction(5, 2), 2.5),
        (Fraction(1, 10**7), 1e-07),
        (Fraction(1, 3), "1/3"),
        (6 + Fraction(2, 10**20), "6.00000000000000000002"),
        (-12345678901234567890 - Fraction(1, 4), "-12345678901234567890.25"),
    ],
)
def test_json_has_a_number_wherever_one_is_exact(value: int | Fraction, expected: object) -> None:
    assert number_to_json(value) == expected
