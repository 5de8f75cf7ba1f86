"""Runs whose process was killed: Dagster's history would show them as going on for ever.

Dagster's own run monitoring asks the launcher of a run, and a run within the process of a command
has none. So such a process holds a lock file named after its run, which the system lets go of with
the process; the next one on the same host finds the file there and the lock free.
"""

from __future__ import annotations

import fcntl
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from trace_pipeline.pipeline.locking import in_turn, this_process

FOLDER = "running"
"""Folder of the lock files, beside the history that the runs are in."""

log = logging.getLogger(__name__)


@contextmanager
def noted(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Within it the run ``run_id`` is known to be at work in this process."""
    path = _folder(instance) / run_id
    with in_turn(path):  # whoever looks whether it is at work holds the lock for a moment
        path.write_text(f"{this_process()}\n", encoding="utf-8")
        yield
        path.unlink()  # not after an exception: Dagster may not have been told of the end


def close_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs of this host as failed whose process is gone; their ids.

    One that may be alive is left alone: that of another host, or on a disk that has no locks.
    """
    closed = []
    for path in sorted(_folder(instance).glob("*")):
        try:
            with path.open("r+", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                process = file.read().strip()
                if process.partition(" on ")[2] == socket.gethostname():
                    closed += _close(instance, path.name, process)
                    path.unlink()
        except OSError:  # it is at work, has just ended, or nobody can say
            continue
    return closed


def _close(instance: dg.DagsterInstance, run_id: str, process: str) -> list[str]:
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return []
    text = (
        f"{process} ended without a word: it was killed, or the machine stopped. Training that it "
        "began goes on with the next run of the same experiment."
    )
    instance.report_run_failed(run, text)
    log.warning("run %s: %s", run_id, text)
    return [run_id]


def _folder(instance: dg.DagsterInstance) -> Path:
    return Path(instance.root_directory) / FOLDER
