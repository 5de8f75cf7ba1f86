from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from tests.solver.programs import composition, program
from trace_pipeline.solver import (
    BINARY,
    GRADED,
    RewardTable,
    Solver,
    VerdictKind,
    answers_match,
    gold_number,
)
from trace_pipeline.traces import Reason, parse_trace

SOLVER = Solver()
GOOD = program("a = 16", "b = 3", "r = sub a b", "query r")
COMPOSED = composition(
    ("a = 16", "b = 3", "r = sub a b", "query r"),
    ("p = prev.result", "c = 2", "r = mul p c", "query r"),
)
LISTED = "- " + GOOD.replace("\n", "\n  ").rstrip() + "\n"

VERDICTS = {
    "a correct answer": (GOOD, 13, None, VerdictKind.CORRECT, 1.0),
    "a correct answer of the expert": (GOOD, 13, "arithmetic", VerdictKind.CORRECT, 1.0),
    "a wrong answer": (GOOD, 14, "arithmetic", VerdictKind.WRONG_ANSWER, 0.7),
    "an invalid trace": (
        GOOD.replace("query, var: r", "query, var: q"),
        13,
        None,
        VerdictKind.INVALID_TRACE,
        0.5,
    ),
    "another expert": (GOOD, 13, "comparison", VerdictKind.WRONG_EXPERT, 0.3),
    "another expert and invalid": (
        "expert: wizard\ntrace: []",
        13,
        "arithmetic",
        VerdictKind.WRONG_EXPERT,
        0.3,
    ),
    "no trace": ("13", 13, "arithmetic", VerdictKind.PARSE_FAIL, 0.0),
    "a list of one": (LISTED, 13, "arithmetic", VerdictKind.CORRECT, 1.0),
    "a list of one by another expert": (LISTED, 13, "comparison", VerdictKind.WRONG_EXPERT, 0.3),
    "a list of one is no composition": (LISTED, 13, "composition", VerdictKind.WRONG_EXPERT, 0.3),
    "a composition": (COMPOSED, 26, "composition", VerdictKind.CORRECT, 1.0),
    "a composition is no expert of its own": (
        COMPOSED,
        26,
        "arithmetic",
        VerdictKind.WRONG_EXPERT,
        0.3,
    ),
}


@pytest.mark.parametrize(
    ("text", "gold", "expert", "kind", "reward"), VERDICTS.values(), ids=VERDICTS
)
def test_kinds_are_decided_in_order(
    text: str, gold: int, expert: str | None, kind: VerdictKind, reward: float
) -> None:
    verdict = SOLVER.verify(text, gold, expert)
    assert (verdict.kind, verdict.reward) == (kind, reward)
    assert (verdict.reason is not None) == (kind is VerdictKind.INVALID_TRACE)
    assert verdict.message


def test_a_verdict_carries_the_answer_and_what_was_read() -> None:
    good = SOLVER.verify(GOOD, 14)
    assert (good.answer, good.trace) == (13, parse_trace(GOOD))
    foreign = SOLVER.verify(program("a = 5", "r = percent_of a 10", "query r"), 1)
    assert foreign.reason is Reason.FOREIGN_OP
    assert foreign.answer is None
    assert foreign.trace is not None
    assert SOLVER.verify("expert: arithmetic\ntrace: [{op: add}]", 1).trace is None


def test_the_expert_of_a_list_cannot_be_dodged_by_wrapping() -> None:
    for text in (GOOD, LISTED):
        assert parse_trace(text).expert == "arithmetic"
    assert parse_trace(COMPOSED).expert == "composition"


@pytest.mark.parametrize(
    ("rewards", "correct", "wrong"),
    [
        ("graded", 1.0, 0.7),
        (GRADED, 1.0, 0.7),
        ("binary", 1.0, 0.0),
        (BINARY, 1.0, 0.0),
        (RewardTable(correct=2.0, wrong_answer=-1.0), 2.0, -1.0),
    ],
)
def test_the_reward_table_is_a_parameter(rewards: object, correct: float, wrong: float) -> None:
    solver = Solver(rewards=rewards)  # type: ignore[arg-type]
    assert solver.verify(GOOD, 13).reward == correct
    assert solver.verify(GOOD, 12).reward == wrong


def test_an_unknown_reward_table_is_refused() -> None:
    with pytest.raises(ValueError, match="graded, binary"):
        Solver(rewards="gradded")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "gold", "match"),
    [
        (12, 12, True),
        (12, "12", True),
        (12, 12.0, True),
        (12, "12.00", True),
        (1234, "1,234", True),
        (1234, "$1,234", True),
        (Fraction(1201, 100), 12, False),
        (Fraction(1201, 100), "12.00", False),
        (Fraction(25, 2), 12.5, True),
        (Fraction(25, 2), Decimal("12.50"), True),
        (Fraction(251, 20), 12.5, False),
        (Fraction(1254, 100), 12.5, True),
        (Fraction(1254, 100), "12.50", False),
        (Fraction(100, 3), "33.33", True),
        (Fraction(100, 3), 33, False),
        (Fraction(-100, 3), "-33.33", True),
        (Fraction(1, 3), Fraction(1, 3), True),
        (Fraction(33, 100), Fraction(1, 3), False),
        (Fraction(1, 2), Fraction(1, 2), True),
        (Fraction(1, 3), "1/3", True),
        (33, "33.33", False),
    ],
)
def test_answers_match_to_the_golds_own_decimals(
    answer: int | Fraction, gold: object, match: bool
) -> None:
    assert answers_match(answer, gold) is match  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "gold",
    [
        *(None, True, float("nan"), float("inf"), "twelve", "", [12], Decimal("NaN"), b"12"),
        pytest.param(10**5000, id="a huge int"),
        pytest.param(Fraction(1, 2**5000), id="a minute fraction"),
    ],
)
def test_a_gold_that_is_no_number_is_the_callers_error(gold: object) -> None:
    with pytest.raises(ValueError, match="gold answer"):
        SOLVER.verify(GOOD, gold)  # type: ignore[arg-type]


def test_the_gold_number_is_exact() -> None:
    assert gold_number(0.1) == gold_number("0.10") == gold_number(Decimal("0.1")) == Fraction(1, 10)
