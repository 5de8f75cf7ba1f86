"""What a checkpoint must have for an experiment to go on from it."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import to_builtins

from trace_pipeline.experiment import Experiment, LoraConfig
from trace_pipeline.modeling.network.trainable import layers_of
from trace_pipeline.modeling.storage.checkpoints import CheckpointInfo
from trace_pipeline.validation import InvalidInputError

_KINDS = {"last_layers": "delta", "all": "full", "lora": "lora"}


def require_same(info: CheckpointInfo, experiment: Experiment, start: Path) -> None:
    """Refuse a checkpoint of another prompt or another trained part than the experiment's.

    Raises:
        InvalidInputError: it says what differs.
    """
    if info.prompt != experiment.prompt:
        raise InvalidInputError(
            f"{start}: was trained with the prompt {to_builtins(info.prompt)}, the experiment has "
            f"{to_builtins(experiment.prompt)}; make them the same"
        )
    config = experiment.sft
    if info.kind != _KINDS[config.trainable]:
        trained = next(name for name, kind in _KINDS.items() if kind == info.kind)
        raise InvalidInputError(
            f"{start}: trained {trained}; set sft.trainable to that to go on from it"
        )
    if info.kind == "delta" and (layers := len(layers_of(info.tensors))) != config.layers:
        raise InvalidInputError(
            f"{start}: trained {layers} layers; set sft.layers to that to go on from it, found "
            f"{config.layers}"
        )
    if info.adapters is not None and _in_order(info.adapters) != _in_order(config.lora):
        raise InvalidInputError(
            f"{start}: has the adapters {to_builtins(info.adapters)}; set sft.lora to that to go "
            f"on from it, found {to_builtins(config.lora)}"
        )


def _in_order(adapters: LoraConfig) -> LoraConfig:
    return msgspec.structs.replace(adapters, targets=tuple(sorted(adapters.targets)))
