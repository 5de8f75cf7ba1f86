"""What SFT and RL share: identity of a run, schedule, metrics, errors."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from trace_pipeline.experiment import Experiment, SftConfig, as_before_choices
from trace_pipeline.modeling.base.base_models import BaseModel
from trace_pipeline.modeling.base.devices import require_memory
from trace_pipeline.modeling.distributed import current_world, sharing
from trace_pipeline.modeling.network.batching import TraceExample
from trace_pipeline.modeling.network.trainable import Trainable, training_memory
from trace_pipeline.store import object_sha256
from trace_pipeline.traces import render_trace

log = logging.getLogger(__name__)

OnMetrics = Callable[[int, dict[str, float]], None]
"""Called after each step with its number, from 1, and its figures."""


class TrainingError(RuntimeError):
    """Training that cannot go on; the message says why and what to change."""


def run_fingerprint(
    stage: str,
    experiment: Experiment,
    base: BaseModel,
    data: Sequence[Sequence[TraceExample]],
    parent: str | None = None,
) -> str:
    """Hash of all that defines a training run: settings, seed, base, parent and data."""
    settings = as_before_choices(experiment.to_dict())
    for section in ("sft", "rl"):
        del settings[section]["save_every"]  # how often snapshots are taken changes no result
    settings["sft"].pop("compile", None)  # other kernels, as another device has
    del settings["sft"]["continues"]  # the parent says more than its name
    if not settings["sft"]["dropout"]:  # as before there was a choice
        del settings["sft"]["dropout"]
    sections = ["seed", "model", "prompt", "sft"]
    sections += ["rl", "decoding", "solver"] if stage == "rl" else []
    if stage == "sft" and (judged := judging_settings(settings)):
        settings, sections = settings | {"judged": judged}, [*sections, "judged"]
    digest = hashlib.sha256()
    for examples in data:
        for example in examples:
            line = [example.question, render_trace(example.trace), example.expert]
            line += [words] if (words := getattr(example, "explanation", "")) else []
            digest.update(object_sha256(line).encode())
        digest.update(b"/")
    return object_sha256(
        {
            "stage": stage,
            "settings": {name: settings[name] for name in sections},
            "base": base.sha256,
            "parent": parent,
            "data": digest.hexdigest(),
        }
    )


def judging_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What decides which step's weights SFT keeps, beside its own section, if it decodes for it.

    Args:
        settings: all sections of an experiment as plain data.
    """
    sft, decoding = settings["sft"], settings["decoding"]
    if sft["select"] != "best" or not sft["evaluate_problems"]:
        return {}
    decisive = ("max_tokens", "constrained", "sensible")
    return {**settings["solver"], **{name: decoding[name] for name in decisive if name in decoding}}


def prepare(model: Any, chosen: Trainable, config: SftConfig) -> None:
    """Report what is trained and refuse to start without the memory for it.

    Raises:
        InvalidInputError: too little memory.
    """
    share = chosen.trained / chosen.total
    log.info(
        "training %.1f of %.1f million parameters (%.0f %%) in %s on %s",
        chosen.trained / 1e6, chosen.total / 1e6, 100 * share, model.dtype, model.device,
    )  # fmt: skip
    require_memory(
        training_memory(model, chosen, config.batch_tokens),
        model.device,
        "lower sft.batch_tokens or sft.layers, set sft.trainable: lora, or take a smaller "
        "model.reference; where there are several processes, start fewer",
        sharing(model.device),
    )
    current_world().wait()  # none takes memory while another looks at what is free


def require_finite(name: str, value: float, step: int) -> None:
    """Stop training that has diverged.

    Raises:
        TrainingError: ``value`` is NaN or infinite.
    """
    if not math.isfinite(value):
        raise TrainingError(
            f"{name} is {value} at step {step}: training has diverged. Lower learning_rate or "
            "max_grad_norm, or set model.dtype: float32; nothing of this step was kept"
        )


def synchronise(device: torch.device) -> None:
    """Wait for ``device``, so that clocks measure work and not its queueing."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
