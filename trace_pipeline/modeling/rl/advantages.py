"""Advantages: how much better a completion did than expected.

Rewards come as (P, K): K completions of each of P problems.
"""

from __future__ import annotations

import torch

GRPO_EPSILON = 1e-4
"""Added to a group's deviation, as in TRL's GRPOTrainer."""
ROUNDING = 1e-6
"""What is left of equal rewards less their mean. AdamW would make whole steps of it."""


class MovingBaseline:
    """Exponential mean of past rewards (the notebook's baseline).

    Starts at the first iteration's mean, so that the first update is centred as well.
    """

    def __init__(self, momentum: float, value: float | None = None) -> None:
        self.momentum = momentum
        self.value = value
        """The baseline; None before the first rewards."""

    def advantages(self, rewards: torch.Tensor) -> torch.Tensor:
        """``rewards`` minus the baseline, which then takes them in."""
        mean = float(rewards.mean())
        if self.value is None:
            self.value = mean
        advantages = rewards - self.value
        self.value = self.momentum * self.value + (1 - self.momentum) * mean
        return advantages.masked_fill(advantages.abs() < ROUNDING, 0.0)


def leave_one_out(rewards: torch.Tensor) -> torch.Tensor:
    """RLOO: each reward minus the mean of the other completions of its problem.

    Ahmadian et al., "Back to Basics", 2024 (arXiv 2402.14740), equation 8.
    """
    others = rewards.shape[1] - 1
    advantages = rewards - (rewards.sum(1, keepdim=True) - rewards) / others
    return advantages.masked_fill(zero_variance(rewards)[:, None], 0.0)


def group_normalised(rewards: torch.Tensor, scale_std: bool = True) -> torch.Tensor:
    """GRPO: each reward minus its group's mean, over the group's standard deviation.

    Shao et al., "DeepSeekMath", 2024 (arXiv 2402.03300), section 4.1; sample deviation. Without
    ``scale_std`` it is the advantage of "Dr. GRPO" (arXiv 2503.20783), which does not favour
    problems whose rewards are nearly equal.
    """
    centred = rewards - rewards.mean(1, keepdim=True)
    if scale_std:
        centred = centred / (rewards.std(1, keepdim=True) + GRPO_EPSILON)
    return centred.masked_fill(zero_variance(rewards)[:, None], 0.0)


def zero_variance(rewards: torch.Tensor) -> torch.Tensor:
    """(P,) which groups' rewards are all equal; they teach nothing to a group baseline."""
    return (rewards == rewards[:, :1]).all(1)


def zero_variance_share(rewards: torch.Tensor) -> float:
    """Share of groups whose rewards are all equal.

    With one completion a problem, the iteration is the group.
    """
    groups = rewards if rewards.shape[1] > 1 else rewards.T
    return float(zero_variance(groups).float().mean())
