"""What a person at a terminal sees of a run: steps, progress, warnings, and plain errors."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from dagster_shared.error import SerializableErrorInfo

LEVEL = "log_level"

_SHOWN_EVENTS = {"STEP_START": "started", "STEP_SUCCESS": "done"}
_PLAIN_ERRORS = (
    "InvalidInputError",
    "ExperimentError",
    "GenerationError",
    "CatalogError",
    "MissingUpstreamError",
    "ArtifactError",
    "MissingArtifactError",
    "Failure",
    "DagsterAssetCheckFailedError",
)
"""Errors whose message says all; others are shown with their stack."""

_INTERRUPTS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")
"""What Ctrl-C, or the end of the process from outside, is in Dagster and without it."""

_NO_ROOM = re.compile(r"(?i:errno|os error) (?:27|28|30|122)\b")
"""How Python, Rust and Arrow say that a file is too large, a disk full, read-only or over quota."""


class _Lines(logging.Formatter):
    """``12:30:05  sft_checkpoint  message``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s  %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        meta: dict[str, Any] = getattr(record, "dagster_meta", None) or {}
        event = meta.get("dagster_event")
        text = meta.get("orig_message") or record.getMessage()
        if event is not None:
            text = _SHOWN_EVENTS.get(event.event_type_value) or _failure(event) or text
        step = meta.get("step_key")
        line = f"{step}  {text}" if step else text
        shown = logging.LogRecord(
            record.name, record.levelno, record.pathname, record.lineno, line, None, None
        )
        shown.created = record.created
        return super().format(shown)


class _Worthwhile(logging.Filter):
    """Drops the engine's own events, all but the start, end and failure of steps."""

    def filter(self, record: logging.LogRecord) -> bool:
        event = (getattr(record, "dagster_meta", None) or {}).get("dagster_event")
        if event is None:
            return record.levelno >= logging.INFO
        return event.event_type_value in _SHOWN_EVENTS or event.is_step_failure


@dg.logger(
    config_schema={LEVEL: dg.Field(str, is_required=False, default_value="DEBUG")},
    description="Steps, progress and warnings in plain lines.",
)
def console_logger(context: dg.InitLoggerContext) -> logging.Logger:
    """Plain lines on standard error."""
    level = logging.getLevelName(context.logger_config[LEVEL].upper())
    logger = logging.Logger("trace_pipeline_console", level)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    handler.addFilter(_Worthwhile())
    logger.addHandler(handler)
    return logger


def root_error(event: dg.DagsterEvent) -> str:
    """The message of the error behind a failed step, with its stack if it was unforeseen."""
    error = _root(event)
    if error is None or _is_plain(error) or is_interruption(event):
        return cause(event)
    return f"{error.message.strip()}\n{''.join(error.stack)}"


def cause(event: dg.DagsterEvent) -> str:
    """What :func:`root_error` says without a stack, of an unforeseen error the first line.

    ``event`` is the failure of a step, or that of a run of which no step failed.
    """
    if is_interruption(event):
        return "interrupted"
    error = _root(event)
    if error is None:
        return event.message or "failed"
    text = error.message.strip()
    if not _is_plain(error):
        return text.partition("\n")[0]
    return text.partition(": ")[2] or text


def is_interruption(event: dg.DagsterEvent) -> bool:
    """Whether the step or run failed because somebody stopped it."""
    error = _error(event)
    while error is not None:
        if _name(error) in _INTERRUPTS:
            return True
        error = error.cause
    return False


def _error(event: dg.DagsterEvent) -> SerializableErrorInfo | None:
    failed = event.step_failure_data if event.is_step_failure else event.job_failure_data
    return failed.error


def _root(event: dg.DagsterEvent) -> SerializableErrorInfo | None:
    """The first plain error in the chain of causes, else the last of them."""
    error = _error(event)
    while error is not None and error.cause is not None and not _is_plain(error):
        error = error.cause
    return error


def _is_plain(error: SerializableErrorInfo) -> bool:
    return _name(error) in _PLAIN_ERRORS or _NO_ROOM.search(error.message) is not None


def _name(error: SerializableErrorInfo) -> str:
    return (error.cls_name or "").rsplit(".", 1)[-1]


def _failure(event: dg.DagsterEvent) -> str | None:
    if not event.is_step_failure:
        return None
    return cause(event) if is_interruption(event) else f"failed: {root_error(event)}"
