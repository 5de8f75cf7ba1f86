"""Annotations are read exactly, or refused with what is wrong."""

import contextlib
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace_pipeline.gsm8k import (
    AnnotationError,
    Operation,
    Operator,
    evaluate,
    read_calculations,
    strip_annotations,
)
from trace_pipeline.gsm8k.annotations import MAX_LENGTH, parse_expression


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("16-3-4", 9),
        ("2+3*4", 14),
        ("(2+3)*4", 20),
        ("7/2", Fraction(7, 2)),
        ("12/4/3", 1),
        ("560//12", 46),
        ("-7//2", -4),
        (".3*150", 45),
        ("4.*2", 8),
        ("80,000*1.5", 120_000),
        ("$12.50 * 2", 25),
        ("20%*60", 12),
        ("-24+3", -21),
        ("2*-3", -6),
        ("-(2+3)", -5),
        ("  5 ", 5),
    ],
)
def test_expressions_are_evaluated_exactly(text, value):
    assert evaluate(parse_expression(text)) == value


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "found 'the end'"),
        ("3+", "found 'the end'"),
        ("3 4", "unexpected '4'"),
        ("(3", "not closed"),
        ("3)", "unexpected ')'"),
        ("*3", "found '*'"),
        ("%", "found '%'"),
        ("3 eggs", "unexpected 'e'"),
        ("2**3", "found '*'"),
        ("__import__('os')", "unexpected '_'"),
        ("1" * (MAX_LENGTH + 1), "characters"),
        ("4/(2-2)", "division by zero"),
    ],
)
def test_anything_but_arithmetic_is_refused(text, complaint):
    with pytest.raises(AnnotationError, match=re.escape(complaint)):
        evaluate(parse_expression(text))


@given(st.text(alphabet="0123456789+-*/().,%$ ", max_size=MAX_LENGTH))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(AnnotationError):
        evaluate(parse_expression(text))


def test_deep_nesting_is_read():
    depth = (MAX_LENGTH - 1) // 2
    assert evaluate(parse_expression("(" * depth + "1" + ")" * depth)) == 1
    assert evaluate(parse_expression("-" * (MAX_LENGTH - 1) + "1")) == (-1) ** (MAX_LENGTH - 1)


def test_a_solution_gives_its_calculations_in_order():
    first, second = read_calculations("She has 9 - 4 = <<9-4=5>>5, so 5*2=$<<5*2=10>>10.\n#### 10")
    assert first.expression == Operation(Operator.SUB, 9, 4)
    assert (first.text, first.result, first.value) == ("9-4", 5, 5)
    assert (second.text, second.result) == ("5*2", 10)


def test_a_rounded_result_is_kept_beside_the_exact_value():
    (calculation,) = read_calculations("<<10/3=3.33>>")
    assert calculation.result == Fraction(333, 100)
    assert calculation.value == Fraction(10, 3)


@pytest.mark.parametrize(
    "solution",
    ["<<3+4>>", "<<3+4=>>", "<<3+x=7>>", "<<3/0=1>>", "<<3+4=7", "3+4=7>>", "<<1+1=2>> <<2"],
)
def test_a_broken_annotation_is_refused(solution):
    with pytest.raises(AnnotationError):
        read_calculations(solution)


def test_stripping_leaves_the_prose():
    assert strip_annotations("It is 3+4=<<3+4=7>>7 eggs.\n#### 7") == "It is 3+4=7 eggs."
