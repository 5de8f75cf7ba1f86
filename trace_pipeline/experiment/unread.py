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

RULES = (
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
