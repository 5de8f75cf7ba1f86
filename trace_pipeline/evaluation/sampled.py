"""Several samples of each problem: pass@k and the majority's answer."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from trace_pipeline.evaluation.statistics import Proportion, majority_vote, pass_at_k
from trace_pipeline.solver import Verdict, VerdictKind


class Sampled(Struct, frozen=True):
    """What the samples of each problem came to, problem by problem."""

    samples: int
    """Completions of each problem."""
    correct: tuple[int, ...]
    """How many of a problem's samples are correct."""
    majority: tuple[bool, ...]
    """Whether a problem's most frequent answer is correct. Only valid traces vote; of answers
    with equally many votes the one sampled first wins; without any vote it is wrong."""

    def pass_at(self, k: int) -> float:
        """Mean over the problems of the unbiased estimate that one of ``k`` samples is correct."""
        shares = [pass_at_k(self.samples, count, k) for count in self.correct]
        return sum(shares) / len(shares) if shares else 0.0

    @property
    def majority_correct(self) -> Proportion:
        """Problems whose majority is correct."""
        return Proportion(sum(self.majority), len(self.majority))

    @property
    def ks(self) -> tuple[int, ...]:
        """For which ``k`` pass@k is reported: powers of two, and all samples."""
        powers = [2**n for n in range(self.samples.bit_length()) if 2**n < self.samples]
        return (*powers, self.samples)

    def metrics(self) -> dict[str, float]:
        """Flat figures for a tracking server."""
        found = {f"pass_at_{k}": self.pass_at(k) for k in self.ks}
        return found | {f"majority_at_{self.samples}": self.majority_correct.rate}

    def rows(self) -> list[list[str]]:
        """Name and figure, for a report."""
        rows = [[f"pass@{k}", f"{100 * self.pass_at(k):.1f} %"] for k in self.ks]
        return [*rows, [f"majority@{self.samples}", str(self.majority_correct)]]


def summarise_samples(verdicts: Sequence[Sequence[Verdict]]) -> Sampled:
    """The summary of each problem's verdicts, in the order in which they were sampled.

    Raises:
        ValueError: problems with different numbers of samples.
    """
    counts = {len(group) for group in verdicts}
    if len(counts) > 1:
        raise ValueError(f"expected as many samples of each problem, found {sorted(counts)}")
    majority = []
    for group in verdicts:
        answer = majority_vote([verdict.answer for verdict in group])
        winners = [v for v in group if answer is not None and v.answer == answer]
        majority.append(bool(winners) and winners[0].kind is VerdictKind.CORRECT)
    correct = tuple(sum(v.kind is VerdictKind.CORRECT for v in group) for group in verdicts)
    return Sampled(counts.pop() if counts else 1, correct, tuple(majority))
