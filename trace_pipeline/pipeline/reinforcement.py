"""What a person sees of reinforcement learning: tables, curves, rollouts, why it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from trace_pipeline.evaluation import reward_figure
from trace_pipeline.pipeline import metadata

Record = Mapping[str, Any]

_POLICY_GRADIENT = (
    "iteration", "reward", "correct", "parsed", "baseline", "zero_variance_share", "resampled",
    "clipped_share", "entropy", "kl", "ratio_clip_share", "grad_norm", "longest_chain",
)  # fmt: skip
_EXPERT_ITERATION = (
    "iteration", "problems", "solved", "correct", "parsed", "clipped_share", "distinct_traces",
    "new_traces", "pool_traces", "training_examples", "sft_loss",
)  # fmt: skip
_VALIDATION = ("iteration", "eval_accuracy", "eval_reward", "eval_real_accuracy",
               "eval_real_reward", "validation_reward")  # fmt: skip
_ROLLOUT = ("iteration", "source", "kind", "reward", "advantage", "tokens", "question", "text")
_CURVES = {
    "reward_curve": "reward",
    "validation_curve": "validation_reward",
}


def shown(records: Sequence[Record]) -> dict[str, dg.MetadataValue]:
    """Tables by iteration and curves of a run's metrics."""
    trained = [record for record in records if record["iteration"]]
    columns = _EXPERT_ITERATION if any("solved" in r for r in trained) else _POLICY_GRADIENT
    result: dict[str, dg.MetadataValue] = {}
    if trained:
        result["by_iteration"] = _table(columns, trained)
    measured = [record for record in records if "validation_reward" in record]
    if measured:
        result["validation"] = _table(_VALIDATION, measured)
    lengths = sorted(
        {name for record in trained for name in record if name.startswith("yield_")},
        key=lambda name: int(name.split("_")[1]),
    )
    if lengths:
        result["yield_by_chain_length"] = _table(("iteration", *lengths), trained)
    for title, name in _CURVES.items():
        points = [record for record in records if name in record]
        if points:
            result[title] = metadata.picture(reward_figure(points, reward=name), title)
    return result


def described(stopped: str, selected: int | None) -> dict[str, dg.MetadataValue]:
    """Why the run ended early and which iteration was chosen, where there is something to say."""
    result: dict[str, dg.MetadataValue] = {}
    if stopped:
        result["stopped_early"] = dg.MetadataValue.text(stopped)
    if selected is not None:
        result["selected_iteration"] = dg.MetadataValue.int(selected)
    return result


def samples(rollouts: Sequence[Record], count: int = 6) -> dict[str, dg.MetadataValue]:
    """Some of the kept rollouts of the last iteration, best rewards first, and how many are kept.

    They are spread over the rewards, so that a person sees what earns much and what little.
    """
    if not rollouts:
        return {"rollouts_kept": dg.MetadataValue.int(0)}
    last = max(rollout["iteration"] for rollout in rollouts)
    found = sorted(
        (r for r in rollouts if r["iteration"] == last), key=lambda r: r["reward"], reverse=True
    )
    stride = max(1, len(found) // count)
    rows = [[rollout[name] for name in _ROLLOUT] for rollout in found[::stride][:count]]
    return {
        "rollouts_kept": dg.MetadataValue.int(len(rollouts)),
        "rollouts": metadata.table(_ROLLOUT, rows),
    }


def why_unchanged(records: Sequence[Record], selected: int | None) -> str:
    """Why the checkpoint may equal the one it started from; empty if it should not."""
    trained = [record for record in records if record["iteration"]]
    if not trained:
        return "rl.iterations is 0"
    if selected == 0:
        return (
            "no iteration's validation reward beat that of the SFT checkpoint, which "
            "rl.select: best therefore kept"
        )
    if not any(record.get("grad_norm", 1.0) for record in trained):
        return (
            f"in all {len(trained)} iterations every completion earned the same reward, so there "
            "was nothing to learn from; see docs/training.md, reward 0"
        )
    return ""


def _table(columns: Sequence[str], records: Sequence[Record]) -> dg.MetadataValue:
    there = [name for name in columns if any(name in record for record in records)]
    return metadata.table(there, [[record.get(name, "") for name in there] for record in records])
