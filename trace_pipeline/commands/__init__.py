"""The commands of ``trace-pipeline``, by area."""

from __future__ import annotations


def expected_errors() -> tuple[type[Exception], ...]:
    """Errors that are the reader's to mend: shown as one message, without a traceback."""
    from trace_pipeline.store import ArtifactError
    from trace_pipeline.traces import TraceError
    from trace_pipeline.validation import InvalidInputError

    return (InvalidInputError, TraceError, ArtifactError, OSError)
