from __future__ import annotations

import pytest

from trace_pipeline.evaluation.sampled import Sampled, summarise_samples
from trace_pipeline.solver import Solver, Verdict


def trace(value: int) -> str:
    return (
        f"expert: arithmetic\ntrace:\n- {{op: init, var: a, value: {value}}}\n"
        "- {op: compute, compute_op: add, args: [a, a], var: r}\n- {op: query, var: r}\n"
    )


def verdicts(*halves: int | None, gold: int = 10) -> list[Verdict]:
    """Verdicts on traces that answer twice each number; None is no trace."""
    solver = Solver()
    texts = ["nothing" if half is None else trace(half) for half in halves]
    return [solver.verify(text, gold) for text in texts]


@pytest.mark.parametrize(
    ("halves", "correct", "majority"),
    [
        ((5, 5, 1, 2), 2, True),
        ((5, 1, 1, 2), 1, False),
        ((1, 5, 2, 3), 1, False),  # a tie: the first answer wins
        ((5, 1, 2, 3), 1, True),
        ((None, None, None, 5), 1, True),  # no trace, no vote
        ((None, None, None, None), 0, False),
    ],
)
def test_counts_and_majority(halves: tuple[int | None, ...], correct: int, majority: bool) -> None:
    sampled = summarise_samples([verdicts(*halves)])
    assert sampled == Sampled(4, (correct,), (majority,))


def test_pass_at_k_is_the_mean_over_problems() -> None:
    sampled = Sampled(4, (0, 1, 4), (False, True, True))
    assert sampled.pass_at(1) == pytest.approx((0 + 1 / 4 + 1) / 3)
    assert sampled.pass_at(2) == pytest.approx((0 + 1 / 2 + 1) / 3)
    assert sampled.metrics() == {
        "pass_at_1": sampled.pass_at(1),
        "pass_at_2": sampled.pass_at(2),
        "pass_at_4": pytest.approx(2 / 3),
        "majority_at_4": pytest.approx(2 / 3),
    }
    assert [name for name, _ in sampled.rows()] == ["pass@1", "pass@2", "pass@4", "majority@4"]


def test_as_many_samples_of_each_problem() -> None:
    with pytest.raises(ValueError, match="as many samples"):
        summarise_samples([verdicts(1), verdicts(1, 2)])
