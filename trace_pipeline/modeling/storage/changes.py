"""How far a checkpoint is from what it started from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import torch

from trace_pipeline.modeling.base.base_models import BaseModel, resolve_base
from trace_pipeline.modeling.base.weights import weight_files
from trace_pipeline.modeling.network.lora import weight_changes
from trace_pipeline.modeling.storage.checkpoints import HEAD, WEIGHTS, read_info
from trace_pipeline.validation import InvalidInputError


def checkpoint_differs_from(
    folder: Path, parent: Path | BaseModel, base: BaseModel | None = None
) -> float:
    """Largest absolute change of any weight against the parent; 0 means nothing was learned.

    Args:
        folder: a checkpoint.
        parent: the checkpoint or base model that it started from.
        base: the base model of both, found by the recorded reference when None.

    Raises:
        InvalidInputError: either cannot be read, or a weight is not finite.
    """
    from safetensors.torch import load_file

    info = read_info(folder)
    child = load_file(folder / WEIGHTS)
    if isinstance(parent, BaseModel) and info.adapters is not None:
        child = weight_changes(child, info.adapters)
        before = {name: torch.zeros_like(change) for name, change in child.items()}
    elif isinstance(parent, BaseModel):
        before = _base_tensors(parent, child.keys())
    else:
        read_info(parent)
        before = load_file(parent / WEIGHTS)
        missing = child.keys() - before.keys()
        if missing:
            before |= _base_tensors(base or resolve_base(info.base), missing)
    if not all(bool(tensor.isfinite().all()) for tensor in child.values()):
        raise InvalidInputError(f"{folder}: holds weights that are not finite; train it again")
    # Tokens of its own give a checkpoint rows that its base lacks.
    changes = [
        float((child[name][: len(tensor)].float() - tensor.float()).abs().max())
        for name, tensor in before.items()
        if name in child
    ]
    if not all(math.isfinite(change) for change in changes):
        raise InvalidInputError(f"{folder}: holds weights that are not finite; train it again")
    return max(changes)


def differs_from_record(folder: Path, parent: Path) -> bool:
    """Whether a checkpoint differs from one of which only the record is here: by their hashes.

    Raises:
        InvalidInputError: either cannot be read, or a weight is not finite.
    """
    from safetensors.torch import load_file

    for tensor in load_file(folder / WEIGHTS).values():
        if not bool(tensor.isfinite().all()):
            raise InvalidInputError(f"{folder}: holds weights that are not finite; train it again")
    return read_info(folder).weights_sha256 != read_info(parent).weights_sha256


def _base_tensors(base: BaseModel, names: Iterable[str]) -> dict[str, torch.Tensor]:
    """Tensors of a base model by name; a head that is tied there equals the embeddings."""
    from safetensors import safe_open

    wanted = set(names)
    found: dict[str, torch.Tensor] = {}
    embeddings: torch.Tensor | None = None
    for path in weight_files(base.folder):
        with safe_open(path, framework="pt") as file:
            there = set(file.keys())
            found |= {name: file.get_tensor(name) for name in wanted & there}
            if HEAD in wanted - found.keys():
                tied = [name for name in there if name.endswith("embed_tokens.weight")]
                embeddings = file.get_tensor(tied[0]) if tied else embeddings
    if HEAD in wanted - found.keys() and embeddings is not None:
        found[HEAD] = embeddings
    if wanted - found.keys():
        raise InvalidInputError(
            f"base model {base.reference!r} has no tensor {min(wanted - found.keys())!r}"
        )
    return found
