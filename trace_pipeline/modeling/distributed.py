"""Several processes, started by ``torchrun``: who does what, and sums over all of them.

Every process holds the whole model and takes its share of each step's batches; gradients are
summed, so that a step's content does not depend on the number of processes. One process is
the case without any communication.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from msgspec import Struct

T = TypeVar("T")

TIED = "--until-stdin-ends"
"""The option by which a command ends with the process that started it."""


class World(Struct, frozen=True):
    """The processes of a run, and which one this is."""

    rank: int = 0
    """From 0; rank 0 writes the files."""
    size: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process writes files and reports progress."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """What of ``items`` this process does: every ``size``-th, from its rank on."""
        return items[self.rank :: self.size]

    def place(self, index: int) -> int:
        """Where among all items the one stands that is ``index`` of this process's share."""
        return self.rank + index * self.size

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()

    def sum(self, values: Sequence[float]) -> list[float]:
        """Element by element over all processes, in float64."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=_device())
        dist.all_reduce(total)
        return [float(value) for value in total]

    def sum_tensors(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by its sum over all processes."""
        if self.size > 1:
            for tensor in tensors:
                dist.all_reduce(tensor)

    def gather(self, items: Sequence[T]) -> list[T]:
        """All processes' ``items`` in the order that :meth:`share` took them apart.

        Items are pickled on their way; they come from this run's own processes.
        """
        if self.size == 1:
            return list(items)
        parts: list[Any] = [None] * self.size
        dist.all_gather_object(parts, list(items))
        length = max(map(len, parts))
        return [part[i] for i in range(length) for part in parts if i < len(part)]


def _device() -> torch.device:
    nccl = dist.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if nccl else torch.device("cpu")


@contextmanager
def joined(device: str = "auto") -> Iterator[World]:
    """The run that ``torchrun`` made this process a part of; alone, a world of one.

    ``device`` is what its processes compute on, as ``model.device`` names it.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or dist.is_initialized():
        yield current_world()
        return
    on_gpus = torch.cuda.is_available() and device != "cpu"
    if on_gpus:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if on_gpus else "gloo")
    try:
        yield current_world()
    finally:
        dist.destroy_process_group()


def sharing(device: torch.device) -> int:
    """How many processes of this run have the memory of ``device`` in common."""
    if device.type != "cpu":
        return 1  # a GPU each
    size = current_world().size
    return int(os.environ.get("LOCAL_WORLD_SIZE", size)) if size > 1 else 1


def current_world() -> World:
    """The processes that this one has been joined with; a world of one if none."""
    if not dist.is_available() or not dist.is_initialized():
        return World()
    return World(dist.get_rank(), dist.get_world_size())


def end_with_stdin() -> None:
    """End this process, wherever it is, once its standard input ends.

    That is a pipe, of which the process that started this one holds the other end and writes
    nothing: the system closes it with that process, however that ends. What a kill at any moment
    leaves behind, this leaves too: a run goes on from its last snapshot.
    """
    threading.Thread(target=_await_end, name="until stdin ends", daemon=True).start()


def _await_end() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(1)
