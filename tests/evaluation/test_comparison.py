"""Two runs are compared on the same problems or not at all."""

import pytest
from msgspec.structs import replace

from trace_pipeline.evaluation import Proportion, compare
from trace_pipeline.validation import InvalidInputError


def test_won_and_lost_problems_are_listed(evaluate):
    first, second = evaluate(correct=4, wrong=6, model="sft"), evaluate(correct=7, wrong=3)
    result = compare(first, second)
    assert (result.first_correct, result.second_correct) == (Proportion(4, 10), Proportion(7, 10))
    assert (result.won, result.lost) == ((4, 5, 6), ())
    assert result.mcnemar.p_value == pytest.approx(0.25)
    assert result.difference.difference == pytest.approx(0.3)
    sentence = result.sentence()
    assert "On the same 10 problems rl solves 7 and sft 4" in sentence
    assert "+30.0 points" in sentence
    assert "p = 0.25" in sentence


def test_problems_are_matched_by_what_they_ask_not_by_position(evaluate):
    first = evaluate(correct=4, wrong=6, model="sft")
    second = replace(first, predictions=first.predictions[::-1], model="rl")
    result = compare(first, second)
    assert (result.won, result.lost) == ((), ())


def test_different_problems_are_refused_unless_only_the_common_ones_count(evaluate):
    base, tuned = evaluate(unparsed=4, model="base"), evaluate(correct=5, wrong=5)
    with pytest.raises(InvalidInputError, match=r"base answered 4 .* rl 10 .* 4 are the same"):
        compare(base, tuned)
    result = compare(base, tuned, common=True)
    assert (result.first_correct, result.second_correct) == (Proportion(0, 4), Proportion(4, 4))


def test_nothing_in_common_is_refused(evaluate, predict):
    other = replace(evaluate(), predictions=(predict(question="Another?"),))
    with pytest.raises(InvalidInputError, match="no problem in common"):
        compare(other, evaluate(correct=3), common=True)
