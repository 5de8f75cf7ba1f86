"""Reinforcement learning, and the solver's rules and rewards."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from trace_pipeline.experiment.fields import Count, Positive, Rate, Share


class RewardConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A reward table of one's own: the reward of each kind of verdict."""

    parse_fail: float = 0.0
    wrong_expert: float = 0.3
    invalid_trace: float = 0.5
    wrong_answer: float = 0.7
    correct: float = 1.0


class RlConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Reinforcement learning with rewards that the solver verifies."""

    iterations: Count = 10
    """0 leaves the SFT checkpoint as it is."""
    prompts: Positive = 8
    """Problems per iteration."""
    samples: Positive = 1
    """Completions per problem; group baselines need two or more."""
    estimator: Literal["reinforce", "rloo", "grpo"] = "reinforce"
    """``reinforce`` subtracts a moving baseline (the notebook's), the others a group's."""
    baseline_momentum: Share = 0.9
    """Weight of the past in the moving baseline."""
    rewards: Literal["graded", "binary"] | RewardConfig = "graded"
    learning_rate: Rate = 1e-5
    max_grad_norm: Rate = 1.0
    kl_coefficient: Annotated[float, Meta(ge=0)] = 0.0
    """Weight of the KL divergence to the SFT policy; 0 leaves it out."""
    temperature: Rate = 1.0
    top_p: Annotated[float, Meta(gt=0, le=1)] = 1.0
    max_tokens: Positive = 750
    """Longest completion of a rollout in tokens."""
    evaluate_every: Positive = 5
    """Iterations between evaluations on held-out synthetic problems."""
    evaluate_problems: Positive = 20
    save_every: Positive = 1
    """Iterations between snapshots from which a killed run resumes."""


class SolverConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The solver's rule set."""

    allow_short_circuit: bool = False
    """The notebook's earlier rules, in which a queried init was valid; for ablations."""
