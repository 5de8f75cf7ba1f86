"""Cautions: what a reader must know before believing a figure."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from trace_pipeline.evaluation.benchmark import BenchmarkKind
from trace_pipeline.evaluation.forgetting import TOLERATED_PERPLEXITY, Forgetting
from trace_pipeline.evaluation.scoring import Evaluation

ENOUGH_PROBLEMS = 100
"""Below this an accuracy says little (NOTEBOOK, run 19: 9 of 10 became 2 of 100)."""

FORMAT_MASTERED = 0.95
"""Share of parsed completions above which the format counts as learnt."""

NEAR_BASE = 0.05
"""Gain in accuracy over the untuned base below which reasoning counts as absent."""

TOLERATED_CLIPPED = 0.02
"""Share of completions that may hit the token limit without a caution."""


class CautionCode(StrEnum):
    """The kinds of caution."""

    FEW_PROBLEMS = "few_problems"
    FORMAT_WITHOUT_REASONING = "format_without_reasoning"
    CLIPPED = "clipped"
    BUILTIN_SAMPLE = "builtin_sample"
    FORGETTING = "forgetting"


class Caution(Struct, frozen=True):
    """One caution in words."""

    code: CautionCode
    text: str


def cautions(
    evaluation: Evaluation, base: Evaluation | None = None, forgetting: Forgetting | None = None
) -> tuple[Caution, ...]:
    """What to know before believing ``evaluation``.

    Args:
        evaluation: the model that a report is about.
        base: the untuned model beside it.
        forgetting: what training cost it elsewhere.
    """
    found = (
        _builtin_sample(evaluation),
        _few_problems(evaluation),
        _format_without_reasoning(evaluation, base),
        _clipped(evaluation),
        _forgetting(forgetting),
    )
    return tuple(caution for caution in found if caution)


def _builtin_sample(evaluation: Evaluation) -> Caution | None:
    if evaluation.kind is not BenchmarkKind.BUILTIN:
        return None
    return Caution(
        CautionCode.BUILTIN_SAMPLE,
        "The problems are the built-in sample, written for this project, not a public benchmark: "
        "do not compare the figures with published ones.",
    )


def _few_problems(evaluation: Evaluation) -> Caution | None:
    if evaluation.total >= ENOUGH_PROBLEMS:
        return None
    interval = evaluation.correct.interval
    return Caution(
        CautionCode.FEW_PROBLEMS,
        f"Only {evaluation.total} problems were evaluated: {evaluation.correct.count} correct "
        f"fits any true accuracy from {100 * interval.low:.1f} to {100 * interval.high:.1f} "
        f"percent. Evaluate {ENOUGH_PROBLEMS} or more before telling runs apart.",
    )


def _format_without_reasoning(evaluation: Evaluation, base: Evaluation | None) -> Caution | None:
    before = base.correct.rate if base else 0.0
    if evaluation.parsed.rate <= FORMAT_MASTERED:
        return None
    if evaluation.correct.rate - before >= NEAR_BASE:
        return None
    beside = f"{100 * before:.1f} percent of the untuned base" if base else "zero"
    return Caution(
        CautionCode.FORMAT_WITHOUT_REASONING,
        f"Format mastered, reasoning absent: {100 * evaluation.parsed.rate:.1f} percent of the "
        f"completions parse, but {100 * evaluation.correct.rate:.1f} percent are correct, within "
        f"{100 * NEAR_BASE:.0f} points of the {beside}. Train on more varied problems; more "
        "steps on the same ones will not help.",
    )


def _clipped(evaluation: Evaluation) -> Caution | None:
    clipped = evaluation.clipped
    if clipped.rate <= TOLERATED_CLIPPED:
        return None
    return Caution(
        CautionCode.CLIPPED,
        f"{clipped.count} of {clipped.total} completions hit the token limit and were cut; "
        "raise decoding.max_tokens or look for runaway repetition.",
    )


def _forgetting(forgetting: Forgetting | None) -> Caution | None:
    if forgetting is None or not forgetting.forgotten:
        return None
    lost = " and ".join(
        f"{drift.growth:.2f} times on {drift.name} ({drift.before:.2f} to {drift.after:.2f} nats "
        "a token)"
        for drift in forgetting.forgotten
    )
    return Caution(
        CautionCode.FORGETTING,
        f"Training made the model forget: its perplexity grew {lost}; more than "
        f"{TOLERATED_PERPLEXITY} times is tolerated. Train fewer layers (sft.trainable, "
        "sft.layers), at a lower learning rate, or for fewer epochs.",
    )
