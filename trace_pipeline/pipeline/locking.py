"""One at a time: what two processes must not do together, on this host or a shared disk."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trace_pipeline.validation import InvalidInputError


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
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            who = file.read().strip() or "another process"
            raise InvalidInputError(
                f"{what} is being made by {who}; wait until it is done, or end it"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield


@contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Wait until no other process holds the lock file ``path``, and hold it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
