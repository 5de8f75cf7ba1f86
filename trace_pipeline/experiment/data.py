"""The data of an experiment: how much of it, which experts, how worded, how many real problems."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from trace_pipeline.experiment.fields import Count, Positive, Share

EXPERTS = ("arithmetic", "comparison", "composition", "entity_track", "percentage", "rate_equation")
"""Partitions of the synthetic data, alphabetical; ``composition`` joins several experts."""

DEFAULT_MIX: dict[str, float] = {
    "arithmetic": 30,
    "entity_track": 20,
    "comparison": 15,
    "composition": 15,
    "percentage": 10,
    "rate_equation": 10,
}
"""Share of each expert in percent (NOTEBOOK, run 9)."""

MIXES: dict[str, dict[str, float]] = {
    "run_3": {
        "arithmetic": 17,
        "entity_track": 38,
        "comparison": 16,
        "percentage": 12,
        "rate_equation": 17,
    },
    "run_6": {
        "arithmetic": 22,
        "entity_track": 30,
        "comparison": 24,
        "percentage": 12,
        "rate_equation": 12,
    },
    "run_7": {
        "arithmetic": 20,
        "entity_track": 25,
        "comparison": 20,
        "composition": 15,
        "percentage": 10,
        "rate_equation": 10,
    },
    "run_8": DEFAULT_MIX,
    "run_9": DEFAULT_MIX,
}
"""The notebook's distributions by name (run 3: before "Distribution Rebalanced"; run 6: after)."""


Mix = dict[str, Annotated[float, Meta(ge=0)]]


class HeldOutConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the test problems are drawn otherwise than the training examples.

    Experiments that differ in their training data are compared on the same problems this way.
    A field that is not given is as in ``DataConfig``.
    """

    mix: Mix | UnsetType = UNSET
    schemas: Annotated[list[str], Meta(min_length=1)] | UnsetType | None = UNSET
    phrasings: Positive | Literal["all"] | UnsetType = UNSET
    interleaved_ratio: Share | UnsetType | None = UNSET
    composition_share: Share | UnsetType | None = UNSET
    wording: Literal["plain", "varied"] | UnsetType = UNSET


class Gsm8kConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Real training problems: GSM-8K's train split, converted to traces."""

    train: Count | Literal["all"] = 0
    """Converted problems to train on; the validation part of the split is never among them."""
    variants: Count = 0
    """Copies with other numbers of each problem trained on, where its wording allows them."""
    word_problems: list[str] = []
    """Collections of ``word_problems/`` that are trained on beside them, converted and varied
    alike."""
    contrasts: Count = 0
    """Copies of each problem with one relation turned round ("5 more than" as "5 fewer than",
    "twice as many" as "half as many"), where it has one: almost the same words, another trace."""
    intermediate: Count = 0
    """Questions of each problem for results on the way to its answer, as its author describes them;
    beyond those that there are, the same with other numbers."""
    explanations: bool = False
    """Learn to write the author's own solution in words too, as a second task beside the trace."""
    naming: Literal["hybrid", "semantic"] = "hybrid"
    """``semantic`` names computed values by the author's words; ``hybrid`` numbers them."""
    policy: Literal["fitting", "arithmetic"] = "fitting"
    """``fitting`` gives percent, rate and comparison structure to the expert that has it."""
    min_confidence: Share = 0.7
    """Readings less sure than this are not trained on."""

    @property
    def has_examples(self) -> bool:
        """Whether any problem is trained on."""
        return bool(self.train or self.word_problems)


class DataConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The training data of an experiment: synthetic examples and real problems."""

    train: Count = 1500
    """Synthetic training examples over all experts; 0 only where ``gsm8k`` has some to train on."""
    validation: Positive = 100
    """Held-out examples on which choices during training are made."""
    test: Positive = 100
    """Held-out examples that ``synthetic_eval`` scores, once, at the end."""
    mix: Mix = msgspec.field(default_factory=lambda: dict(DEFAULT_MIX))
    """Relative weight of each expert; in a file also the name of one of ``MIXES``."""
    schemas: Annotated[list[str], Meta(min_length=1)] | None = None
    """Schema ids to draw from; all when absent."""
    naming: Literal["hybrid", "semantic", "abstract"] = "hybrid"
    """How variables are named (NOTEBOOK, runs 5, 6, 12 and 13)."""
    phrasings: Positive | Literal["all"] = "all"
    """Phrasings in use per schema (NOTEBOOK, run 4)."""
    interleaved_ratio: Share | None = None
    """Share of arithmetic examples with an init after a computation; unforced when absent."""
    composition_share: Share | None = None
    """Share of compositions; overrides the weight in ``mix`` when given."""
    wording: Literal["plain", "varied"] = "plain"
    """``varied`` perturbs the wording: filler, clause order, synonyms, question form."""
    gsm8k: Gsm8kConfig = Gsm8kConfig()
    held_out: HeldOutConfig | None = None
    """Settings of the test problems alone, where they differ from those above."""

    def of_test(self) -> DataConfig:
        """The settings that the test problems are drawn with."""
        if self.held_out is None:
            return self
        given = {name: getattr(self.held_out, name) for name in HeldOutConfig.__struct_fields__}
        return replace(self, **{k: v for k, v in given.items() if v is not UNSET})
