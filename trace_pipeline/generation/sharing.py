"""Numbered work that this process shares with helpers, whoever is free taking the next piece."""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.sharedctypes import Synchronized

POLL_SECONDS = 0.5
"""Time between looks at what the helpers have done, once nothing is left for this process."""

Make = Callable[[int], object]
"""Does the piece of work of a number."""


class Helpers:
    """Processes that work beside this one; use as a context manager.

    They start at once, so that they prepare themselves while this process does, and wait
    to be told what there is to do. None of them outlives the context, nor this process.
    """

    def __init__(self, count: int, prepare: Callable[[], Make]) -> None:
        """Choose how many.

        Args:
            count: Helpers; with none, this process does all the work.
            prepare: Called once in each of them; it must be picklable.
        """
        self._count = count
        self._prepare = prepare
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
            _hear(waiting)
            yield
        while waiting:
            wait(waiting, POLL_SECONDS)
            _hear(waiting)
            yield


def _hear(waiting: dict[Connection, SpawnProcess]) -> None:
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
                "for want of memory; the same command with fewer goes on with what they finished"
            ) from None
        if error is not None:
            raise error
        del waiting[line]


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
