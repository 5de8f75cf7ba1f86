"""The statistics of evaluation: intervals for proportions, paired tests, pass@k, majority@k.

One place for all of them, so that a figure means the same in every table.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from statistics import NormalDist
from typing import TypeVar

from msgspec import Struct

T = TypeVar("T", bound=Hashable)

CONFIDENCE = 0.95
"""Confidence level of every interval unless said otherwise."""


class Interval(Struct, frozen=True):
    """A closed interval of shares or differences of shares (0.1 is 10 percent)."""

    low: float
    high: float

    def overlaps(self, other: Interval) -> bool:
        """Whether the two have a point in common."""
        return self.low <= other.high and other.low <= self.high


class Proportion(Struct, frozen=True):
    """``count`` of ``total``; of nothing, the rate is 0 and the interval all of [0, 1]."""

    count: int
    total: int

    @property
    def rate(self) -> float:
        """The share, between 0 and 1."""
        return self.count / self.total if self.total else 0.0

    @property
    def interval(self) -> Interval:
        """Wilson's 95 percent interval."""
        return wilson_interval(self.count, self.total)

    def __str__(self) -> str:
        """``8 of 192 (4.2 %, 95 % interval 2.1 to 8.0 %)``."""
        if not self.total:
            return "0 of 0"
        low, high = self.interval.low, self.interval.high
        return (
            f"{self.count:,} of {self.total:,} "
            f"({100 * self.rate:.1f} %, 95 % interval {100 * low:.1f} to {100 * high:.1f} %)"
        )


class TwoProportions(Struct, frozen=True):
    """Two runs on different problems: whether their shares can be told apart."""

    first: Proportion
    second: Proportion
    p_value: float
    """Fisher's exact test, two-sided."""

    @property
    def distinguishable(self) -> bool:
        """Whether so large a difference is rarer than 1 in 20 among runs of equal accuracy."""
        return self.p_value < 1 - CONFIDENCE

    def sentence(self, first: str, second: str) -> str:
        """``8 of 30 (first) is 14 to 44 %: not distinguishable from 5 of 30 (second), ...``."""
        verdict = "distinguishable" if self.distinguishable else "not distinguishable"
        overlap = self.first.interval.overlaps(self.second.interval)
        counts = [f"{share.count} of {share.total}" for share in (self.first, self.second)]
        return (
            f"{counts[0]} ({first}) is {_range(self.first)}: {verdict} from {counts[1]} "
            f"({second}), {_range(self.second)}; the intervals "
            f"{'overlap' if overlap else 'do not overlap'}, exact p = {self.p_value:.2g}."
        )


def _range(share: Proportion) -> str:
    return f"{100 * share.interval.low:.0f} to {100 * share.interval.high:.0f} %"


class McNemar(Struct, frozen=True):
    """Two runs on the same problems: who alone solved how many, and the exact p-value."""

    only_first: int
    only_second: int
    p_value: float


class PairedDifference(Struct, frozen=True):
    """Difference in accuracy, second minus first, on the same problems."""

    difference: float
    interval: Interval
    resamples: int


def wilson_interval(count: int, total: int, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval for a binomial proportion, without continuity correction.

    Assumes independent problems of one population. Unlike the textbook interval it stays
    within [0, 1] and does not collapse at 0 or ``total`` successes. Of 0 trials nothing is
    known: [0, 1].

    Source:
        E. B. Wilson, JASA 22 (1927) 209; L. D. Brown et al., Statistical Science 16 (2001) 101.

    Raises:
        ValueError: ``count`` outside 0..``total``, or ``confidence`` outside (0, 1).
    """
    if not 0 <= count <= total:
        raise ValueError(f"count: expected 0 to {total} successes, found {count}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number between 0 and 1, found {confidence}")
    if not total:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = count / total
    centre = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    # At the ends the bound is exactly 0 or 1; rounding would leave 1e-17 beside it.
    low = 0.0 if count == 0 else (centre - spread) / scale
    high = 1.0 if count == total else (centre + spread) / scale
    return Interval(low, high)


def subset_interval(count: int, total: int, size: int, confidence: float = CONFIDENCE) -> Interval:
    """Where the share of successes in a random subset lies: its central range.

    Drawing ``size`` of ``total`` problems, of which ``count`` are successes, without putting
    any back gives a hypergeometric number of successes; the ends are its quantiles at
    ``(1 - confidence) / 2`` and ``(1 + confidence) / 2``, divided by ``size``.

    Raises:
        ValueError: ``count`` outside 0..``total``, ``size`` outside 1..``total``, or
            ``confidence`` outside (0, 1).
    """
    if not 0 <= count <= total:
        raise ValueError(f"count: expected 0 to {total} successes, found {count}")
    if not 1 <= size <= total:
        raise ValueError(f"size: expected 1 to {total} problems, found {size}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number between 0 and 1, found {confidence}")
    ways = math.comb(total, size)
    tail = (1 - confidence) / 2
    ends: list[int] = []
    below = 0.0
    for successes in range(max(0, size - (total - count)), min(size, count) + 1):
        # Exact integers first: their quotient is at most 1, each of them may be astronomical.
        below += math.comb(count, successes) * math.comb(total - count, size - successes) / ways
        while len(ends) < 2 and below >= (tail, 1 - tail)[len(ends)]:
            ends.append(successes)
    ends += [min(size, count)] * (2 - len(ends))  # rounding left the sum just under 1
    return Interval(ends[0] / size, ends[1] / size)


def compare_proportions(first: Proportion, second: Proportion) -> TwoProportions:
    """Fisher's exact two-sided test of whether two independent shares are equal.

    Given how many problems were solved in all, the number that the first run solves is
    hypergeometric if both are equally good. The p-value sums the chances of all tables that are
    no likelier than the one found. It is conservative on small samples; for runs on the same
    problems :func:`mcnemar_exact` sees more.

    Source:
        R. A. Fisher, JRSS 98 (1935) 39; the two-sided form is that of J. O. Irwin (1935).
    """
    solved, total = first.count + second.count, first.total + second.total
    fewest, most = max(0, solved - second.total), min(solved, first.total)
    ways = {
        count: math.comb(first.total, count) * math.comb(second.total, solved - count)
        for count in range(fewest, most + 1)
    }
    found = ways[first.count]
    tail = sum(number for number in ways.values() if number <= found)
    return TwoProportions(first, second, tail / math.comb(total, solved))


def mcnemar_exact(first: Sequence[bool], second: Sequence[bool]) -> McNemar:
    """Exact two-sided McNemar test of whether two runs solve equally many problems.

    Only problems on which the two differ count: under the null hypothesis each of them is as
    likely to go to either run, so the count is binomial(n, 1/2). The p-value is twice the
    smaller tail, at most 1; without any differing problem it is 1.

    Source:
        Q. McNemar, Psychometrika 12 (1947) 153; the exact form is the sign test.

    Raises:
        ValueError: the runs are of different length.
    """
    _check_pairs(first, second)
    pairs = list(zip(first, second, strict=True))
    only_first = sum(a and not b for a, b in pairs)
    only_second = sum(b and not a for a, b in pairs)
    n, k = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(n, i) for i in range(k + 1))
    return McNemar(only_first, only_second, min(1.0, 2 * tail / 2**n))


def paired_bootstrap(
    first: Sequence[bool],
    second: Sequence[bool],
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> PairedDifference:
    """Percentile bootstrap interval of the difference in accuracy (second minus first).

    Problems are drawn with replacement, both runs' results together, so what they have in
    common (easy and hard problems) cancels out. A problem contributes -1, 0 or 1, so the
    resamples are drawn as counts of the three, which is the same thing and fast. With few
    differing problems the interval is too narrow; read it beside :func:`mcnemar_exact`.

    Source:
        B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.

    Raises:
        ValueError: different lengths, no problems, or fewer than 1 resample.
    """
    import numpy as np

    _check_pairs(first, second)
    if not first:
        raise ValueError("expected at least one problem, found none")
    if resamples < 1:
        raise ValueError(f"resamples: expected 1 or more, found {resamples}")
    test = mcnemar_exact(first, second)
    total = len(first)
    wins, losses = test.only_second, test.only_first
    shares = np.array([wins, losses, total - wins - losses]) / total
    drawn = np.random.default_rng(seed).multinomial(total, shares, size=resamples)
    differences = (drawn[:, 0] - drawn[:, 1]) / total
    edge = (1 - confidence) / 2
    low, high = np.quantile(differences, [edge, 1 - edge])
    return PairedDifference((wins - losses) / total, Interval(float(low), float(high)), resamples)


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Unbiased estimate of the chance that at least one of ``k`` samples is correct.

    ``1 - C(samples - correct, k) / C(samples, k)``: the average over all choices of ``k`` of the
    ``samples`` drawn for one problem; average it over problems.

    Source:
        M. Chen et al. 2021, arXiv:2107.03374, equation 1.

    Raises:
        ValueError: ``correct`` outside 0..``samples``, or ``k`` outside 1..``samples``.
    """
    if not 0 <= correct <= samples:
        raise ValueError(f"correct: expected 0 to {samples}, found {correct}")
    if not 1 <= k <= samples:
        raise ValueError(f"k: expected 1 to {samples} (the samples drawn), found {k}")
    return 1 - math.comb(samples - correct, k) / math.comb(samples, k)


def majority_vote(answers: Sequence[T | None]) -> T | None:
    """The most frequent answer; None stands for a sample without one and has no vote.

    Of answers with equally many votes the one given first wins, so that the result does not
    depend on hashing. None if nothing was answered.

    Source:
        X. Wang et al. 2022 (self-consistency), arXiv:2203.11171.
    """
    votes: dict[T, int] = {}
    for answer in answers:
        if answer is not None:
            votes[answer] = votes.get(answer, 0) + 1
    return max(votes, key=votes.__getitem__) if votes else None


def _check_pairs(first: Sequence[bool], second: Sequence[bool]) -> None:
    if len(first) != len(second):
        raise ValueError(
            f"the runs answer different numbers of problems: {len(first)} and {len(second)}"
        )
