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


class CollapseConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When training stops early because the policy no longer writes what can be learned from."""

    parsed: Share = 0.02
    """Stop when a smaller share of the completions is YAML traces; 0 never stops."""
    entropy: Annotated[float, Meta(ge=0)] = 0.0
    """Stop when the entropy in nats per token is lower; 0 never stops."""
    patience: Positive = 5
    """Iterations in a row that must be so."""


class ExpertIterationConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ``method: expert_iteration`` learns from its own correct traces."""

    keep: Positive = 4
    """Traces of different computation graphs that are kept per problem, over all rounds."""
    references: bool = True
    """Add the reference traces of all training problems."""
    start: Literal["base", "current"] = "base"
    """What each round trains: the base model anew, or the policy of the round before."""


class RlConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Reinforcement learning with rewards that the solver verifies."""

    method: Literal["policy_gradient", "expert_iteration"] = "policy_gradient"
    """``expert_iteration`` fine-tunes (section ``sft``) on what was sampled and is correct."""
    iterations: Count = 10
    """Iterations, or rounds of expert iteration; 0 leaves the SFT checkpoint as it is."""
    prompts: Positive = 8
    """Problems per iteration."""
    samples: Positive = 1
    """Completions per problem; group baselines need two or more."""
    source: Literal["synthetic", "real", "mix"] = "synthetic"
    """Problems to roll out on: synthetic ones, converted GSM-8K train problems, or both."""
    real_share: Share = 0.5
    """Share of real problems under ``source: mix``."""
    curriculum: Share = 0.0
    """Share of the iterations over which the longest admitted chain grows to the longest there is;
    0 admits all from the start."""
    estimator: Literal["reinforce", "rloo", "grpo"] = "reinforce"
    """``reinforce`` subtracts a moving baseline (the notebook's), the others a group's."""
    scale_std: bool = True
    """``grpo`` divides by the group's standard deviation; false is "Dr. GRPO" (2503.20783)."""
    baseline_momentum: Share = 0.9
    """Weight of the past in the moving baseline."""
    rewards: Literal["graded", "binary"] | RewardConfig = "graded"
    resample: Count = 0
    """Draws of further problems in place of those whose completions all earned the same."""
    mask_clipped: bool = False
    """Learn nothing from completions that were cut at ``max_tokens``."""
    loss: Literal["token", "sequence"] = "token"
    """``token`` is a mean over all tokens, ratio by token; ``sequence`` a mean over completions,
    ratio of the whole completion."""
    updates: Positive = 1
    """Optimizer steps on each iteration's rollouts."""
    clip_low: Share = 0.2
    """From the second update on, ratios count no lower than 1 less this."""
    clip_high: Annotated[float, Meta(ge=0)] = 0.2
    """From the second update on, ratios count no higher than 1 plus this."""
    learning_rate: Rate = 1e-5
    max_grad_norm: Rate = 1.0
    kl_coefficient: Annotated[float, Meta(ge=0)] = 0.0
    """Weight of the KL divergence to the SFT policy; 0 leaves it out."""
    temperature: Rate = 1.0
    top_p: Annotated[float, Meta(gt=0, le=1)] = 1.0
    max_tokens: Positive = 750
    """Longest completion of a rollout in tokens."""
    evaluate_every: Positive = 5
    """Iterations between evaluations on held-out problems."""
    evaluate_problems: Positive = 20
    select: Literal["last", "best"] = "last"
    """The checkpoint: the last iteration's weights, or those with the best validation reward."""
    keep_rollouts_every: Count = 1
    """Iterations between those whose rollouts are kept; 0 keeps none."""
    save_every: Positive = 1
    """Iterations between snapshots from which a killed run resumes, or more where saving would take
    over 2.5 % of the time."""
    collapse: CollapseConfig = CollapseConfig()
    expert_iteration: ExpertIterationConfig = ExpertIterationConfig()

    @property
    def trains_in_rounds(self) -> bool:
        """Whether section ``sft`` says how reinforcement trains: in rounds of expert iteration."""
        return self.method == "expert_iteration" and self.iterations > 0


class SolverConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The solver's rule set."""

    allow_short_circuit: bool = False
    """The notebook's earlier rules, in which a queried init was valid; for ablations."""


def contradictions(config: RlConfig) -> list[str]:
    """Settings that exclude each other: where, what was expected and what was found."""
    found = []
    policy_gradient = config.method == "policy_gradient"
    grouped = policy_gradient and config.estimator != "reinforce"
    if grouped and config.samples < 2:
        found.append(
            f"$.rl.samples: {config.estimator} compares completions of one problem: "
            f"expected 2 or more, found {config.samples}"
        )
    if config.resample and not grouped:
        found.append(
            "$.rl.resample: only rloo and grpo learn nothing from equal rewards of one problem: "
            f"expected 0, found {config.resample}; set rl.estimator to one of them"
        )
    if not config.scale_std and not (policy_gradient and config.estimator == "grpo"):
        found.append(
            "$.rl.scale_std: only grpo divides by the standard deviation: expected true, found "
            "false; set rl.estimator: grpo"
        )
    if config.source == "mix" and config.real_share in (0, 1):
        only = "real" if config.real_share else "synthetic"
        found.append(
            f"$.rl.real_share: a mix has both: expected more than 0 and less than 1, found "
            f"{config.real_share:g}; set rl.source: {only}"
        )
    if not policy_gradient:
        unused: dict[str, tuple[object, object]] = {
            "kl_coefficient": (0, config.kl_coefficient),
            "updates": (1, config.updates),
            "mask_clipped": (False, config.mask_clipped),
            "collapse.entropy": (0, config.collapse.entropy),
        }
        found += [
            f"$.rl.{name}: belongs to method: policy_gradient; expected {default}, found {value}"
            for name, (default, value) in unused.items()
            if value != default
        ]
    return found
