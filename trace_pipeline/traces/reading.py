"""Reading a trace from text: the door to the canonical fast path and the YAML reader."""

from __future__ import annotations

from trace_pipeline.traces.canonical import read_canonical
from trace_pipeline.traces.raw import read_yaml
from trace_pipeline.traces.scanning import checked_text, find_trace
from trace_pipeline.traces.shape import RawTrace, typed
from trace_pipeline.traces.steps import Trace


def parse_trace(text: str) -> Trace:
    """The typed trace in ``text``, which may hold prose and code fences around it.

    Whether an expert exists and may use its ops is for the solver to say.

    Raises:
        TraceError: ``parse_fail``, or the first fault of counts or shape.
    """
    return typed(read_document(text))


def read_document(text: str) -> Trace | RawTrace:
    """What ``text`` holds, before any shape is judged: typed at once where it is canonical.

    Raises:
        TraceError: ``parse_fail``.
    """
    text = checked_text(text)
    if text.startswith(("expert: ", "- expert: ")):
        trace = read_canonical(text)
        if trace is not None:
            return trace
    found = find_trace(text)
    return read_canonical(found) or read_yaml(found)
