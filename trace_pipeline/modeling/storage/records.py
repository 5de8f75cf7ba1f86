"""JSON-lines files that grow with a training run and can be cut back to a snapshot."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from trace_pipeline.validation import InvalidInputError


class RecordFile:
    """Records of a run, one JSON object a line, written through to the disk."""

    def __init__(self, path: Path, size: int = 0) -> None:
        """Open ``path`` and drop what lies beyond ``size`` bytes: a snapshot's count of them.

        Raises:
            InvalidInputError: records that the snapshot counts are gone.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        there = path.stat().st_size if path.exists() else 0
        if there < size:
            raise InvalidInputError(
                f"{path}: {size - there} of {size} bytes of the interrupted run's records are "
                f"gone; put the file back, or remove {path.parent} to start anew"
            )
        self._file = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(size)
        self._file.seek(size)

    def append(self, record: Any) -> None:
        """Add one record: plain data or a struct."""
        self._file.write(msgspec.json.encode(record) + b"\n")
        self._file.flush()

    def sync(self) -> int:
        """Make what was written durable; the size in bytes, for a snapshot."""
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def size_of_records(path: Path, count: int) -> int:
    """Bytes of the first ``count`` records of a file, to cut it back to them."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return sum(len(line) + 1 for line in lines[:count])


def read_records(path: Path) -> list[dict[str, Any]]:
    """All whole records of a file; a last line that a kill cut short is left out."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [msgspec.json.decode(line) for line in lines]
