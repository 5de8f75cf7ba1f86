"""Checkpoints: the tensors that training changed, and all that is needed to use them.

A checkpoint folder holds ``weights.safetensors`` (changed tensors only; all of them
after a full fine-tune) and ``checkpoint.json`` (:class:`CheckpointInfo`). It is a delta:
loading it needs its base model, recognised by hash.
"""

from __future__ import annotations

import os
import shutil
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch
from msgspec import Struct

from trace_pipeline.experiment import LoraConfig, PromptConfig
from trace_pipeline.modeling.base.base_models import (
    BaseModel,
    load_model,
    resolve_base,
)
from trace_pipeline.modeling.base.prompts import Prompt, Shot
from trace_pipeline.modeling.base.trace_tokens import make_room, prompt_tokenizer
from trace_pipeline.modeling.base.weights import write_tensors
from trace_pipeline.modeling.network.lora import add_adapters, merge_adapters
from trace_pipeline.modeling.network.trainable import untie_head
from trace_pipeline.provenance import library_versions, utc_now
from trace_pipeline.store import file_sha256, write_json
from trace_pipeline.validation import InvalidInputError

WEIGHTS = "weights.safetensors"
INFO = "checkpoint.json"
HEAD = "lm_head.weight"
FORMAT = 1


class CheckpointInfo(Struct, frozen=True, kw_only=True):
    """What a checkpoint is and how it is used."""

    stage: Literal["sft", "rl"]
    kind: Literal["delta", "full", "lora"]
    """``full`` holds every tensor of the model, ``lora`` adapters to its weights."""
    base: str
    """Reference of the base model."""
    base_sha256: str
    weights_sha256: str
    """Hash of ``weights.safetensors``."""
    tensors: tuple[str, ...]
    """Names of the tensors in it, which are those that were trained."""
    run: str
    """Fingerprint of all that defines the run which made it."""
    prompt: PromptConfig
    prompt_description: dict[str, Any]
    config: dict[str, Any]
    """The settings of the stage that made it."""
    metrics: dict[str, float]
    """Final figures of that stage."""
    stopped: str = ""
    """Why training ended before its last step; empty where it did not."""
    selected: int | None = None
    """The step or iteration with the best validation figure, whose weights these are; None
    where the last one's were taken."""
    adapters: LoraConfig | None = None
    """Of the kind ``lora``: what the adapters are."""
    parent: str | None = None
    """``weights_sha256`` of the checkpoint it started from."""
    parameters_trained: int
    parameters_total: int
    libraries: dict[str, str]
    created: str
    elsewhere: bool = False
    """Whether the weights stayed where they were made: this is the record of them alone."""
    format: int = FORMAT


@dataclass(frozen=True)
class Policy:
    """A model that writes traces: weights, prompt, and where they came from."""

    model: Any
    """A transformers causal language model."""
    prompt: Prompt
    base: BaseModel
    info: CheckpointInfo | None = None
    """None for an untuned base model."""
    adapters: LoraConfig | None = None
    """What adapters the model has; None if it has none, or they are merged."""


def load_base_policy(
    base: BaseModel,
    prompt: PromptConfig,
    dtype: str = "auto",
    device: str = "auto",
    shots: tuple[Shot, ...] = (),
) -> Policy:
    """The untuned base model with a prompt.

    Raises:
        InvalidInputError: a model or tokenizer that cannot be used.
    """
    rendered = Prompt(prompt, prompt_tokenizer(base, prompt), shots)
    model = load_model(base, dtype, device)
    if prompt.trace_tokens:
        make_room(model, base, rendered.tokenizer)
    return Policy(model, rendered, base)


def read_info(folder: Path) -> CheckpointInfo:
    """The description of the checkpoint in ``folder``.

    Raises:
        InvalidInputError: no checkpoint there, or one of another format.
    """
    path = folder / INFO
    if not path.is_file():
        raise InvalidInputError(f"{folder}: no checkpoint here ({INFO} is missing); train one")
    try:
        info = msgspec.json.decode(path.read_bytes(), type=CheckpointInfo)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path}: not a checkpoint's description: {error}") from None
    if info.format != FORMAT:
        raise InvalidInputError(
            f"{path}: format {info.format}, this version reads {FORMAT}; train it again"
        )
    return info


def save_checkpoint(
    folder: Path,
    policy: Policy,
    names: tuple[str, ...],
    *,
    stage: Literal["sft", "rl"],
    run: str,
    config: dict[str, Any],
    metrics: dict[str, float],
    stopped: str = "",
    selected: int | None = None,
) -> CheckpointInfo:
    """Write the tensors ``names`` of ``policy`` and their description into ``folder``.

    The description is written last, so a folder with one is complete.
    """
    parameters = dict(policy.model.named_parameters())
    tensors = {name: parameters[name] for name in names}
    folder.mkdir(parents=True, exist_ok=True)
    staged = folder / f".{WEIGHTS}.partial"  # what a kill left there is overwritten
    try:
        write_tensors(staged, tensors)
        os.replace(staged, folder / WEIGHTS)
    finally:
        staged.unlink(missing_ok=True)
    info = CheckpointInfo(
        stage=stage,
        kind=_kind(policy, len(names) == len(parameters)),
        adapters=policy.adapters,
        base=policy.base.reference,
        base_sha256=policy.base.sha256,
        weights_sha256=file_sha256(folder / WEIGHTS),
        tensors=names,
        run=run,
        prompt=policy.prompt.config,
        prompt_description=policy.prompt.describe(),
        config=config,
        metrics=metrics,
        stopped=stopped,
        selected=selected,
        parent=policy.info.weights_sha256 if policy.info else None,
        parameters_trained=sum(tensor.numel() for tensor in tensors.values()),
        parameters_total=sum(parameter.numel() for parameter in parameters.values()),
        libraries=library_versions(),
        created=utc_now(),
    )
    write_json(folder / INFO, info)
    return info


def hand_on_checkpoint(
    source: Path,
    folder: Path,
    base: BaseModel,
    *,
    stage: Literal["sft", "rl"],
    run: str,
    config: dict[str, Any],
) -> CheckpointInfo:
    """Write the checkpoint in ``source`` into ``folder`` as that of a stage that trains nothing.

    The weights are the same file, so that their hash is the same on every machine, whatever
    precision it computes in. Of weights that are elsewhere the record is handed on.

    Raises:
        InvalidInputError: no checkpoint of ``base`` there, or its weights are missing or altered.
    """
    info = read_info(source)
    _require_base(source, info, base)
    folder.mkdir(parents=True, exist_ok=True)
    if not info.elsewhere:
        require_weights(source, info)
        staged = folder / f".{WEIGHTS}.partial"
        try:
            shutil.copyfile(source / WEIGHTS, staged)
            os.replace(staged, folder / WEIGHTS)
        finally:
            staged.unlink(missing_ok=True)
    handed_on = msgspec.structs.replace(
        info,
        stage=stage,
        run=run,
        config=config,
        metrics={},
        stopped="",
        selected=None,
        parent=info.weights_sha256,
        libraries=library_versions(),
        created=utc_now(),
    )
    write_json(folder / INFO, handed_on)
    return handed_on


def require_weights(folder: Path, info: CheckpointInfo, base: BaseModel | None = None) -> Path:
    """The weights that ``info`` describes.

    Raises:
        InvalidInputError: they are elsewhere, lost, not these, or changes of another base than
            ``base``.
    """
    if base is not None:
        _require_base(folder, info, base)
    weights = folder / WEIGHTS
    if info.elsewhere:
        raise InvalidInputError(
            f"{weights}: stayed where it was trained, only its record is here; bring the "
            "checkpoint with its weights (trace-pipeline bring), or train it here (trace-pipeline "
            "run --retrain)"
        )
    if not weights.is_file() or file_sha256(weights) != info.weights_sha256:
        raise InvalidInputError(f"{weights}: missing or altered since it was saved; train it again")
    return weights


def _require_base(folder: Path, info: CheckpointInfo, base: BaseModel) -> None:
    if base.sha256 != info.base_sha256:
        raise InvalidInputError(
            f"{folder}: a checkpoint of base model {info.base!r} ({info.base_sha256[:12]}), not of "
            f"{base.reference!r} ({base.sha256[:12]}); give the base that it was trained from"
        )


def _kind(policy: Policy, everything: bool) -> Literal["delta", "full", "lora"]:
    if policy.adapters is not None:
        return "lora"
    return "full" if everything else "delta"


def finished_run(folder: Path, *runs: str) -> CheckpointInfo | None:
    """The checkpoint in ``folder`` if one of ``runs`` has made it already.

    Raises:
        InvalidInputError: another run's checkpoint is there.
    """
    if not (folder / INFO).exists():
        return None
    info = read_info(folder)
    if info.run not in runs:
        raise InvalidInputError(
            f"{folder}: holds the finished checkpoint of another run; give a new folder"
        )
    return info


def read_weights(folder: Path, base: BaseModel) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint of ``base``, as they were saved.

    Raises:
        InvalidInputError: no checkpoint, a damaged one, or one of another base model.
    """
    from safetensors.torch import load_file

    info = read_info(folder)
    tensors: dict[str, torch.Tensor] = load_file(require_weights(folder, info, base))
    return tensors


def load_checkpoint(
    folder: Path,
    base: BaseModel | None = None,
    dtype: str = "auto",
    device: str = "auto",
    merge: bool = True,
) -> Policy:
    """The trained model of a checkpoint, with the prompt that it was trained with.

    Args:
        folder: written by :func:`save_checkpoint`.
        base: its base model; found by the recorded reference when None.
        dtype: ``auto``, ``float32`` or ``bfloat16``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        merge: add adapters (LoRA) to the weights; training goes on from unmerged ones.

    Raises:
        InvalidInputError: no checkpoint, a damaged one, or one of another base model.
    """
    info = read_info(folder)
    if base is None:
        base = resolve_base(info.base)
    tensors = read_weights(folder, base)
    policy = load_base_policy(base, info.prompt, dtype, device)
    model = policy.model
    if info.adapters is not None:
        add_adapters(model, info.adapters)
    elif HEAD in tensors:
        untie_head(model)
    parameters = dict(model.named_parameters())
    unknown = sorted(tensors.keys() - parameters.keys())
    if unknown:
        raise InvalidInputError(f"{folder / WEIGHTS}: the base model has no tensor {unknown[0]!r}")
    with torch.no_grad():
        for name, tensor in tensors.items():
            parameters[name].copy_(tensor)
    adapters = info.adapters
    if adapters is not None and merge:
        merge_adapters(model)
        adapters = None
    return replace(policy, info=info, adapters=adapters)


def export_checkpoint(folder: Path, target: Path, base: BaseModel | None = None) -> None:
    """Write a checkpoint as a plain transformers folder, usable without its base.

    Raises:
        InvalidInputError: ``target`` exists, or the checkpoint cannot be loaded.
    """
    if target.exists():
        raise InvalidInputError(f"{target}: exists; name a folder that does not")
    policy = load_checkpoint(folder, base, device="cpu")
    staging = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        policy.model.save_pretrained(staging)
        policy.prompt.tokenizer.save_pretrained(staging)
        os.rename(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
