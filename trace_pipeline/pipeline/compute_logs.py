"""What steps print, kept for the UI, by helpers that leave Ctrl-C to the run itself.

Dagster shows a step's output through ``tail`` and a script that watches over it. A terminal sends
Ctrl-C to both: the first would end before it has shown how the run ended, the second with a stack
of its own.
"""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from dagster._core.storage.compute_log_manager import CapturedLogContext
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._serdes import ConfigurableClassData


class UninterruptedComputeLogManager(LocalComputeLogManager):
    """Dagster's own logs in a local folder; their helpers end with the step alone."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> UninterruptedComputeLogManager:
        """The manager that ``dagster.yaml`` describes."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Generator[CapturedLogContext, None, None]:
        """Keep what is printed within it."""
        with ExitStack() as stack:
            with _started_without_interrupts():
                captured = stack.enter_context(super().capture_logs(log_key))
            yield captured


@contextmanager
def _started_without_interrupts() -> Iterator[None]:
    """Processes that this thread starts within it never see Ctrl-C.

    One that comes meanwhile waits for the end, unless another thread takes it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
