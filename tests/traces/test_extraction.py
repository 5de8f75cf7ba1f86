from __future__ import annotations

import pytest

from trace_pipeline.traces import Reason, TraceError, extract_trace, parse_trace, render_trace

SINGLE = """expert: arithmetic
trace:
- {op: init, var: a, value: 2}
- {op: init, var: b, value: 5}
- {op: compute, compute_op: mul, args: [a, b], var: result}
- {op: query, var: result}
"""
COMPOSED = """- expert: rate_equation
  trace:
  - {op: init, var: rate, value: 2}
  - {op: init, var: time, value: 5}
  - {op: compute, compute_op: mul, args: [rate, time], var: result}
  - {op: query, var: result}
- expert: arithmetic
  trace:
  - {op: init, var: made, source: prev.result}
  - {op: init, var: broken, value: 3}
  - {op: compute, compute_op: sub, args: [made, broken], var: result}
  - {op: query, var: result}
"""
WRAPPINGS = {
    "bare": "{}",
    "blank lines around": "\n\n{}\n\n",
    "after prose": "Let me think about it. The trace is:\n\n{}",
    "before prose": "{}\nSo the answer is 10.",
    "directly before prose": "{}That is all.",
    "amid prose": "Here it is.\n{}\nThe answer: 10",
    "in a yaml fence": "Sure!\n```yaml\n{}```\nHope it helps.",
    "in a plain fence": "```\n{}```",
    "in a fence that is never closed": "```yaml\n{}",
    "as a document": "---\n{}...\n",
    "after a misleading word": "expert: is what I am, so here we go:\n\n{}",
    "with a byte order mark": "\ufeff{}",
}


@pytest.mark.parametrize("trace", [SINGLE, COMPOSED], ids=["mapping", "list"])
@pytest.mark.parametrize("wrapping", WRAPPINGS.values(), ids=WRAPPINGS)
def test_the_trace_is_found_in(wrapping: str, trace: str) -> None:
    text = wrapping.replace("{}", trace)
    assert extract_trace(text).strip() == trace.strip()
    assert render_trace(parse_trace(text)) == trace


@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
def test_line_ends_of_other_systems(line_end: str) -> None:
    assert render_trace(parse_trace(COMPOSED.replace("\n", line_end))) == COMPOSED


INDENTED = "".join(f"    {line}\n" for line in COMPOSED.splitlines())
JSON = (
    '[{"expert": "arithmetic", "trace": [{"op": "init", "var": "a", "value": 2},\n'
    '{"op": "init", "var": "b", "value": 5},\n'
    '{"op": "compute", "compute_op": "mul", "args": ["a", "b"], "var": "result"},\n'
    '{"op": "query", "var": "result"}]}]'
)
BLOCK = """
expert: arithmetic
trace:
  # the quantities
  - op: init
    var: a
    value: 2
  - op: init
    var: b
    value: 5

  - op: compute
    compute_op: mul
    args:
      - a
      - b
    var: result
  - {op: query,
     var: result}
"""
EXPERT_LAST = "trace:\n" + SINGLE.partition("trace:\n")[2] + "expert: arithmetic\n"
DASH_ALONE = "-\n" + "".join(f"  {line}\n" for line in SINGLE.splitlines())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (INDENTED, COMPOSED),
        (JSON, SINGLE),
        (f"The trace is {JSON}, so 10.", SINGLE),
        (f"```json\n{JSON}\n```", SINGLE),
        (BLOCK, SINGLE),
        (EXPERT_LAST, SINGLE),
        (DASH_ALONE, SINGLE),
        (SINGLE.replace("a, value: 2", "\"a\", 'value': +2"), SINGLE),
    ],
    ids=["indented", "json", "json in prose", "json fence", "block", "order", "dash", "quotes"],
)
def test_other_styles_of_yaml_mean_the_same(text: str, expected: str) -> None:
    assert render_trace(parse_trace(text)) == expected


def test_thousands_commas_are_normalised() -> None:
    assert "value: 80000}" in extract_trace(SINGLE.replace("value: 2", "value: 80,000"))


def test_the_first_of_two_traces_counts() -> None:
    assert parse_trace(f"{SINGLE}\nOr rather:\n{COMPOSED}") == parse_trace(SINGLE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The answer is 18.",
        "expert: arithmetic",
        "trace:\n- {op: query, var: a}",
        "a" * 20_000,
        "\ud800",
    ],
    ids=["empty", "prose", "no trace", "no expert", "over 16 KiB", "lone surrogate"],
)
def test_a_text_without_a_trace_is_a_parse_fail(text: str) -> None:
    with pytest.raises(TraceError) as caught:
        extract_trace(text)
    assert caught.value.reason is Reason.PARSE_FAIL


def test_the_limit_is_in_bytes_and_exact() -> None:
    filled = SINGLE + "#" * (16 * 1024 - len(SINGLE))
    assert parse_trace(filled)
    with pytest.raises(TraceError, match="16 KiB"):
        parse_trace(filled[:-1] + "é")
