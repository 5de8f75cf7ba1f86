from __future__ import annotations

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.traces.trace_strategies import mutated, traces
from trace_pipeline.traces import (
    Init,
    Query,
    SubTrace,
    Trace,
    TraceError,
    extract_trace,
    parse_trace,
    render_trace,
)
from trace_pipeline.traces.canonical import read_canonical
from trace_pipeline.traces.limits import MAX_BYTES
from trace_pipeline.traces.raw import read_yaml
from trace_pipeline.traces.shape import typed

CANONICAL = """expert: arithmetic
trace:
- {op: init, var: produced, value: 16}
- {op: init, var: eaten, value: 3}
- {op: compute, compute_op: sub, args: [produced, eaten], var: step1}
- {op: init, var: price, value: 2}
- {op: compute, compute_op: mul, args: [step1, price], var: result}
- {op: query, var: result}
"""
texts = traces.map(render_trace).filter(lambda text: len(text) <= MAX_BYTES)


def test_the_canonical_text_comes_back_as_it_was() -> None:
    assert render_trace(parse_trace(CANONICAL)) == CANONICAL


@given(traces)
@example(Trace((SubTrace("arithmetic", ()),)))
@example(Trace((SubTrace("true", (Init("null", 1), Query("FALSE"))),)))
@settings(max_examples=150, deadline=None)
def test_parsing_what_was_rendered_gives_the_same_trace(trace: Trace) -> None:
    text = render_trace(trace)
    if len(text) <= MAX_BYTES:
        assert parse_trace(text) == trace


@given(traces)
@settings(max_examples=50, deadline=None)
def test_the_canonical_text_is_plain_yaml(trace: Trace) -> None:
    data = yaml.safe_load(render_trace(trace))
    parts = data if isinstance(data, list) else [data]
    assert [part["expert"] for part in parts] == [part.expert for part in trace.subtraces]
    assert [len(part["trace"]) for part in parts] == [len(part.steps) for part in trace.subtraces]


def by_yaml(text: str) -> Trace | TraceError:
    try:
        return typed(read_yaml(extract_trace(text)))
    except TraceError as error:
        return error


def by_any_path(text: str) -> Trace | TraceError:
    try:
        return parse_trace(text)
    except TraceError as error:
        return error


@given(st.one_of(texts, mutated(texts), mutated(st.just(CANONICAL))))
@example(CANONICAL.replace("result", "true"))
@example(CANONICAL.replace("value: 2}", "value: 2.0}"))
@example(CANONICAL.replace("value: 2}", "value: -0}"))
@example(CANONICAL.replace("expert: arithmetic", "expert: null"))
@example(CANONICAL + "\x0b")
@example(CANONICAL + "  \n \n")
@settings(max_examples=400, deadline=None)
def test_the_fast_path_and_the_yaml_path_agree(text: str) -> None:
    slow, fast = by_yaml(text), by_any_path(text)
    if isinstance(slow, TraceError):
        assert isinstance(fast, TraceError), fast
        assert str(fast) == str(slow)
    else:
        assert fast == slow


def test_the_fast_path_reads_the_canonical_form() -> None:
    assert read_canonical(CANONICAL) == parse_trace(CANONICAL)
    composed = render_trace(Trace(parse_trace(CANONICAL).subtraces * 2))
    assert read_canonical(composed) == parse_trace(composed)
