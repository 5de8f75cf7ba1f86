"""The mean of several trained models' weights, as one model.

Models that were fine-tuned from the same weights often lie in one basin of the loss, and the
mean of their weights is then better than each of them at no cost when it is used ("model soups",
Wortsman et al. 2022, arXiv:2203.05482). Whether it is so here is measured on held-out problems,
not assumed.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from msgspec import to_builtins

from trace_pipeline.experiment import Experiment
from trace_pipeline.modeling.base.base_models import BaseModel
from trace_pipeline.modeling.distributed import World
from trace_pipeline.modeling.network.batching import TraceExample
from trace_pipeline.modeling.network.linear import with_matmul
from trace_pipeline.modeling.storage.checkpoints import (
    CheckpointInfo,
    finished_run,
    load_checkpoint,
    read_info,
    read_weights,
    save_checkpoint,
)
from trace_pipeline.modeling.storage.continuing import require_same
from trace_pipeline.modeling.training.run import OnMetrics, run_fingerprint
from trace_pipeline.modeling.training.validation import Validation
from trace_pipeline.validation import InvalidInputError

log = logging.getLogger(__name__)


def average_checkpoints(
    experiment: Experiment,
    base: BaseModel,
    checkpoints: Sequence[tuple[Path, float]],
    out_dir: Path,
    on_metrics: OnMetrics | None = None,
    validation: Sequence[TraceExample] = (),
) -> CheckpointInfo:
    """Write the weighted mean of ``checkpoints`` as a checkpoint, and how good it is held-out.

    Args:
        experiment: Its sections seed, model, prompt, sft and decoding are read.
        base: The base model of all of them.
        checkpoints: Their folders, and the share of each; shares need not sum to 1.
        out_dir: Gets the checkpoint, whose metrics are the figures.
        on_metrics: Told the figures, as of step 1.
        validation: Held-out examples that the mean is evaluated on.

    Raises:
        InvalidInputError: fewer than two checkpoints, shares without a positive sum, or a
            checkpoint of another base, prompt or trained part, or one that is damaged.
    """
    total = math.fsum(share for _, share in checkpoints)
    if len(checkpoints) < 2 or not total > 0:
        raise InvalidInputError("sft.average: expected two models or more, with shares above 0")
    infos = [read_info(folder) for folder, _ in checkpoints]
    if infos[0].adapters is not None:
        raise InvalidInputError(
            f"{checkpoints[0][0]}: holds LoRA adapters, and the mean of their factors is not that "
            "of what they change; average models of sft.trainable all or last_layers"
        )
    for info, (folder, _) in zip(infos, checkpoints, strict=True):
        require_same(info, experiment, folder)
        if info.tensors != infos[0].tensors:
            raise InvalidInputError(f"{folder}: trained other tensors than {checkpoints[0][0]}")
    parents = [
        (info.weights_sha256, share) for info, (_, share) in zip(infos, checkpoints, strict=True)
    ]
    experiment = with_matmul(experiment, "float")  # nothing is trained
    run = run_fingerprint("sft", experiment, base, [validation], repr(parents))
    finished = finished_run(out_dir, run)
    if finished is not None:
        return finished
    model = experiment.model
    policy = load_checkpoint(checkpoints[0][0], base, model.dtype, model.device, merge=False)
    shares = [(folder, share / total) for folder, share in checkpoints]
    _set_mean(dict(policy.model.named_parameters()), base, shares)
    held_out = Validation(experiment, policy, validation, World())
    figures = held_out.evaluate() if held_out else dict[str, float]()
    log.info("the mean of %d models: %s", len(checkpoints), figures)
    if on_metrics:
        on_metrics(1, figures)
    return save_checkpoint(
        out_dir,
        policy,
        infos[0].tensors,
        stage="sft",
        run=run,
        config=to_builtins(experiment.sft),
        metrics=figures,
    )


@torch.no_grad()
def _set_mean(
    parameters: Mapping[str, torch.Tensor], base: BaseModel, shares: Sequence[tuple[Path, float]]
) -> None:
    """Give the trained tensors of ``parameters`` the weighted mean, summed in float32."""
    mean: dict[str, torch.Tensor] = {}
    for folder, share in shares:
        for name, tensor in read_weights(folder, base).items():
            part = tensor.float() * share
            mean[name] = mean[name] + part if name in mean else part
    for name, tensor in mean.items():
        parameters[name].copy_(tensor)
