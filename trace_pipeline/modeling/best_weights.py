"""The trained tensors with the best validation score so far, on disk beside the snapshots."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from msgspec import Struct

from trace_pipeline.modeling.training import TrainingError
from trace_pipeline.modeling.weights import write_tensors
from trace_pipeline.store import file_sha256

_FILE = "best.safetensors"


class Best(Struct, frozen=True):
    """Which weights were best, for a snapshot."""

    step: int
    """Steps, or iterations, that had been taken; 0 is where training started."""
    score: float
    sha256: str
    """Of the file of tensors."""


class BestWeights:
    """Keeps the best of a run that is offered to it.

    A run that was killed repeats the steps after its snapshot exactly; so what was offered
    in them is offered again, and the file holds what it held.
    """

    def __init__(
        self, folder: Path, model: Any, names: tuple[str, ...], best: Best | None = None
    ) -> None:
        self._path = folder / _FILE
        parameters = dict(model.named_parameters())
        self._parameters = {name: parameters[name] for name in names}
        self.best = best

    def offer(self, step: int, score: float) -> None:
        """Keep the weights as they are now if ``score`` beats all before it."""
        if self.best is not None and score <= self.best.score:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")  # what a kill left there is overwritten
        write_tensors(partial, self._parameters)
        os.replace(partial, self._path)
        self.best = Best(step, score, file_sha256(self._path))

    @torch.no_grad()
    def restore(self) -> None:
        """Put the best weights into the model.

        Raises:
            TrainingError: the file was altered.
        """
        from safetensors.torch import load_file

        assert self.best is not None
        if not self._path.is_file() or file_sha256(self._path) != self.best.sha256:
            raise TrainingError(
                f"{self._path}: missing or altered since step {self.best.step}; remove "
                f"{self._path.parent} and train again"
            )
        for name, tensor in load_file(self._path).items():
            self._parameters[name].copy_(tensor)
