"""Where and with what a result was made: revision, versions, time."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

from msgspec import Struct

LIBRARIES = ("trace-pipeline", "torch", "transformers", "numpy", "msgspec", "dagster", "mlflow")


class GitState(Struct, frozen=True):
    """Revision of the checkout; ``unknown`` outside one."""

    revision: str
    dirty: bool

    def describe(self) -> str:
        """The revision, and whether files differ from it."""
        return self.revision + (" (changed)" if self.dirty else "")


@cache
def git_state() -> GitState:
    """Revision of the project's checkout, asked once in a process."""
    folder = Path(__file__).parent
    try:
        revision = _git(folder, "rev-parse", "HEAD")
        return GitState(revision, bool(_git(folder, "status", "--porcelain")))
    except (OSError, subprocess.SubprocessError):
        return GitState("unknown", False)


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()


@cache
def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on, where installed."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def utc_now() -> str:
    """The time, UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
