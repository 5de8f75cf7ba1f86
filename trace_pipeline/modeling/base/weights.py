"""Safetensors files: written durably; read without a tensor library; the hash of a model."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from trace_pipeline.validation import InvalidInputError

if TYPE_CHECKING:
    import torch

INDEX = "model.safetensors.index.json"


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that make up the model in ``folder``.

    Raises:
        InvalidInputError: there are none, or the index names one that is missing.
    """
    index = folder / INDEX
    if index.is_file():
        try:
            names = set(msgspec.json.decode(index.read_bytes())["weight_map"].values())
        except (
            msgspec.DecodeError,
            UnicodeDecodeError,
            KeyError,
            TypeError,
            AttributeError,
        ) as error:
            raise InvalidInputError(f"{index}: not a safetensors index: {error}") from None
        missing = sorted(name for name in names if not (folder / name).is_file())
        if missing:
            raise InvalidInputError(f"{folder}: {', '.join(missing)} is missing; copy it there")
        return sorted(folder / name for name in names)
    single = folder / "model.safetensors"
    files = [single] if single.is_file() else sorted(folder.glob("*.safetensors"))
    if not files:
        there = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
        raise InvalidInputError(
            f"{folder}: no safetensors file (there is: {there}); other formats are not loaded, "
            "because they can carry code. Convert the weights with safetensors"
        )
    return files


def weights_sha256(folder: Path) -> str:
    """Hash of a model's tensors: names, types, shapes and values.

    The same for the same tensors, however they are split into files.

    Raises:
        InvalidInputError: no safetensors files, or one of them is torn.
    """
    entries: dict[str, tuple[Path, dict[str, Any], int]] = {}
    for path in weight_files(folder):
        header, start = _header(path)
        for name, entry in header.items():
            if name != "__metadata__":
                entries[name] = (path, entry, start)
    digest = hashlib.sha256()
    maps: dict[Path, mmap.mmap] = {}
    try:
        for name in sorted(entries):
            path, entry, start = entries[name]
            if path not in maps:
                with path.open("rb") as file:
                    maps[path] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            first, last = (start + offset for offset in entry["data_offsets"])
            digest.update(f"{name} {entry['dtype']} {entry['shape']}\n".encode())
            with memoryview(maps[path]) as view, view[first:last] as part:
                digest.update(part)
    finally:
        for mapped in maps.values():
            mapped.close()
    return digest.hexdigest()


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The JSON header of a safetensors file, and where its data begins.

    The format: 8 bytes length (little endian), that many bytes of JSON, then the data.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > size:
                raise ValueError("the header is longer than the file")
            header: dict[str, Any] = msgspec.json.decode(file.read(length))
        start = 8 + length
        ends = [e["data_offsets"][1] for n, e in header.items() if n != "__metadata__"]
        if start + max(ends, default=0) != size:
            raise ValueError("the data is shorter or longer than the header says")
    except (ValueError, KeyError, TypeError, AttributeError, msgspec.DecodeError) as error:
        raise InvalidInputError(
            f"{path}: not a whole safetensors file ({error}); copy or download it again"
        ) from None
    return header, start


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write ``tensors``, from any device, to a safetensors file that is durable on return.

    Raises:
        OSError: the disk is full, or does not let itself be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(whole, path, metadata={"format": "pt"})
    except SafetensorError as error:
        raise OSError(
            f"{path}: cannot be written ({error}); make room on the disk, then the same command "
            "goes on from the snapshot before"
        ) from None
    with path.open("rb+") as file:
        os.fsync(file.fileno())
