"""The trained tensors with the best validation score so far, on disk beside the snapshots."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from msgspec import Struct

from trace_pipeline.modeling.base.weights import write_tensors
from trace_pipeline.modeling.training.run import TrainingError
from trace_pipeline.store import file_sha256

_FILES = "best*.safetensors"


class Best(Struct, frozen=True):
    """Which weights were best, for a snapshot."""

    step: int
    """Steps, or iterations, that had been taken; 0 is where training started."""
    score: float
    sha256: str
    """Of the file of tensors."""


class BestWeights:
    """Keeps the best of a run that is offered to it.

    What the newest snapshot names stays beside what has been better since: a run that was killed
    repeats the steps after its snapshot, and with another number of processes, or on a GPU,
    the sums may be ordered otherwise, so that these steps are not better again.
    """

    def __init__(
        self, folder: Path, model: Any, names: tuple[str, ...], best: Best | None = None
    ) -> None:
        self._folder = folder
        self._kept = set(folder.glob(_FILES)) if best else set()
        self._newest: Path | None = None
        parameters = dict(model.named_parameters())
        self._parameters = {name: parameters[name] for name in names}
        self.best = best

    def offer(self, step: int, score: float) -> None:
        """Keep the weights as they are now if ``score`` beats all before it."""
        if self.best is not None and score <= self.best.score:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"best-{step:08d}.safetensors"
        partial = self._folder / "best.partial"  # what a kill left there is overwritten
        write_tensors(partial, self._parameters)
        os.replace(partial, path)
        self.best, self._newest = Best(step, score, file_sha256(path)), path
        self._drop_others()

    def saved(self) -> None:
        """A snapshot that names :attr:`best` has been stored: only that counts from now on."""
        if self._newest is not None:
            self._kept = {self._newest}
            self._drop_others()

    def _drop_others(self) -> None:
        for path in self._folder.glob(_FILES):
            if path != self._newest and path not in self._kept:
                path.unlink()

    @torch.no_grad()
    def restore(self) -> None:
        """Put the best weights into the model.

        Raises:
            TrainingError: the file was altered.
        """
        from safetensors.torch import load_file

        assert self.best is not None
        there = sorted(self._folder.glob(_FILES))
        path = next((path for path in there if file_sha256(path) == self.best.sha256), None)
        if path is None:
            raise TrainingError(
                f"{self._folder}: the best weights, those of step {self.best.step}, are missing "
                "or were altered; remove the folder and train again"
            )
        for name, tensor in load_file(path).items():
            self._parameters[name].copy_(tensor)
