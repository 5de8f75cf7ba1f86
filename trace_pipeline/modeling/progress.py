"""Progress of long work: a bar on a terminal, log lines at a calm pace elsewhere."""

from __future__ import annotations

import logging
import shutil
import sys
import time

log = logging.getLogger("trace_pipeline.progress")

LINE_SECONDS = 10.0
"""Time between log lines; a line for every step would drown a log."""
BAR_SECONDS = 0.1


class Progress:
    """Counts ``done`` of ``total``; use as a context manager."""

    def __init__(
        self, title: str, total: int, unit: str, done: int = 0, shown: bool = True
    ) -> None:
        """``shown``: False where another process of the same run says it."""
        self._title, self._total, self._unit = title, total, unit
        self._done = self._first = done
        self._note = ""
        self._last: tuple[int, str] | None = None
        """What was shown last, so that the end is not said twice."""
        self._silent = not shown
        self._terminal = sys.stderr.isatty()
        self._start = self._shown = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._silent:
            return
        if self._last != (self._done, self._note):
            self._show()
        if self._terminal:
            sys.stderr.write("\n")

    def update(self, done: int, note: str = "") -> None:
        """Say that ``done`` are done; ``note`` is shown behind (figures with units)."""
        self._done, self._note = done, note
        if self._silent:
            return
        pause = BAR_SECONDS if self._terminal else LINE_SECONDS
        if time.monotonic() - self._shown >= pause:
            self._show()

    def _show(self) -> None:
        self._shown = time.monotonic()
        self._last = (self._done, self._note)
        line = self._line()
        if not self._terminal:
            log.info("%s", line)
            return
        width = shutil.get_terminal_size().columns - 1
        cells = 24
        filled = cells * self._done // max(1, self._total)
        bar = "#" * filled + "." * (cells - filled)
        sys.stderr.write("\r" + f"[{bar}] {line}"[:width].ljust(width))
        sys.stderr.flush()

    def _line(self) -> str:
        elapsed = time.monotonic() - self._start
        line = f"{self._title}: {self._done}/{self._total} {self._unit}, {elapsed:.0f} s"
        if self._first < self._done < self._total:
            left = elapsed / (self._done - self._first) * (self._total - self._done)
            line += f", about {left:.0f} s left"
        return f"{line}, {self._note}" if self._note else line
