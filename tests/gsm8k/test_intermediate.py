"""Questions for results on the way to an answer, and names for those results."""

from __future__ import annotations

import pytest

from tests.gsm8k.converting import conversion
from trace_pipeline.gsm8k.conversion import (
    Conversion,
    Fixed,
    Policy,
    intermediate_questions,
    variant_maker,
    with_named_results,
)
from trace_pipeline.solver import Solver
from trace_pipeline.traces import render_trace

STORY = "Ida picked 30 plums on Monday. On Tuesday she picked half as many. She ate 5 plums."
SOLUTION = (
    "Ida picked 30/2 = <<30/2=15>>15 plums on Tuesday.\n"
    "So she had 30+15 = <<30+15=45>>45 plums before lunch.\n"
    "She has 45-5 = <<45-5=40>>40 plums left.\n#### 40"
)
PLUMS = conversion(f"{STORY} How many plums are left?", SOLUTION)


def asked(found: Conversion) -> dict[str, float]:
    return {c.question: float(c.answer) for c in intermediate_questions(found)}


def test_each_result_that_is_described_gets_a_question_behind_the_story() -> None:
    assert asked(PLUMS) == {
        f"{STORY} How many plums on Tuesday?": 15,
        f"{STORY} How many plums before lunch?": 45,
    }


def test_the_trace_is_what_leads_there_and_no_more() -> None:
    first, second = intermediate_questions(PLUMS)
    assert [len(c.trace.subtraces[0].steps) for c in (first, second)] == [4, 5]
    for made in (first, second):
        assert Solver().execute(made.trace).answer == made.answer
        assert made.reading.order[-1] != PLUMS.reading.order[-1]


@pytest.mark.parametrize(
    ("question", "solution", "expected"),
    [
        pytest.param(
            "A rope costs $4. How many dollars are 3 ropes and a $2 hook?",
            "3*4=<<3*4=12>>12 dollars for ropes\n12+2=<<12+2=14>>14\n#### 14",
            [],
            id="a number of the question proper is needed",
        ),
        pytest.param(
            "Otto buys 3 ropes of $4 each. He has a coupon of $2. How much does he pay?",
            "The ropes cost 3*4 = $<<3*4=12>>12.\nHe pays 12-2 = $<<12-2=10>>10.\n#### 10",
            ["The ropes cost how much?"],
            id="money is asked for where it is said",
        ),
        pytest.param(
            "Otto buys 3 ropes of $4 each. He has a coupon of $2. How much does he pay?",
            "If the ropes cost 3*4 = $<<3*4=12>>12.\nHe pays 12-2 = $<<12-2=10>>10.\n#### 10",
            [],
            id="a clause is no question",
        ),
        pytest.param(
            "Otto packs 3 boxes of 4 pens and 2 boxes of 6 pens. How many pens are that?",
            "3*4=<<3*4=12>>12 pens in boxes\n2*6=<<2*6=12>>12 pens in boxes\n"
            "12+12=<<12+12=24>>24\n#### 24",
            [],
            id="two results in the same words",
        ),
        pytest.param(
            "How many pens are 3 boxes of 4 pens and 2 loose ones?",
            "3*4=<<3*4=12>>12 pens in boxes\n12+2=<<12+2=14>>14\n#### 14",
            [],
            id="no story before the question",
        ),
    ],
)
def test_what_becomes_a_question(question: str, solution: str, expected: list[str]) -> None:
    story = question.rpartition(". ")[0] + ". "
    found = [made.removeprefix(story) for made in asked(conversion(question, solution))]
    assert found == expected


def test_a_question_on_the_way_has_variants() -> None:
    maker = variant_maker(intermediate_questions(PLUMS)[0])
    assert not isinstance(maker, Fixed)
    for variant in maker.make(5):
        assert variant.question.endswith("How many plums on Tuesday?")
        assert Solver().execute(variant.trace).answer == variant.answer


def test_results_are_named_by_the_authors_words() -> None:
    named = with_named_results(PLUMS, Policy.ARITHMETIC)
    text = render_trace(named.trace)
    assert "var: plums_tuesday}" in text
    assert "args: [plums, plums_tuesday], var: plums_lunch}" in text
    assert "step1" not in text
    assert Solver().execute(named.trace).answer == PLUMS.answer
    assert "var: step1}" in render_trace(PLUMS.trace)


def test_what_has_no_words_of_its_own_stays_numbered() -> None:
    found = conversion(
        "Otto packs 3 boxes of 4 pens and 2 loose ones. How many pens are that?",
        "(3*4)+2=<<(3*4)+2=14>>14\n#### 14",
    )
    assert "var: step1}" in render_trace(with_named_results(found, Policy.ARITHMETIC).trace)


def test_results_that_are_described_alike_are_told_apart() -> None:
    found = conversion(
        "A red box has 3 bags of 4 pens. A blue box has 2 bags of 6 pens. How many pens are that?",
        "The red box has 3*4=<<3*4=12>>12 pens.\nThe blue box has 2*6=<<2*6=12>>12 pens.\n"
        "That is 12+12=<<12+12=24>>24 pens.\n#### 24",
    )
    text = render_trace(with_named_results(found, Policy.ARITHMETIC).trace)
    assert "var: box_pens}" in text
    assert "var: blue_pens}" in text


def test_a_fitting_trace_is_named_too() -> None:
    found = conversion(
        "Ida earns $8 an hour and works 5 hours. She pays 20% tax. How much tax does she pay?",
        "She earns 8*5 = $<<8*5=40>>40 a week.\nThe tax is 40*20/100 = $<<40*20/100=8>>8.\n#### 8",
        Policy.FITTING,
    )
    named = with_named_results(found, Policy.FITTING)
    assert Solver().execute(named.trace).answer == 8
    assert [part.expert for part in named.trace.subtraces] == ["arithmetic", "percentage"]
