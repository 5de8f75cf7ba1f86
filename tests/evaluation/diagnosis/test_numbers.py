"""How one number is taken for another, and in which other forms it may stand."""

from __future__ import annotations

from fractions import Fraction

import pytest

from trace_pipeline.evaluation.diagnosis.numbers import (
    Misreading,
    QuestionNumbers,
    aliases,
    misreading,
)

QUESTION = QuestionNumbers("Half of 1,250 seeds, 0.5 kilos, 45 days, 3/4 of it, twice a week, 20%")


@pytest.mark.parametrize(
    ("found", "expected", "how"),
    [
        (5, Fraction(1, 2), Misreading.POWER_OF_TEN),
        (Fraction(1, 5), 20, Misreading.POWER_OF_TEN),
        (125, 1250, Misreading.POWER_OF_TEN),
        (12, 1250, Misreading.DIGITS_DROPPED),
        (250, 1250, Misreading.DIGITS_DROPPED),
        (150, 1250, Misreading.DIGITS_DROPPED),
        (5, 45, Misreading.DIGITS_DROPPED),
        (54, 45, Misreading.DIGITS_CHANGED),
        (1350, 1250, Misreading.DIGITS_CHANGED),
        (7, 2, Misreading.WORDS),
        (Fraction(1, 45), 45, Misreading.RECIPROCAL),
        (46, 45, None),
        (60, 1250, None),
        (0, 45, None),
    ],
)
def test_misreadings(found, expected, how):
    assert misreading(found, expected, QUESTION) is how


def test_numbers_in_words_figures_and_shares():
    assert [QUESTION.is_in_words(n) for n in (2, 45, 3, 7)] == [True, False, False, False]
    assert [QUESTION.is_share(n) for n in (2, 45, 3, Fraction(1, 2), 20)] == [
        True, False, True, True, True,
    ]  # fmt: skip
    assert (QUESTION.show(2), QUESTION.show(45)) == ("2 ('Half')", "45")


def test_other_forms_of_numbers():
    percent = aliases([20, 80], percentages=True)
    assert {Fraction(1, 5), Fraction(4, 5), Fraction(6, 5), 120} <= set(percent)
    assert 95 not in aliases([5, 12], percentages=False)
    assert {Fraction(1, 2), Fraction(3, 4), Fraction(1, 4)} <= set(aliases([2, 3, 4], False))


def test_a_number_of_its_own_is_no_form_of_another():
    assert Fraction(1, 2) not in aliases([2, Fraction(1, 2)], percentages=False)
