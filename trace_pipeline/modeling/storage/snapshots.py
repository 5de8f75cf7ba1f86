"""Snapshots from which an interrupted training run goes on exactly where it was.

Layout: ``<folder>/step-00000020/`` with ``state.safetensors`` (tensors) and
``state.json`` (counters, and the hash of the tensors). A snapshot is written beside and
renamed into place; the two newest are kept, so that one that a full disk or a power cut
tore is recognised by its hash and the one before it is used.

Masters and optimizer states are gigabytes where a step may take a second. So a snapshot that
would bring the time spent on saving over ``MOST`` waits for a later step.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from msgspec import Struct

from trace_pipeline.modeling.base.weights import write_tensors
from trace_pipeline.store import file_sha256, write_json

log = logging.getLogger(__name__)

KEPT = 2
MOST = 0.025
"""Most of a run's time that goes into saving: with tracking, no more than 3 %."""
BYTES_PER_SECOND = 300e6
"""What writing, syncing and hashing is taken to reach before a snapshot has been timed."""
_TENSORS = "state.safetensors"
_STATE = "state.json"


class _StateFile(Struct, frozen=True):
    fingerprint: str
    sha256: str
    counters: dict[str, Any]


class Snapshot(Struct, frozen=True):
    """A state of training."""

    counters: dict[str, Any]
    """Plain data: step, baseline, sizes of the files written so far."""
    tensors: dict[str, torch.Tensor]


class Snapshots:
    """The snapshots of one run; ``fingerprint`` is the hash of all that defines it."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder = folder
        self._fingerprint = fingerprint
        self._began = time.perf_counter()
        self._saving = 0.0
        self._last: float | None = None

    @property
    def share(self) -> float:
        """Share of this process's time since the run began here that went into saving."""
        return self._saving / (time.perf_counter() - self._began)

    def affordable(self, tensors: Mapping[str, torch.Tensor]) -> bool:
        """Whether saving so many bytes now keeps what all saving cost within ``MOST``."""
        cost = self._last
        if cost is None:
            cost = sum(tensor.nbytes for tensor in tensors.values()) / BYTES_PER_SECOND
        elapsed = time.perf_counter() - self._began
        return self._saving + cost <= MOST * (elapsed + cost)

    def save(self, step: int, snapshot: Snapshot) -> None:
        """Store ``snapshot`` and drop all but the newest two."""
        began = time.perf_counter()
        self.folder.mkdir(parents=True, exist_ok=True)
        staging = self.folder / ".staging"  # what a kill left there is overwritten
        staging.mkdir(exist_ok=True)
        try:
            write_tensors(staging / _TENSORS, snapshot.tensors)
            digest = file_sha256(staging / _TENSORS)
            state = _StateFile(self._fingerprint, digest, snapshot.counters)
            write_json(staging / _STATE, state)
            target = self.folder / f"step-{step:08d}"
            shutil.rmtree(target, ignore_errors=True)
            os.rename(staging, target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        for old in self._stored()[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        self._last = time.perf_counter() - began
        self._saving += self._last

    def latest(self) -> Snapshot | None:
        """The newest sound snapshot of this very run; None if there is none.

        Torn ones are passed over; those of a run with other settings are no use to this one.
        """
        from safetensors.torch import load_file

        for path in reversed(self._stored()):
            try:
                state = msgspec.json.decode((path / _STATE).read_bytes(), type=_StateFile)
                if state.fingerprint != self._fingerprint:
                    log.warning("%s belongs to a run with other settings; starting anew", path)
                    return None
                if file_sha256(path / _TENSORS) != state.sha256:
                    raise ValueError("its tensors do not match their hash")
                return Snapshot(state.counters, load_file(path / _TENSORS))
            except (OSError, ValueError, msgspec.MsgspecError) as error:
                log.warning("%s is torn (%s); using the snapshot before it", path, error)
        return None

    def clear(self) -> None:
        """Remove all snapshots, once the run is complete or starts anew."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _stored(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"))
