"""The parts of the conversion: mentions, solutions, equations, names."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace_pipeline.generation.numerals import words
from trace_pipeline.gsm8k.annotations import Expression, Operation, evaluate
from trace_pipeline.gsm8k.conversion.algebra import solve_equations
from trace_pipeline.gsm8k.conversion.constants import CONSTANTS, called_for, singular
from trace_pipeline.gsm8k.conversion.mentions import Form, find_mentions, tokenize
from trace_pipeline.gsm8k.conversion.naming import Namer
from trace_pipeline.gsm8k.conversion.nodes import Given
from trace_pipeline.gsm8k.conversion.solution import agrees, read_solution
from trace_pipeline.gsm8k.conversion.text import Text
from trace_pipeline.traces.numbers import Number


def shown(expression: Expression) -> str:
    if not isinstance(expression, Operation):
        return str(expression)
    return f"({shown(expression.left)}{expression.operator}{shown(expression.right)})"


@pytest.mark.parametrize(
    ("text", "value", "form"),
    [
        ("1,250 nails", 1250, Form.FIGURES),
        ("450 000 people", 450000, Form.FIGURES),
        ("3 million bees", 3000000, Form.FIGURES),
        ("$4.50", Fraction(9, 2), Form.MONEY),
        (".5 liters", Fraction(1, 2), Form.FIGURES),
        ("15%", 15, Form.PERCENT),
        ("fifteen percent", 15, Form.PERCENT),
        ("2/5 of", Fraction(2, 5), Form.FRACTION),
        ("¾ of", Fraction(3, 4), Form.FRACTION),
        ("2 1/2 cups", Fraction(5, 2), Form.MIXED),
        ("three and a half cups", Fraction(7, 2), Form.MIXED),
        ("twenty-five cats", 25, Form.WORDS),
        ("two hundred and six cats", 206, Form.WORDS),
        ("a hundred cats", 100, Form.WORDS),
        ("a couple of cats", 2, Form.WORDS),
        ("half the cats", Fraction(1, 2), Form.PART),
        ("a third of the cats", Fraction(1, 3), Form.PART),
        ("two-thirds of them", Fraction(2, 3), Form.PART),
        ("three quarters of it", Fraction(3, 4), Form.PART),
        ("twice as many", 2, Form.MULTIPLE),
        ("the third cat", 3, Form.ORDINAL),
        ("the 5th cat", 5, Form.ORDINAL),
        ("at 8:30", 8, Form.CLOCK),
        ("at 7 pm", 7, Form.CLOCK),
    ],
)
def test_a_mention(text: str, value: Number, form: Form) -> None:
    (mention,) = find_mentions(tokenize(text))
    assert (mention.value, mention.form) == (value, form)


def test_a_ratio_is_no_time_of_day() -> None:
    mentions = find_mentions(tokenize("the ratio of cats to dogs is 10:17"))
    assert [mention.value for mention in mentions] == [10, 17]


def test_figures_without_an_end_count_nothing() -> None:
    assert not find_mentions(tokenize(f"{'9' * 5000} or 1/{'9' * 5000} cats"))[1:]


@given(st.integers(0, 99))
def test_number_words_are_read_back(value: int) -> None:
    (mention,) = find_mentions(tokenize(f"{words(value)} cats"))
    assert mention.value == value


@given(st.text(max_size=200))
def test_mentions_stay_inside_any_text(text: str) -> None:
    tokens = tokenize(text)
    for mention in find_mentions(tokens):
        assert 0 <= mention.start < mention.end <= len(text)
        assert 0 <= mention.first < mention.last <= len(tokens)


@pytest.mark.parametrize(
    ("solution", "expected"),
    [
        pytest.param("3*4=<<3*4=12>>12 hats\n#### 12", ["(3*4)=12"], id="annotated, once"),
        pytest.param("3 rows x 4 hats = 12 hats\n#### 12", ["(3*4)=12"], id="units between"),
        pytest.param("3 x 4 = 13\n#### 12", [], id="a false equation is none"),
        pytest.param("40(.10)=4, 2(3+4)=14\n#### 14", ["(40*1/10)=4", "(2*(3+4))=14"], id="bare ("),
        pytest.param("64 - 35 = <<29=29>>29\n#### 29", ["(64-35)=29"], id="an empty annotation"),
        pytest.param("35/70 * 100% = 50%\n#### 50", ["((35/70)*100)=50"], id="percent both sides"),
        pytest.param("3/25 * 1/3 = 1/25\n#### 1", ["(((3/25)*1)/3)=1/25"], id="a fraction results"),
    ],
)
def test_what_an_author_computed(solution: str, expected: list[str]) -> None:
    found = read_solution(solution)
    assert [f"{shown(one.expression)}={one.result}" for one in found] == expected


def test_the_loose_look_takes_expressions_whose_value_is_written() -> None:
    solution = "She has 1200 because 60 x 20 and then 7 x 9 of them.\n#### 1200"
    assert read_solution(solution) == []
    (found,) = read_solution(solution, loose=True)
    assert shown(found.expression) == "(60*20)"


@pytest.mark.parametrize(
    ("value", "written", "agree"),
    [
        (Fraction(10, 3), 3, True),
        (Fraction(10, 3), 4, True),
        (Fraction(10, 3), Fraction(333, 100), True),
        (Fraction(10, 3), Fraction(34, 10), True),
        (Fraction(10, 3), 5, False),
        (7, 7, True),
        (7, 8, False),
    ],
)
def test_roundings_agree(value: Number, written: Number, agree: bool) -> None:
    assert agrees(value, written) is agree


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x + 2x = 36", "(36/(1+2))"),
        ("Total: x + x + 30 = 160", "((160-30)/(1+1))"),
        ("x + (x - 3) = 17", "((17+3)/(1+1))"),
        ("5x + 10 = 3x + 40", "((40-10)/(5-3))"),
        ("2(x + 3) = 20", "((20-(3*2))/2)"),
        ("x/2 + x = 30", "(30/((1/2)+1))"),
        ("25 + x = 2(6 + x)", "((25-(6*2))/(2-1))"),
        ("x * x = 9", None),
        ("x + y = 9", None),
        ("it's $30 + $60 = $90", None),
        ("x = x", None),
        ("12 cats + 3 = 15", None),
        ("10 crates x 2 = 20", None),
    ],
)
def test_an_unknown_is_isolated(text: str, expected: str | None) -> None:
    found = [shown(solved.expression) for solved in solve_equations(text, ())]
    assert found == ([] if expected is None else [expected])


@given(st.integers(1, 9), st.integers(1, 99), st.integers(1, 99))
def test_an_isolated_unknown_solves_its_equation(factor: int, known: int, x: int) -> None:
    total = factor * x + known + x
    (solved,) = solve_equations(f"{factor}x + {known} + x = {total}", ())
    assert evaluate(solved.expression) == solved.value == x


def test_rearrangements_give_way_to_the_equation_with_the_questions_numbers() -> None:
    (solved,) = solve_equations("x + 2x + 6 = 36\n3x + 6 = 36\n3x = 30", {2, 6, 36})
    assert shown(solved.expression) == "((36-6)/(1+2))"


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Ana has 3 eggs.", "eggs"),
        ("Ana has 3 big green apples.", "green_apples"),
        ("A pen costs $3.", "pen_price"),
        ("Ana buys pens for $3 each.", "pen_price"),
        ("Ana earns $3.", "earnings"),
        ("Ana saved $3.", "savings"),
        ("They pay 3% tax.", "tax_percent"),
        ("It grew by 3%.", "percent"),
        ("Ana is 3 years old.", "age"),
        ("Ana has 3 more eggs than Bo.", "more_eggs"),
        ("Ana is 3 years older.", "years_older"),
        ("Ana runs 3 miles per hour.", "miles_per_hour"),
        ("Ana lifts twice that.", "twice"),
        ("It is 3 times as much.", "times"),
        ("result 3 results.", "results"),
        ("Ana has 3.", "amount"),
    ],
)
def test_the_name_of_a_number(question: str, name: str) -> None:
    assert Namer(Text(question, "")).given(Given(0)) == name


def test_names_of_one_kind_are_told_apart_by_person_then_by_number() -> None:
    text = Text("Here are 3 eggs. There Bo has 4 eggs. They find 5 eggs.", "")
    namer = Namer(text)
    assert [namer.given(Given(index)) for index in range(3)] == ["eggs", "bo_eggs", "eggs2"]


def test_constants_are_called_for_by_a_word() -> None:
    names = {constant.name for constant in called_for({"hour", "cat"})}
    assert "minutes_per_hour" in names
    assert "days_per_week" not in names
    assert "legs" not in names  # a cat alone calls for no legs
    assert "legs" in {constant.name for constant in called_for({"leg", "cat"})}
    assert all(singular(word) == word for constant in CONSTANTS for word in constant.words)
