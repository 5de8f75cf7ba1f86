"""The statistics agree with scipy and statsmodels on tables of known cases."""

from __future__ import annotations

import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from trace_pipeline.evaluation import Proportion, mcnemar_exact, wilson_interval
from trace_pipeline.evaluation.statistics import compare_proportions, paired_bootstrap

TABLES = [
    (8, 30, 5, 30),
    (9, 10, 2, 100),
    (0, 10, 0, 10),
    (0, 10, 10, 10),
    (7, 10, 2, 100),
    (2, 30, 5, 30),
    (238, 250, 241, 249),
    (61, 80, 48, 80),
    (8, 192, 90, 1319),
    (1, 1, 0, 1),
]
"""Solved and asked, of two runs."""


@pytest.mark.parametrize(("a", "n", "b", "m"), TABLES)
def test_two_proportions_are_fishers_exact_test(a: int, n: int, b: int, m: int) -> None:
    expected = stats.fisher_exact([[a, n - a], [b, m - b]]).pvalue
    assert compare_proportions(Proportion(a, n), Proportion(b, m)).p_value == pytest.approx(
        expected
    )


@pytest.mark.parametrize(("a", "n", "b", "m"), TABLES)
def test_wilson_is_statsmodels(a: int, n: int, b: int, m: int) -> None:
    for count, total in ((a, n), (b, m)):
        low, high = proportion_confint(count, total, method="wilson")
        found = wilson_interval(count, total)
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize(
    ("both", "first", "second", "none"),
    [(10, 0, 0, 5), (10, 1, 0, 5), (40, 16, 3, 21), (0, 5, 5, 0), (100, 30, 31, 9), (3, 0, 12, 1)],
)
def test_mcnemar_is_statsmodels(both: int, first: int, second: int, none: int) -> None:
    one = [True] * both + [True] * first + [False] * second + [False] * none
    two = [True] * both + [False] * first + [True] * second + [False] * none
    expected = mcnemar([[both, first], [second, none]], exact=True).pvalue
    assert mcnemar_exact(one, two).p_value == pytest.approx(expected)


def test_the_bootstrap_is_scipys() -> None:
    one = [True] * 45 + [False] * 35
    two = [True] * 30 + [False] * 15 + [True] * 8 + [False] * 27
    differences = [int(b) - int(a) for a, b in zip(one, two, strict=True)]
    expected = stats.bootstrap(
        (differences,), lambda x, axis: x.mean(axis), method="percentile", n_resamples=20_000, rng=0
    ).confidence_interval
    found = paired_bootstrap(one, two, resamples=20_000).interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.013)


def test_the_sentence_says_whether_two_samples_can_be_told_apart() -> None:
    found = compare_proportions(Proportion(8, 30), Proportion(5, 30))
    assert found.sentence("run 23", "run 22") == (
        "8 of 30 (run 23) is 14 to 44 %: not distinguishable from 5 of 30 (run 22), 7 to 34 %; "
        "the intervals overlap, exact p = 0.53."
    )
    told = compare_proportions(Proportion(9, 10), Proportion(2, 100)).sentence("a", "b")
    assert ": distinguishable from" in told
    assert "do not overlap" in told
