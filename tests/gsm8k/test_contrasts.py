"""One relation of a converted problem turned round."""

from __future__ import annotations

import pytest

from tests.gsm8k.converting import conversion
from trace_pipeline.gsm8k import load_problems
from trace_pipeline.gsm8k.conversion import contrasts, convert
from trace_pipeline.solver import Solver
from trace_pipeline.traces import Compute, Step


def answers(question: str, solution: str) -> dict[str, int | float]:
    return {c.question: float(c.answer) for c in contrasts(conversion(question, solution))}


MARBLES = (
    "Ida has 12 marbles. Otto has 5 more marbles than Ida. How many marbles does Otto have?",
    "12+5=<<12+5=17>>17\n#### 17",
)


def test_more_becomes_fewer_and_nothing_else_changes() -> None:
    (turned,) = contrasts(conversion(*MARBLES))
    assert turned.question == MARBLES[0].replace("more", "fewer")
    assert turned.answer == 7
    assert Solver().execute(turned.trace).answer == 7
    before = conversion(*MARBLES).trace.subtraces[0].steps
    after = turned.trace.subtraces[0].steps
    assert [ops(step) for step in before] == ["Init", "Init", "add", "Query"]
    assert [ops(step) for step in after] == ["Init", "Init", "sub", "Query"]


def ops(step: Step) -> str:
    return step.compute_op if isinstance(step, Compute) else type(step).__name__


@pytest.mark.parametrize(
    ("question", "solution", "expected"),
    [
        pytest.param(
            "Otto has 5 fewer marbles than Ida. Otto has 12 marbles. How many has Ida?",
            "12+5=<<12+5=17>>17\n#### 17",
            {"Otto has 5 more marbles than Ida. Otto has 12 marbles. How many has Ida?": 7},
            id="the one of whom it is said is known",
        ),
        pytest.param(
            "Two ropes are 50 feet together. The red one is 10 feet longer than the blue one. "
            "How long is the blue one?",
            "50-10=<<50-10=40>>40. 40/2=<<40/2=20>>20\n#### 20",
            {
                "Two ropes are 50 feet together. The red one is 10 feet shorter than the blue "
                "one. How long is the blue one?": 30
            },
            id="sum and difference",
        ),
        pytest.param(
            "Tom is 8 inches shorter than Ann. Ann is 60 inches tall. How tall is Tom?",
            "60-8=<<60-8=52>>52\n#### 52",
            {"Tom is 8 inches taller than Ann. Ann is 60 inches tall. How tall is Tom?": 68},
            id="people are taller, not longer",
        ),
        pytest.param(
            "A red rope is 8 feet shorter than a blue one of 60 feet. How long is the red one?",
            "60-8=<<60-8=52>>52\n#### 52",
            {
                "A red rope is 8 feet longer than a blue one of 60 feet. "
                "How long is the red one?": 68
            },
            id="ropes are longer, not taller",
        ),
        pytest.param(
            "A pen costs $4. A book costs $9 more than the pen. What does the book cost?",
            "4+9=<<4+9=13>>13\n#### 13",
            {},
            id="nothing costs less than nothing",
        ),
        pytest.param(
            "A pen costs $9. A book costs $4 more than the pen. What does the book cost?",
            "4+9=<<4+9=13>>13\n#### 13",
            {"A pen costs $9. A book costs $4 less than the pen. What does the book cost?": 5},
            id="money is less, not fewer",
        ),
        pytest.param(
            "Bea has 8 figs. Carl has twice as many figs as Bea. How many figs has Carl?",
            "8*2=<<8*2=16>>16\n#### 16",
            {
                "Bea has 8 figs. Carl has half as many figs as Bea. How many figs has Carl?": 4,
                "Bea has 8 figs. Carl has three times as many figs as Bea. "
                "How many figs has Carl?": 24,
                "Bea has 8 figs. Carl has four times as many figs as Bea. "
                "How many figs has Carl?": 32,
            },
            id="a factor forward",
        ),
        pytest.param(
            "Carl has 12 figs, half as many figs as Bea. How many figs has Bea?",
            "12*2=<<12*2=24>>24\n#### 24",
            {
                "Carl has 12 figs, twice as many figs as Bea. How many figs has Bea?": 6,
                "Carl has 12 figs, three times as many figs as Bea. How many figs has Bea?": 4,
                "Carl has 12 figs, four times as many figs as Bea. How many figs has Bea?": 3,
            },
            id="a factor backward",
        ),
        pytest.param(
            "Bea has 7 figs. Carl has 5 times as many figs as Bea. How many figs has Carl?",
            "7*5=<<7*5=35>>35\n#### 35",
            {
                "Bea has 7 figs. Carl has twice as many figs as Bea. How many figs has Carl?": 14,
                "Bea has 7 figs. Carl has three times as many figs as Bea. "
                "How many figs has Carl?": 21,
                "Bea has 7 figs. Carl has four times as many figs as Bea. "
                "How many figs has Carl?": 28,
            },
            id="half of seven figs is none that can be counted",
        ),
        pytest.param(
            "A pen costs $2.50. A book costs twice as much as a pen. A shelf of 4 such books is "
            "shared by 10 people alike. What does each pay?",
            "2.5*2=<<2.5*2=5>>5. 5*4=<<5*4=20>>20. 20/10=<<20/10=2>>2\n#### 2",
            {
                "A pen costs $2.50. A book costs four times as much as a pen. A shelf of 4 such "
                "books is shared by 10 people alike. What does each pay?": 4,
            },
            id="what was whole dollars stays so",
        ),
        pytest.param(
            "A train needs 4 hours more than a plane, and a plane 2 hours. In 5 more minutes it "
            "leaves. How many hours does the train need?",
            "4+2=<<4+2=6>>6\n#### 6",
            {},
            id="a train cannot need less than no time; 5 more minutes compare nothing",
        ),
        pytest.param(
            "Ida has 20 plums and eats 5. She then has 3 times more than Otto. How many has Otto?",
            "20-5=<<20-5=15>>15. 15/3=<<15/3=5>>5\n#### 5",
            {},
            id="times more is no difference",
        ),
        pytest.param(
            "A box holds 30 pens and Ida takes 6 out of it. How many pens are left?",
            "30-6=<<30-6=24>>24\n#### 24",
            {},
            id="no relation",
        ),
    ],
)
def test_what_is_turned_and_what_it_gives(
    question: str, solution: str, expected: dict[str, int]
) -> None:
    assert answers(question, solution) == expected


def test_a_number_that_serves_twice_is_left_alone() -> None:
    question = (
        "Ida has 12 marbles. Otto has 5 more marbles than Ida, and Ida loses as many as he has "
        "more than she. How many have they in all?"
    )
    solution = "12+5=<<12+5=17>>17. 12-5=<<12-5=7>>7. 17+7=<<17+7=24>>24\n#### 24"
    assert contrasts(conversion(question, solution)) == []


def test_the_builtin_problems_give_contrasts_that_the_solver_confirms() -> None:
    report = convert(load_problems("builtin", "test").problems)
    made = [turned for found in report.conversions for turned in contrasts(found)]
    assert made
    for turned in made:
        assert Solver().execute(turned.trace).answer == turned.answer > 0
