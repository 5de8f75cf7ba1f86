from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace_pipeline.generation.expressions import ExpressionError, compile_expression, exact

VALUES = {"a": 7, "b": 2, "c": Fraction(1, 2)}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("a + b * 3", 13),
        ("(a + b) * 3", 27),
        ("a / b", Fraction(7, 2)),
        ("a // b", 3),
        ("a % b", 1),
        ("c * b", 1),
        ("-a + b", -5),
        ("0.1 + 0.2", Fraction(3, 10)),
        ("a > b", 1),
        ("b < a < 7", 0),
        ("a == 7 and not b == 7", 1),
        ("a == 1 or b == 2", 1),
        ("a if b == 2 else c", 7),
        ("min(a, b, c)", Fraction(1, 2)),
        ("ceil(a / b)", 4),
        ("floor(a / b)", 3),
        ("whole(a / b)", 0),
        ("distinct(a, b, c)", 1),
        ("distinct(a, b, 2)", 0),
        (12, 12),
        (2.5, Fraction(5, 2)),
    ],
)
def test_value(source: str | int | float, value: Fraction | int) -> None:
    found = compile_expression(source).evaluate(VALUES)
    assert found == value


@pytest.mark.parametrize(
    "source",
    [
        "a.real",
        "a[0]",
        "().__class__",
        "open('x')",
        "__import__('os')",
        "eval(a)",
        "a ** 99999",
        "lambda: a",
        "[a for a in b]",
        "'text'",
        "f'{a}'",
        "a := 1",
        "a if b",
        "a +",
        "",
        "True",
        "abs(a, b)",
        "min(a)",
        "max(*a)",
        "min(a, key=b)",
        "a << b",
        "a is b",
        "a in b",
        "1e999",
        "1j",
        "a" + "+a" * 200,
        "a\x00",
    ],
)
def test_refused(source: str) -> None:
    with pytest.raises(ExpressionError):
        compile_expression(source)


def test_division_by_zero_is_an_expression_error() -> None:
    for source in ("a / (b - 2)", "a // (b - 2)", "a % (b - 2)"):
        with pytest.raises(ExpressionError, match="division by zero"):
            compile_expression(source).evaluate(VALUES)


def test_names_are_reported() -> None:
    assert compile_expression("min(a, b) + a if c else 1").names == {"a", "b", "c"}


@pytest.mark.parametrize("written", [10**400, -(10**400)])
def test_whole_numbers_beyond_floats_are_what_was_written(written: int) -> None:
    assert exact(written) == written


@given(st.text(alphabet="ab()+-*/%.,'[]{}<>=!: 019_efixno", max_size=40))
def test_any_text_is_an_expression_or_refused(source: str) -> None:
    try:
        compile_expression(source)
    except ExpressionError:
        return


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 50))
def test_arithmetic_is_exact(a: int, b: int, c: int) -> None:
    found = compile_expression("(a * b + a) / c - b").evaluate({"a": a, "b": b, "c": c})
    assert found == Fraction(a * b + a, c) - b
