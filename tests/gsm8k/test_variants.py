"""New numbers for a converted problem."""

from __future__ import annotations

import re

import pytest

from trace_pipeline.gsm8k import Problem, load_problems
from trace_pipeline.gsm8k.conversion import (
    Conversion,
    Fixed,
    Policy,
    Variant,
    VariantMaker,
    convert,
    convert_problem,
    variant_maker,
)
from trace_pipeline.gsm8k.problem import read_gold
from trace_pipeline.solver import Solver
from trace_pipeline.traces import Init


def conversion(question: str, solution: str, policy: Policy = Policy.ARITHMETIC) -> Conversion:
    outcome = convert_problem(Problem(0, question, read_gold(solution), solution), policy)
    assert isinstance(outcome, Conversion), outcome
    return outcome


def variants(question: str, solution: str, count: int = 30, seed: int = 0) -> list[Variant]:
    maker = variant_maker(conversion(question, solution))
    assert isinstance(maker, VariantMaker), maker
    return list(maker.make(count, seed))


def numbers(text: str) -> list[str]:
    return re.findall(r"\d[\d,]*(?:\.\d+)?", text)


PLUMS = (
    "Nora picks 18 plums. She eats 4 of them and sells the rest for $2 each. How much is that?",
    "She sells 18-4=<<18-4=14>>14 plums. She earns 14*2=$<<14*2=28>>28.\n#### 28",
)


def test_question_trace_and_answer_change_together() -> None:
    for variant in variants(*PLUMS):
        picked, eaten, price = map(int, numbers(variant.question))
        assert variant.answer == (picked - eaten) * price
        inits = [step.value for step in variant.trace.subtraces[0].steps if isinstance(step, Init)]
        assert inits == [picked, eaten, price]
        assert Solver().execute(variant.trace).answer == variant.answer
        assert picked > eaten


def test_variants_differ_and_depend_on_the_seed_alone() -> None:
    first, again, other = variants(*PLUMS), variants(*PLUMS), variants(*PLUMS, seed=1)
    assert len({variant.question for variant in first}) == len(first) == 30
    assert PLUMS[0] not in {variant.question for variant in first}
    assert first == again
    assert {variant.question for variant in first} != {variant.question for variant in other}


@pytest.mark.parametrize(
    ("question", "solution", "pattern"),
    [
        pytest.param(
            "A box holds 12 pens in 3 equal rows. How many pens are in a row?",
            "12/3=<<12/3=4>>4\n#### 4",
            r"A box holds \d+ pens in \d+ equal rows\..*",
            id="a whole quotient stays whole",
        ),
        pytest.param(
            "A book costs $7.50 and a pen $1.25. What do they cost?",
            "7.5+1.25=<<7.5+1.25=8.75>>8.75\n#### 8.75",
            r"A book costs \$\d+\.\d\d and a pen \$\d+\.\d\d\. .*",
            id="money keeps its two places",
        ),
        pytest.param(
            "Seven cats each catch five mice. How many mice is that?",
            "7*5=<<7*5=35>>35\n#### 35",
            r"[A-Z][a-z]+ cats each catch [a-z]+ mice\..*",
            id="words stay words, a capital stays a capital",
        ),
        pytest.param(
            "An 8-meter rope is tied to a 5-meter rope. How long is it?",
            "8+5=<<8+5=13>>13\n#### 13",
            r"An (8|11|18)-meter rope is tied to a ([^8]\d*)-meter rope\..*",
            id="the article fits the number",
        ),
        pytest.param(
            "Kim pays 1,200 dollars, half of it today. What does Kim pay today?",
            "1200/2=<<1200/2=600>>600\n#### 600",
            r"Kim pays [\d,]+ dollars, half of it today\..*",
            id="half stays half",
        ),
        pytest.param(
            "A team of 40 plays. 30% of them score. How many score?",
            "40*30/100=<<40*30/100=12>>12\n#### 12",
            r"A team of \d+ plays\. \d\d% of them score\..*",
            id="a percentage stays one",
        ),
    ],
)
def test_wording_and_sense_are_kept(question: str, solution: str, pattern: str) -> None:
    original = conversion(question, solution)
    made = variants(question, solution)
    assert made
    for variant in made:
        assert re.fullmatch(pattern, variant.question), variant.question
        assert isinstance(variant.answer, int) or not isinstance(original.answer, int)
        assert variant.answer > 0


@pytest.mark.parametrize(
    ("question", "solution", "fixed"),
    [
        pytest.param(
            "There are 7 days in a week. Jo reads 9 pages a day. How many in a week?",
            "7*9=<<7*9=63>>63\n#### 63",
            "There are 7 days in a week",
            id="a fact of the world",
        ),
        pytest.param(
            "Jo has 3 maps. A fourth map costs 8 coins. What do all cost at 8 coins each?",
            "She has 3+1=<<3+1=4>>4 maps. 4*8=<<4*8=32>>32\n#### 32",
            "Jo has 3 maps. A fourth",
            id="a count that an ordinal continues",
        ),
    ],
)
def test_what_has_to_stay(question: str, solution: str, fixed: str) -> None:
    for variant in variants(question, solution):
        assert fixed in variant.question


def test_the_same_number_said_twice_changes_in_both_places() -> None:
    made = variants(
        "Al pays $60 for shoes. Half of the $60 is a gift. How much is the gift?",
        "60/2=<<60/2=30>>30\n#### 30",
    )
    for variant in made:
        first, second = numbers(variant.question)
        assert first == second
        assert variant.answer * 2 == int(first)


@pytest.mark.parametrize(
    ("question", "solution", "reason"),
    [
        pytest.param(
            "Al has 50 eggs. He sells 30 today, the other 20 later at $2. What does he get today?",
            "30*2=<<30*2=60>>60\n#### 60",
            Fixed.UNUSED,
            id="50 and 20 depend on 30",
        ),
        pytest.param(
            "Al eats half of one pie. He had one pie. How much is left?",
            "1-1/2=<<1-1/2=.5>>.5\n#### .5",
            Fixed.NOTHING_TO_CHANGE,
            id="only wording",
        ),
        pytest.param(
            "Al has eggs on 3 plates.",
            "A plate has 17 eggs. 3*17=<<3*17=51>>51\n#### 51",
            Fixed.UNSURE,
            id="ungrounded",
        ),
    ],
)
def test_why_a_problem_has_no_variants(question: str, solution: str, reason: Fixed) -> None:
    assert variant_maker(conversion(question, solution)) is reason


@pytest.mark.parametrize("policy", Policy)
def test_every_variant_of_the_built_in_sample_is_correct(policy: Policy) -> None:
    solver = Solver()
    report = convert(load_problems("builtin").problems, policy)
    makers = [variant_maker(one) for one in report.conversions]
    fit = [maker for maker in makers if isinstance(maker, VariantMaker)]
    assert len(fit) >= 0.7 * report.total
    for maker in fit:
        for variant in maker.make(5):
            assert solver.execute(variant.trace).answer == variant.answer
