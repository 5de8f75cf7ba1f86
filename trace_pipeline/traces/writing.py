"""Typed traces to their canonical text: block style outside, flow style for each step."""

from __future__ import annotations

import json
from typing import Any

from trace_pipeline.traces.numbers import format_number
from trace_pipeline.traces.operations import OP_NAMES, OPERATIONS
from trace_pipeline.traces.shape import is_name
from trace_pipeline.traces.steps import Step, SubTrace, Trace

KEYWORDS = frozenset(
    spelling
    for word in ("true", "false", "null")
    for spelling in (word, word.capitalize(), word.upper())
)
"""Names that plain YAML would take for a boolean or null, so they are quoted."""


def render_trace(trace: Trace) -> str:
    """The canonical YAML text of ``trace``; ``parse_trace`` of it gives ``trace`` back."""
    if len(trace.subtraces) == 1:
        return _rendered(trace.subtraces[0], "", "")
    return "".join(_rendered(subtrace, "- ", "  ") for subtrace in trace.subtraces)


def _rendered(subtrace: SubTrace, first: str, rest: str) -> str:
    lines = [f"{first}expert: {_text(subtrace.expert)}", f"{rest}trace:"]
    if not subtrace.steps:
        lines[1] += " []"
    lines += [f"{rest}- {render_step(step)}" for step in subtrace.steps]
    return "\n".join(lines) + "\n"


def render_step(step: Step) -> str:
    """The flow mapping of one step, keys in canonical order."""
    op = OP_NAMES[type(step)]
    parts = [f"op: {op}"]
    for name in OPERATIONS[op].fields:
        value = getattr(step, name)
        if value is not None:
            parts.append(f"{name}: {_text(value)}")
    return "{" + ", ".join(parts) + "}"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value if is_name(value) and value not in KEYWORDS else json.dumps(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_text, value))}]"
    return format_number(value)
