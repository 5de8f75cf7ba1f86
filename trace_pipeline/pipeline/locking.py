"""One at a time: what two processes must not do together, on this host or a shared disk."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from trace_pipeline.validation import InvalidInputError

LOCKS = "locks"
"""Folder of an experiment's lock files."""

NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK}
"""What a disk says that has none, as some cluster file systems."""

log = logging.getLogger(__name__)


@contextmanager
def alone(path: Path, what: str) -> Iterator[None]:
    """Be the only one who does ``what``, as long as this process holds the lock file ``path``.

    The system lets go of it with the process, however that ends.

    Raises:
        InvalidInputError: another process does it; the message names that process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            who = file.read().strip() or "another process"
            raise InvalidInputError(
                f"{what} is being made by {who}; wait until it is done, or end it"
            ) from None
        file.truncate(0)
        file.write(f"{this_process()}\n")
        file.flush()
        yield


def this_process() -> str:
    """Names this process, for whoever finds its lock."""
    return f"process {os.getpid()} on {socket.gethostname()}"


@contextmanager
def in_turn(path: Path, what: str = "") -> Iterator[None]:
    """Wait until no other process holds the lock file ``path``, and hold it.

    Whoever has to wait for ``what`` is told so.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        try:
            _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if what:
                log.info("waiting for another process, which makes %s", what)
            _lock(file, fcntl.LOCK_EX)
        yield


def _lock(file: TextIO, how: int) -> None:
    """Lock ``file``; on a disk that has no locks all goes on without, and that is said.

    Raises:
        BlockingIOError: another process has it, and ``how`` does not wait.
    """
    try:
        fcntl.flock(file, how)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        log.warning("%s: this disk has no locks; run one process at a time", file.name)
