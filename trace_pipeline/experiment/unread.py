"""Fields that a file sets although, with its other settings, nothing reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from trace_pipeline.experiment.experiment import Experiment


class Rule(Struct, frozen=True):
    """When a field has no effect; a field that ends in a dot is all of a section."""

    field: str
    unread: Callable[[Experiment], bool]
    because: str


SWITCHES = ("iterations",)
"""Fields of a section that say whether the rest of it is read."""

SAMPLED_ALONE = (
    "learning_rate",
    "max_grad_norm",
    "estimator",
    "loss",
    "clip_low",
    "clip_high",
    "baseline_momentum",
    "evaluate_every",
    "save_every",
)
"""Fields of ``rl`` that only policy gradients read: the rounds of expert iteration are SFT."""
TRAINING_ALONE = (
    "dropout",
    "order",
    "learning_rate",
    "warmup_steps",
    "schedule",
    "weight_decay",
    "max_grad_norm",
    "compile",
    "accumulate",
    "save_every",
    "reuse_frozen",
    "evaluate_every",
    "select",
)
"""Fields of ``sft`` that only steps of training read."""


def _trains_nothing(e: Experiment) -> bool:
    return _averages_alone(e) or not e.sft.epochs


def _averages_alone(e: Experiment) -> bool:
    """Whether nothing trains as section ``sft`` says: rounds of expert iteration do."""
    return bool(e.sft.average) and not e.rl.trains_in_rounds


def _iterates_experts(e: Experiment) -> bool:
    return e.rl.method == "expert_iteration"


RULES = (
    *(
        Rule(f"sft.{name}", _trains_nothing, "there is no training (sft.epochs: 0, sft.average)")
        for name in TRAINING_ALONE
    ),
    Rule("sft.epochs", _averages_alone, "sft.average takes the place of training"),
    Rule("sft.reuse_frozen", lambda e: e.sft.trainable == "all", "sft.trainable is all"),
    *(
        Rule(f"rl.{name}", _iterates_experts, "rl.method is expert_iteration")
        for name in SAMPLED_ALONE
    ),
    Rule(
        "rl.expert_iteration.",
        lambda e: not _iterates_experts(e),
        "rl.method is policy_gradient",
    ),
    Rule("rl.real_share", lambda e: e.rl.source != "mix", "rl.source is not mix"),
    Rule("rl.clip_low", lambda e: e.rl.updates == 1, "with rl.updates: 1 no ratio differs from 1"),
    Rule("rl.clip_high", lambda e: e.rl.updates == 1, "with rl.updates: 1 no ratio differs from 1"),
    Rule("decoding.top_p", lambda e: not e.decoding.temperature, "decoding.temperature is 0"),
    Rule("decoding.drafts", lambda e: e.decoding.engine == "vllm", "decoding.engine is vllm"),
    Rule(
        "eval.baseline.few_shot_problems",
        lambda e: not e.eval.baseline.shots,
        "eval.baseline.shots is 0",
    ),
    Rule("sft.layers", lambda e: e.sft.trainable == "all", "sft.trainable is all"),
    Rule("sft.layers", lambda e: e.sft.trainable == "lora", "sft.trainable is lora"),
    Rule("sft.lora.", lambda e: e.sft.trainable != "lora", "sft.trainable is not lora"),
    Rule("rl.", lambda e: not e.rl.iterations, "rl.iterations is 0"),
    Rule(
        "rl.baseline_momentum",
        lambda e: e.rl.estimator != "reinforce",
        "only rl.estimator: reinforce has a moving baseline",
    ),
    Rule(
        "eval.baseline.max_tokens",
        lambda e: not e.eval.baseline.problems and not e.eval.baseline.shots,
        "eval.baseline.problems and eval.baseline.shots are 0",
    ),
    Rule(
        "data.mix.composition",
        lambda e: e.data.composition_share is not None,
        "data.composition_share is given",
    ),
    Rule(
        "data.gsm8k.variants",
        lambda e: not e.data.gsm8k.has_examples,
        "data.gsm8k.train is 0 and data.gsm8k.word_problems is empty",
    ),
    *(
        Rule(f"data.gsm8k.{name}", lambda e: not e.data.gsm8k.train, "data.gsm8k.train is 0")
        for name in ("contrasts", "intermediate", "explanations")
    ),
)


def unread_fields(experiment: Experiment, written: Iterable[str]) -> list[str]:
    """Which of the fields ``written`` in a file have no effect, each with the reason.

    What is inherited does not count: a child may switch off what its parent has set up.
    """
    return [
        f"$.{field}: nothing reads it, because {rule.because}; remove one of the two"
        for field in written
        for rule in RULES
        if _covers(rule.field, field) and rule.unread(experiment)
    ]


def _covers(rule: str, field: str) -> bool:
    if rule.endswith("."):
        return field.startswith(rule) and field.removeprefix(rule) not in SWITCHES
    return field == rule
