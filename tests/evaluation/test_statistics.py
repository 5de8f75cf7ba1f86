"""The statistics agree with published values, with brute force and with their invariants."""

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace_pipeline.evaluation import (
    Interval,
    Proportion,
    majority_vote,
    mcnemar_exact,
    paired_bootstrap,
    pass_at_k,
    subset_interval,
    wilson_interval,
)

counts = st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
pairs = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, 857, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_published_intervals(count, total, low, high):
    interval = wilson_interval(count, total)
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


def test_wilson_solves_its_defining_equation():
    count, total, z = 8, 30, 1.959963984540054
    for bound in bounds(wilson_interval(count, total)):
        distance = abs(count / total - bound)
        assert distance == pytest.approx(z * math.sqrt(bound * (1 - bound) / total))


def bounds(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


@given(counts)
def test_wilson_holds_the_rate_and_is_symmetric(case):
    count, total = case
    interval = wilson_interval(count, total)
    assert 0 <= interval.low <= Proportion(count, total).rate or not total
    assert interval.high <= 1
    mirrored = wilson_interval(total - count, total)
    assert mirrored.low == pytest.approx(1 - interval.high)
    assert mirrored.high == pytest.approx(1 - interval.low)


@given(counts, st.integers(2, 9))
def test_more_trials_and_less_confidence_narrow_the_interval(case, factor):
    count, total = case
    if total:
        wide, narrow = (
            wilson_interval(count, total),
            wilson_interval(count * factor, total * factor),
        )
        assert narrow.high - narrow.low < wide.high - wide.low
        less = wilson_interval(count, total, confidence=0.5)
        assert less.high - less.low < wide.high - wide.low


def test_of_no_trials_nothing_is_known():
    assert wilson_interval(0, 0) == Interval(0.0, 1.0)
    assert Proportion(0, 0).rate == 0.0
    assert str(Proportion(0, 0)) == "0 of 0"


def test_a_proportion_is_written_with_its_interval():
    assert str(Proportion(8, 192)) == "8 of 192 (4.2 %, 95 % interval 2.1 to 8.0 %)"


@pytest.mark.parametrize(
    ("count", "total", "size"),
    [
        (2, 100, 10),
        (40, 100, 30),
        (709, 1319, 100),
        (1, 1319, 1318),
        (0, 9, 3),
        (9, 9, 9),
        (5, 9, 1),
    ],
)
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_a_random_subset_lies_between_hypergeometric_quantiles(count, total, size, confidence):
    from scipy.stats import hypergeom

    found = subset_interval(count, total, size, confidence)
    low, high = hypergeom(total, count, size).interval(confidence)
    assert (found.low, found.high) == (pytest.approx(low / size), pytest.approx(high / size))


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [((0.1, 0.3), (0.3, 0.5), True), ((0.1, 0.2), (0.3, 0.5), False)],
)
def test_intervals_overlap_when_they_share_a_point(first, second, overlap):
    assert Interval(*first).overlaps(Interval(*second)) is overlap
    assert Interval(*second).overlaps(Interval(*first)) is overlap


def answers(only_first: int, only_second: int, both: int) -> tuple[list[bool], list[bool]]:
    first = [True] * only_first + [False] * only_second + [True] * both
    second = [False] * only_first + [True] * only_second + [True] * both
    return first, second


@pytest.mark.parametrize(
    ("only_first", "only_second", "p_value"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (0, 5, 2 / 2**5),
        (0, 6, 2 / 2**6),
        (5, 5, 1.0),
        (2, 12, 2 * (1 + 14 + 91) / 2**14),
        (1, 9, 2 * (1 + 10) / 2**10),
    ],
)
def test_mcnemar_is_the_two_sided_sign_test(only_first, only_second, p_value):
    result = mcnemar_exact(*answers(only_first, only_second, 7))
    assert (result.only_first, result.only_second) == (only_first, only_second)
    assert result.p_value == pytest.approx(p_value)


@given(pairs)
def test_mcnemar_does_not_depend_on_order_or_on_which_run_is_first(results):
    first, second = zip(*results, strict=True)
    p_value = mcnemar_exact(first, second).p_value
    assert 0 < p_value <= 1
    assert mcnemar_exact(second, first).p_value == p_value
    assert mcnemar_exact(first[::-1], second[::-1]).p_value == p_value


def test_mcnemar_takes_the_size_of_the_test_split():
    assert mcnemar_exact(*answers(600, 719, 0)).p_value == pytest.approx(0.0012, rel=0.1)


def test_the_bootstrap_agrees_with_the_normal_approximation():
    first, second = answers(60, 100, 840)
    result = paired_bootstrap(first, second)
    total, difference = 1000, 0.04
    deviation = math.sqrt(((60 + 100) / total - difference**2) / total)
    assert result.difference == pytest.approx(difference)
    assert result.interval.low == pytest.approx(difference - 1.96 * deviation, abs=0.002)
    assert result.interval.high == pytest.approx(difference + 1.96 * deviation, abs=0.002)


@given(pairs)
def test_the_bootstrap_is_repeatable_and_antisymmetric(results):
    first, second = (list(run) for run in zip(*results, strict=True))
    result = paired_bootstrap(first, second, resamples=200, seed=3)
    assert paired_bootstrap(first, second, resamples=200, seed=3) == result
    assert -1 <= result.interval.low <= result.interval.high <= 1
    assert paired_bootstrap(second, first, resamples=200).difference == -result.difference


def test_equal_runs_have_no_difference():
    result = paired_bootstrap([True, False, True], [True, False, True])
    assert (result.difference, result.interval) == (0.0, Interval(0.0, 0.0))


@pytest.mark.parametrize(
    ("samples", "correct", "k"), [(5, 2, 1), (5, 2, 3), (6, 1, 6), (4, 0, 2), (4, 4, 2), (7, 3, 5)]
)
def test_pass_at_k_is_the_average_over_all_choices(samples, correct, k):
    drawn = list(itertools.combinations([True] * correct + [False] * (samples - correct), k))
    expected = Fraction(sum(any(choice) for choice in drawn), len(drawn))
    assert pass_at_k(samples, correct, k) == pytest.approx(float(expected))


def test_pass_at_one_is_the_accuracy():
    assert pass_at_k(16, 4, 1) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("given_answers", "winner"),
    [
        ([3, 5, 5], 5),
        ([3, 5], 3),
        ([5, 3, 3, 5], 5),
        ([None, None, 7], 7),
        ([None, None], None),
        ([], None),
        ([Fraction(1, 2), 1, Fraction(2, 4)], Fraction(1, 2)),
    ],
)
def test_the_majority_ignores_missing_answers_and_breaks_ties_by_order(given_answers, winner):
    assert majority_vote(given_answers) == winner


@pytest.mark.parametrize(
    "call",
    [
        lambda: wilson_interval(5, 4),
        lambda: wilson_interval(-1, 4),
        lambda: wilson_interval(1, 4, confidence=1.0),
        lambda: subset_interval(5, 4, 1),
        lambda: subset_interval(1, 4, 0),
        lambda: subset_interval(1, 4, 5),
        lambda: subset_interval(1, 4, 2, confidence=0.0),
        lambda: mcnemar_exact([True], []),
        lambda: paired_bootstrap([True], [True, False]),
        lambda: paired_bootstrap([], []),
        lambda: paired_bootstrap([True], [True], resamples=0),
        lambda: pass_at_k(4, 5, 1),
        lambda: pass_at_k(4, 2, 0),
        lambda: pass_at_k(4, 2, 5),
    ],
)
def test_impossible_arguments_are_refused(call):
    with pytest.raises(ValueError, match=r"expected|different"):
        call()
