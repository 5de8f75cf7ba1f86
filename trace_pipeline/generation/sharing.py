"""Numbered work that this process shares with helpers, whoever is free taking the next piece."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from types import ModuleType
from typing import TypeVar

POLL_SECONDS = 0.5
"""Time between looks at what the helpers have done, once nothing is left for this process."""
PIECE = 256
"""Items of :func:`shared_map` that are taken at a time: about a second of conversion."""
MOST_CORES = 16
"""More are not taken unasked: in a container a host may show cores that are another's."""

Make = Callable[[int], object]
"""Does the piece of work of a number."""
Item = TypeVar("Item")
Result = TypeVar("Result")


def usable_cores() -> int:
    """The cores that this process may use: OMP_NUM_THREADS of them where that is set."""
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    bound = int(allowed) if allowed.isdecimal() and int(allowed) else MOST_CORES
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), bound)
    return min(os.cpu_count() or 1, bound)


def shared_map(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    processes: int,
    piece: int = PIECE,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Result]:
    """``function`` of each of ``items`` in their order, whatever the number of processes.

    Args:
        function: Picklable where there is more than one process, as are items and results, and of
            a module that can be imported, not of the script that runs.
        items: What it is called with.
        processes: How many share the work, this one among them, which does it all where there
            are no more than ``piece`` items.
        piece: Items that one of them takes at a time.
        progress: Told now and then how many items are done.

    Raises:
        ChildProcessError: one of the processes was killed.
        Exception: what ``function`` raised.
    """
    starts = range(0, len(items), piece)
    if min(processes, len(starts)) <= 1:
        made_here = []
        for item in items:
            made_here.append(function(item))
            progress(len(made_here))
        return made_here
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        here: dict[int, list[Result]] = {}

        def make(number: int) -> None:
            here[number] = _piece(function, folder, number)

        there = partial(_map_pieces, function, folder)
        count = min(processes, len(starts)) - 1
        with Helpers(count, there, "OMP_NUM_THREADS=1 does with one") as helpers:
            for number, start in enumerate(starts):
                (folder / f"{number}.items").write_bytes(pickle.dumps(items[start : start + piece]))
            for _ in helpers.share(range(len(starts)), make):
                done = len(here) + sum(1 for _ in folder.glob("*.results"))
                progress(min(done * piece, len(items)))
        results: list[Result] = []
        for number in range(len(starts)):
            made = here.pop(number, None)
            if made is None:
                made = pickle.loads((folder / f"{number}.results").read_bytes())
            results += made
        return results


def _map_pieces(function: Callable[[Item], Result], folder: Path) -> Make:
    """What a helper of :func:`shared_map` does with the piece of a number."""

    def make(number: int) -> None:
        made = pickle.dumps(_piece(function, folder, number))
        (folder / f"{number}.results").write_bytes(made)

    return make


def _piece(function: Callable[[Item], Result], folder: Path, number: int) -> list[Result]:
    items: Sequence[Item] = pickle.loads((folder / f"{number}.items").read_bytes())
    return [function(item) for item in items]


class Helpers:
    """Processes that work beside this one; use as a context manager.

    They start at once, so that they prepare themselves while this process does, and wait
    to be told what there is to do. None of them outlives the context, nor this process.
    """

    def __init__(
        self,
        count: int,
        prepare: Callable[[], Make],
        remedy: str = "the same command with fewer goes on with what they finished",
    ) -> None:
        """Choose how many.

        Args:
            count: Helpers; with none, this process does all the work.
            prepare: Called once in each of them; picklable, and of a module that can be imported,
                not of the script that runs.
            remedy: What to do where one of them is killed, for the message.
        """
        self._count = count
        self._prepare = prepare
        self._remedy = remedy
        self._working: dict[Connection, SpawnProcess] = {}
        self._taken: Synchronized[int] | None = None

    def __enter__(self) -> Helpers:
        if self._count > 0:
            # Spawned, not forked: a fork would copy the locks of whatever threads there are.
            context = multiprocessing.get_context("spawn")
            self._taken = context.Value("l", 0)
            # Helpers keep the mask that they are born with: an interrupt from the keyboard is
            # told to this process alone, which then ends them, and not to all of them at once.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                for _ in range(self._count):
                    ours, theirs = context.Pipe()
                    arguments = (theirs, self._taken, self._prepare)
                    process = context.Process(target=_help, args=arguments, daemon=True)
                    with _without_main():
                        process.start()
                    theirs.close()
                    self._working[ours] = process
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._working.values():
            process.terminate()
        for line, process in self._working.items():
            process.join()
            line.close()

    def share(self, numbers: Sequence[int], make: Make) -> Iterator[None]:
        """Do the pieces ``numbers``, here by ``make``; a look whenever some may be done.

        The pieces are begun in their order, each by whichever process is free.

        Raises:
            ChildProcessError: a helper that was killed.
            Exception: what a helper raised.
        """
        waiting = dict(self._working)
        for line in waiting:
            with suppress(ConnectionError):  # It has failed, and the reason can be read below.
                line.send(numbers)
        for number in _turns(numbers, self._taken):
            make(number)
            self._hear(waiting)
            yield
        while waiting:
            wait(waiting, POLL_SECONDS)
            self._hear(waiting)
            yield

    def _hear(self, waiting: dict[Connection, SpawnProcess]) -> None:
        """Strike off the helpers that are done, and raise what one has failed with."""
        for line, process in list(waiting.items()):
            if not line.poll():
                continue
            try:
                error = line.recv()
            except (EOFError, ConnectionError):
                process.join()
                raise ChildProcessError(
                    f"one of the processes ended with exit code {process.exitcode}, killed perhaps "
                    f"for want of memory; {self._remedy}"
                ) from None
            if error is not None:
                raise error
            del waiting[line]


@contextmanager
def _without_main() -> Iterator[None]:
    """Within it, a spawned process does not import the script that runs here.

    It needs nothing of it; and a script that does not ask for its ``__name__`` would begin anew
    in each of them.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _turns(numbers: Sequence[int], taken: Synchronized[int] | None) -> Iterator[int]:
    """The numbers that fall to this process; ``taken`` counts those that any has taken."""
    if taken is None:
        yield from numbers
        return
    while True:
        with taken.get_lock():
            turn = taken.value
            taken.value = turn + 1
        if turn >= len(numbers):
            return
        yield numbers[turn]


def _help(line: Connection, taken: Synchronized[int], prepare: Callable[[], Make]) -> None:
    """What a helper does; in the end it says None, or what it failed with."""
    outcome: Exception | None = None
    try:
        make = prepare()
        try:
            numbers = line.recv()
        except EOFError:  # The parent was killed.
            return
        for number in _turns(numbers, taken):
            if _orphaned():
                return
            make(number)
    except Exception as error:
        error.add_note(f"In a process beside this one: {traceback.format_exc()}")
        outcome = error
    with suppress(ConnectionError):
        line.send(outcome)


def _orphaned() -> bool:
    """Whether the parent was killed: the work is another's now."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()
