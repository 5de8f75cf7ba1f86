"""Servers of our own for a browser to look at, on loopback, ended with their children."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 120.0


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def script(name: str) -> str:
    """The console script ``name`` of this environment."""
    return str(Path(sys.executable).with_name(name))


@contextmanager
def serving(
    command: Sequence[str], folder: Path, port: int, ready: str, log: Path
) -> Iterator[str]:
    """Run ``command`` in ``folder`` until the block ends; the address, once ``ready`` answers."""
    address = f"http://127.0.0.1:{port}"
    environment = os.environ | {"DAGSTER_HOME": str(folder), "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(address + ready):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.5)
        yield address
    finally:
        # The server's own children (code servers, workers) are of its process group.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
