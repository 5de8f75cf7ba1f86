"""What the frozen layers make of each sequence, kept from its first use for all others.

Where only the top of a model is trained, its lower part gives the same states in every
epoch, and in every evaluation. They are computed batch by batch of the *first* epoch's plan,
whichever is asked for first, so a resumed run computes the very bits that the interrupted one had.
Evaluations have one plan: their states are those that would be computed anew.
"""

from __future__ import annotations

import itertools
import logging
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from trace_pipeline.modeling.network.batching import Batch, Sequences, collate
from trace_pipeline.modeling.network.forward import frozen_layers, lower_states
from trace_pipeline.modeling.network.rows import PLAIN, Kernels

log = logging.getLogger(__name__)

DISK_SHARE = 0.5
"""Most of the free disk space that is taken; the system drops its pages from memory if need be."""


class FrozenStates:
    """States (tokens, H) of all sequences in a file that is gone with the process."""

    def __init__(
        self,
        model: Any,
        sequences: Sequence[Sequences],
        batches: Sequence[Sequence[int]],
        folder: Path,
        kernels: Kernels = PLAIN,
    ) -> None:
        """``batches``: in which they are computed; a sequence of which is asked is in exactly one.

        ``size`` is what they take on the disk, in bytes, once all are known.
        """
        self._model, self._sequences, self._kernels = model, sequences, kernels
        self._batches = {index: batch for batch in batches for index in batch}
        lengths = [len(s) for s in sequences]
        self._starts = [0, *itertools.accumulate(lengths)]
        self._known = [False] * len(sequences)
        shape = (self._starts[-1], model.config.hidden_size)
        self.size = size_of_states(model, sequences)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".frozen-") as file:
            # The mapping outlives the name, so that a kill leaves nothing behind.
            self._states = torch.from_file(
                file.name, shared=True, size=shape[0] * shape[1], dtype=model.dtype
            ).view(shape)

    def of(self, indices: Sequence[int], batch: Batch) -> torch.Tensor:
        """(N, H) for ``batch``, the collated sequences ``indices``."""
        for index in indices:
            if not self._known[index]:
                self._compute(self._batches[index])
        rows, depths = self._places(batch)
        starts = torch.tensor([self._starts[i] for i in indices])
        return self._states[starts[rows] + depths].to(self._model.device)

    def _compute(self, indices: Sequence[int]) -> None:
        batch = collate([self._sequences[i] for i in indices]).to(self._model.device)
        states = lower_states(self._model, batch, self._kernels).cpu()
        for row, index in enumerate(indices):
            path = batch.paths[row, : len(self._sequences[index])].cpu()
            self._states[self._starts[index] : self._starts[index + 1]] = states[path]
            self._known[index] = True

    @staticmethod
    def _places(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Row and position where each node comes first."""
        homes, width = batch.homes.cpu(), batch.paths.shape[1]
        return homes // width, homes % width


def keep_frozen_states(
    model: Any,
    sequences: Sequence[Sequences],
    batches: Sequence[Sequence[int]],
    folder: Path,
    kernels: Kernels = PLAIN,
    taken: int = 0,
    processes: int = 1,
) -> FrozenStates | None:
    """States to reuse; None where nothing is frozen below, or the disk has no room for them.

    Args:
        model: the model in training.
        sequences: those that are asked for, again and again.
        batches: see :class:`FrozenStates`.
        folder: on the disk that the file is to be on.
        kernels: how the layers are computed.
        taken: bytes of the free space that other files like it are going to fill.
        processes: how many fill such a file with all of the sequences.
    """
    layers = frozen_layers(model)
    if not layers:
        return None
    size = taken + processes * size_of_states(model, sequences)
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if size > DISK_SHARE * free:
        log.warning(
            "the outputs of the %d frozen layers would take %.1f GiB of the %.1f GiB free in %s; "
            "they are computed anew each time",
            layers, size / 2**30, free / 2**30, folder,
        )  # fmt: skip
        return None
    states = FrozenStates(model, sequences, batches, folder, kernels)
    log.info("keeping the outputs of %d frozen layers (%.2f GiB)", layers, states.size / 2**30)
    return states


def size_of_states(model: Any, sequences: Sequence[Sequences]) -> int:
    """Bytes of the states of ``sequences``."""
    tokens = sum(len(s) for s in sequences)
    return int(tokens * model.config.hidden_size * model.dtype.itemsize)
