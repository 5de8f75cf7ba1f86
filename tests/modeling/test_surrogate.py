from __future__ import annotations

from typing import Literal

import pytest
import torch

from trace_pipeline.modeling.rl.surrogate import surrogate

ROWS = torch.tensor([0, 0, 0, 1, 2])
ADVANTAGES = torch.tensor([1.0, -0.5, 0.0])
OLD = torch.tensor([-1.0, -2.0, -0.5, -0.1, -3.0])


@pytest.mark.parametrize("loss", ["token", "sequence"])
def test_the_first_gradient_is_that_of_reinforce(loss: Literal["token", "sequence"]) -> None:
    logprobs = OLD.clone().requires_grad_()
    found = surrogate(logprobs, OLD, ROWS, ADVANTAGES, loss)
    found.loss.backward()
    torch.testing.assert_close(logprobs.grad, -ADVANTAGES[ROWS])
    assert found.clipped == 0
    assert found.terms == (5 if loss == "token" else 3)


@pytest.mark.parametrize(
    ("ratio", "advantage", "gradient"),
    [
        (1.1, 1.0, True),
        (1.3, 1.0, False),  # likelier already, and wanted likelier
        (1.3, -1.0, True),  # likelier, though it should be less so: the step back is free
        (0.7, 1.0, True),
        (0.7, -1.0, False),
        (0.9, -1.0, True),
    ],
)
def test_only_steps_further_away_are_clipped(
    ratio: float, advantage: float, gradient: bool
) -> None:
    old = torch.zeros(1)
    logprobs = torch.tensor([ratio]).log().requires_grad_()
    found = surrogate(logprobs, old, torch.tensor([0]), torch.tensor([advantage]))
    found.loss.backward()
    assert logprobs.grad is not None
    assert bool(logprobs.grad.any()) is gradient
    assert found.clipped == (0 if gradient else 1)


def test_bounds_differ_by_side() -> None:
    ratios = torch.tensor([1.25, 0.85]).log()
    sides = torch.tensor([1.0, -1.0])
    rows = torch.arange(2)
    for low, high, clipped in [(0.2, 0.2, 1), (0.2, 0.3, 0), (0.1, 0.3, 1), (0.1, 0.2, 2)]:
        found = surrogate(ratios, torch.zeros(2), rows, sides, "token", low, high)
        assert found.clipped == clipped


def test_a_sequence_has_one_ratio() -> None:
    logprobs = OLD + torch.tensor([0.3, -0.3, 0.0, 0.0, 0.0])
    token = surrogate(logprobs, OLD, ROWS, ADVANTAGES, "token")
    sequence = surrogate(logprobs, OLD, ROWS, ADVANTAGES, "sequence")
    assert (token.clipped, sequence.clipped) == (1, 0)
    torch.testing.assert_close(sequence.loss, torch.tensor(-0.5))
