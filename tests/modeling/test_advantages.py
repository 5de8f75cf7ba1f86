from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trace_pipeline.modeling.rl.advantages import (
    MovingBaseline,
    group_normalised,
    leave_one_out,
    zero_variance_share,
)

REWARDS = torch.tensor([[1.0, 0.0, 0.5], [0.7, 0.7, 0.7]])


def test_the_moving_baseline() -> None:
    baseline = MovingBaseline(momentum=0.9)
    first = torch.tensor([[1.0], [0.5]])
    torch.testing.assert_close(baseline.advantages(first), first - 0.75)
    assert baseline.value == pytest.approx(0.75)
    second = torch.tensor([[1.0], [0.7]])
    torch.testing.assert_close(baseline.advantages(second), second - 0.75)
    assert baseline.value == pytest.approx(0.9 * 0.75 + 0.1 * 0.85)


def test_leave_one_out_subtracts_the_mean_of_the_others() -> None:
    expected = [[1 - 0.25, 0 - 0.75, 0.5 - 0.5], [0, 0, 0]]
    torch.testing.assert_close(leave_one_out(REWARDS), torch.tensor(expected))


def test_grpo_normalises_by_the_group() -> None:
    advantages = group_normalised(REWARDS)
    deviation = 0.5 + 1e-4  # sample deviation of 1, 0, 0.5
    expected = [[0.5 / deviation, -0.5 / deviation, 0], [0, 0, 0]]
    torch.testing.assert_close(advantages, torch.tensor(expected))


@given(
    st.integers(2, 5).flatmap(
        lambda k: st.lists(
            st.lists(st.floats(0, 1, width=32), min_size=k, max_size=k), min_size=1, max_size=5
        )
    )
)
def test_group_baselines_sum_to_zero_in_each_group(rewards: list[list[float]]) -> None:
    for estimator in (leave_one_out, group_normalised):
        sums = estimator(torch.tensor(rewards)).sum(1)
        torch.testing.assert_close(sums, torch.zeros_like(sums), atol=1e-2, rtol=0)


def test_groups_without_variance_are_counted() -> None:
    assert zero_variance_share(REWARDS) == 0.5
    assert zero_variance_share(torch.tensor([[0.7], [0.7]])) == 1.0
    assert zero_variance_share(torch.tensor([[0.7], [1.0]])) == 0.0
