"""What a person at a terminal sees of a run: steps, progress, warnings, and plain errors."""

from __future__ import annotations

import logging
import sys
from typing import Any

import dagster as dg

LEVEL = "log_level"

_SHOWN_EVENTS = {"STEP_START": "started", "STEP_SUCCESS": "done"}
_PLAIN_ERRORS = ("InvalidInputError", "ExperimentError", "CatalogError", "MissingUpstreamError")
"""Errors whose message says all; others are shown with their stack."""


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
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return event.message or "failed"
    text = error.message.strip()
    if (error.cls_name or "").rsplit(".", 1)[-1] in _PLAIN_ERRORS:
        return text.partition(": ")[2] or text
    return text + "\n" + "".join(error.stack)


def _failure(event: dg.DagsterEvent) -> str | None:
    return f"failed: {root_error(event)}" if event.is_step_failure else None
