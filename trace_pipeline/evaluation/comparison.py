"""Two evaluations of the same problems, compared pair by pair."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from trace_pipeline.evaluation.scoring import Evaluation, Prediction
from trace_pipeline.evaluation.statistics import (
    McNemar,
    PairedDifference,
    Proportion,
    mcnemar_exact,
    paired_bootstrap,
)
from trace_pipeline.validation import InvalidInputError


class Comparison(Struct, frozen=True, kw_only=True):
    """The second evaluation against the first on the problems compared."""

    first: str
    second: str
    first_correct: Proportion
    second_correct: Proportion
    mcnemar: McNemar
    difference: PairedDifference
    won: tuple[int, ...]
    """Indices of the problems that only the second solves."""
    lost: tuple[int, ...]
    """Indices of the problems that only the first solves."""

    def sentence(self) -> str:
        """The comparison in one sentence for reports."""
        low, high = self.difference.interval.low, self.difference.interval.high
        return (
            f"On the same {self.first_correct.total} problems {self.second} solves "
            f"{self.second_correct.count} and {self.first} {self.first_correct.count}: a "
            f"difference of {100 * self.difference.difference:+.1f} points "
            f"(95 % interval {100 * low:+.1f} to {100 * high:+.1f}), "
            f"{len(self.won)} won and {len(self.lost)} lost, "
            f"exact McNemar p = {self.mcnemar.p_value:.2g}."
        )


def compare(first: Evaluation, second: Evaluation, common: bool = False) -> Comparison:
    """Compare two evaluations of the same problems.

    Args:
        first: The earlier or simpler model.
        second: The one that is asked about.
        common: Compare the problems that both answered; else both must have the same ones.

    Raises:
        InvalidInputError: different problems (the message says what differs), or none in common.
    """
    mine, theirs = shared_problems(first, second, common)
    before = [p.correct for p in mine.predictions]
    after = [p.correct for p in theirs.predictions]
    pairs = list(zip(theirs.predictions, before, after, strict=True))
    return Comparison(
        first=first.model,
        second=second.model,
        first_correct=mine.correct,
        second_correct=theirs.correct,
        mcnemar=mcnemar_exact(before, after),
        difference=paired_bootstrap(before, after),
        won=tuple(p.index for p, a, b in pairs if b and not a),
        lost=tuple(p.index for p, a, b in pairs if a and not b),
    )


def shared_problems(
    first: Evaluation, second: Evaluation, common: bool = False
) -> tuple[Evaluation, Evaluation]:
    """Both evaluations with the problems that both answered, in the same order.

    Args:
        first: One evaluation.
        second: Another; its order counts.
        common: Whether others may be left out; else both must have the same problems.

    Raises:
        InvalidInputError: different problems (the message says what differs), or none in common.
    """
    mine, theirs = _by_problem(first), _by_problem(second)
    shared = [key for key in theirs if key in mine]
    if not common and (len(shared) < len(mine) or len(shared) < len(theirs)):
        raise InvalidInputError(
            f"{first.model} answered {len(mine)} problems of {first.benchmark} and "
            f"{second.model} {len(theirs)} of {second.benchmark}, of which {len(shared)} are the "
            "same; compare only those (--common) or evaluate both on the same problems"
        )
    if not shared:
        raise InvalidInputError(
            f"{first.model} ({first.benchmark}) and {second.model} ({second.benchmark}) have no "
            "problem in common"
        )
    return (
        replace(first, predictions=tuple(mine[key] for key in shared)),
        replace(second, predictions=tuple(theirs[key] for key in shared)),
    )


def _by_problem(evaluation: Evaluation) -> dict[tuple[str, str], Prediction]:
    """Question and gold tell problems apart; an index alone may mean another file's line."""
    return {(p.question, str(p.gold)): p for p in evaluation.predictions}
