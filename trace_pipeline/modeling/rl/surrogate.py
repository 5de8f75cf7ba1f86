"""The objective of a policy gradient: importance ratios, clipped, times advantages."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch


class Surrogate(NamedTuple):
    """Sums over a batch."""

    loss: torch.Tensor
    """Differentiable; to be divided by the number of terms of the whole update."""
    clipped: int
    """Terms whose ratio was outside of the bounds and so gave no gradient."""
    terms: int
    """Tokens, or completions."""


def surrogate(
    logprobs: torch.Tensor,
    old: torch.Tensor,
    rows: torch.Tensor,
    advantages: torch.Tensor,
    loss: Literal["token", "sequence"] = "token",
    clip_low: float = 0.2,
    clip_high: float = 0.2,
) -> Surrogate:
    """PPO's clipped objective (Schulman et al., 2017, arXiv 1707.06347, equation 7), negated.

    While the policy is the one that sampled, every ratio is 1 and the gradient is that of
    REINFORCE: advantage times the gradient of the log-probability.

    Args:
        logprobs: (N,) of the completions' tokens under the policy as it is now, differentiable.
        old: (N,) under the policy that wrote them.
        rows: (N,) the completion that each token belongs to, from 0 to B - 1.
        advantages: (B,) one for each completion.
        loss: the ratio of each token (GRPO, DAPO), or of each whole completion (RLOO).
        clip_low: where the advantage is negative, ratios below 1 - ``clip_low`` are cut.
        clip_high: where it is positive, ratios above 1 + ``clip_high`` are; a higher bound here
            than below is DAPO's clip-higher (arXiv 2503.14476, section 3.1).
    """
    log_ratio = logprobs - old
    if loss == "sequence":
        log_ratio = torch.zeros_like(advantages).index_add(0, rows, log_ratio)  # (N,) -> (B,)
    else:
        advantages = advantages[rows]  # (B,) -> (N,)
    ratio = log_ratio.exp()
    low, high = 1 - clip_low, 1 + clip_high
    objective = torch.min(ratio * advantages, ratio.clamp(low, high) * advantages)
    outside = ((ratio < low) & (advantages < 0)) | ((ratio > high) & (advantages > 0))
    return Surrogate(-objective.sum(), int(outside.sum()), len(ratio))
