"""The trace language: typed steps, reading and writing."""

from trace_pipeline.traces.errors import Reason, TraceError
from trace_pipeline.traces.numbers import (
    Number,
    format_number,
    normalise_numbers,
    number_to_json,
    parse_number,
)
from trace_pipeline.traces.reading import parse_trace
from trace_pipeline.traces.scanning import extract_trace
from trace_pipeline.traces.steps import (
    AddEntity,
    Compare,
    Compute,
    Consume,
    Init,
    PercentIncrease,
    PercentOf,
    PercentOff,
    Query,
    Step,
    SubTrace,
    Trace,
    Transfer,
)
from trace_pipeline.traces.writing import render_trace

__all__ = [
    "AddEntity",
    "Compare",
    "Compute",
    "Consume",
    "Init",
    "Number",
    "PercentIncrease",
    "PercentOf",
    "PercentOff",
    "Query",
    "Reason",
    "Step",
    "SubTrace",
    "Trace",
    "TraceError",
    "Transfer",
    "extract_trace",
    "format_number",
    "normalise_numbers",
    "number_to_json",
    "parse_number",
    "parse_trace",
    "render_trace",
]
