from __future__ import annotations

from fractions import Fraction

import pytest

from trace_pipeline.traces import Init, Reason, Trace, TraceError, parse_trace

HEAD = "expert: arithmetic\ntrace:\n"


def fault(text: str) -> TraceError:
    with pytest.raises(TraceError) as caught:
        parse_trace(text)
    return caught.value


def init_value(value: str) -> object:
    step = parse_trace(f"{HEAD}- {{op: init, var: a, value: {value}}}\n").subtraces[0].steps[0]
    assert isinstance(step, Init)
    return step.value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("16", 16),
        ("-4", -4),
        ("010", 10),
        ("0x10", 16),
        ("0o17", 15),
        ("0.1", Fraction(1, 10)),
        ("1e3", 1000),
        ("2.50", Fraction(5, 2)),
        ("80,000", 80_000),
        ("1,234.5", Fraction(2469, 2)),
        ("1/3", Fraction(1, 3)),
    ],
)
def test_values_are_exact_numbers_of_the_core_schema(written: str, value: object) -> None:
    assert init_value(written) == value


@pytest.mark.parametrize(
    "written",
    [
        *[
            "on",
            "yes",
            "1:30",
            "1_000",
            "step1",
            "'16'",
            "$5",
            "50%",
            "true",
            "null",
            ".nan",
            ".inf",
            "-.INF",
            "[1]",
            "1/0",
            "1,5",
            "0b1",
            "=",
        ],
        *("", "{a: 1}", "2026-01-01"),
    ],
)
def test_values_that_are_no_numbers(written: str) -> None:
    error = fault(f"{HEAD}- {{op: init, var: a, value: {written}}}\n")
    assert (error.reason, error.subtrace, error.step) == (Reason.BAD_FIELD, 0, 0)


@pytest.mark.parametrize("written", ["1e400", "9" * 400, "0x" + "f" * 300, "1e-400", "1e999999999"])
def test_values_beyond_1024_bits(written: str) -> None:
    error = fault(f"{HEAD}- {{op: init, var: a, value: {written}}}\n")
    assert error.reason is Reason.LIMIT_EXCEEDED


PARSE_FAILS = {
    "an anchor": "expert: &e arithmetic\ntrace: []",
    "an alias": "expert: &e arithmetic\ntrace: [*e]",
    "an unknown alias": "expert: *e\ntrace: []",
    "a tag": "expert: !!str arithmetic\ntrace: []",
    "a local tag": "expert: ! arithmetic\ntrace: []",
    "a duplicate key": "expert: arithmetic\ntrace: []\ntrace: []",
    "a duplicate key in a step": HEAD + "- {op: query, var: a, var: b}",
    "equal keys written differently": HEAD + "- {op: query, var: a, 'var': b}",
    "a key that is a list": HEAD + "- {[op]: query}",
    "nine levels": "expert: a\ntrace: " + "[" * 8 + "]" * 8,
    "an unclosed bracket": HEAD + "- {op: query, var: a",
    "a tab": "expert: arithmetic\n\ttrace: []",
    "a control character": HEAD + "- {op: query, var: a\x01}",
    "no expert": "{trace: []}",
    "an expert that is a number": "expert: 5\ntrace: []",
    "an expert that is null": "expert:\ntrace: []",
    "a trace that is null": "expert: arithmetic\ntrace:\n",
    "a trace that is text": "expert: arithmetic\ntrace: none",
    "a trace that is a mapping": "expert: arithmetic\ntrace: {op: query}",
    "a step that is text": HEAD + "- query result",
    "a step that is null": HEAD + "- \n",
    "a sub-trace without a trace": "- {expert: a, trace: []}\n- expert: b\n",
}


@pytest.mark.parametrize("text", PARSE_FAILS.values(), ids=PARSE_FAILS)
def test_no_trace_by_the_rules(text: str) -> None:
    assert fault(text).reason is Reason.PARSE_FAIL


def test_eight_levels_are_read_and_then_judged() -> None:
    inner = "[" * 5 + "]" * 5  # under mapping, list of steps and step
    assert fault(HEAD + f"- {{op: {inner}}}").reason is Reason.UNKNOWN_OP
    assert fault(HEAD + f"- {{op: [{inner}]}}").reason is Reason.PARSE_FAIL


SHAPES = {
    "an unknown op": ("{op: add, args: [a, b], var: c}", Reason.UNKNOWN_OP),
    "an op that is a number": ("{op: 5}", Reason.UNKNOWN_OP),
    "formula": ("{op: formula, expression: a * b}", Reason.UNKNOWN_OP),
    "no op": ("{var: a}", Reason.BAD_FIELD),
    "a missing field": ("{op: query}", Reason.BAD_FIELD),
    "an unknown field": ("{op: query, var: a, note: b}", Reason.BAD_FIELD),
    "a number as a field's name": ("{op: query, var: a, 5: b}", Reason.BAD_FIELD),
    "init without value and source": ("{op: init, var: a}", Reason.BAD_FIELD),
    "init with value and source": (
        "{op: init, var: a, value: 1, source: prev.result}",
        Reason.BAD_FIELD,
    ),
    "init with null": ("{op: init, var: a, value: null, source: prev.result}", Reason.BAD_FIELD),
    "a source that is no text": ("{op: init, var: a, source: 5}", Reason.BAD_FIELD),
    "an unknown compute_op": (
        "{op: compute, compute_op: modulo, args: [a, b], var: c}",
        Reason.BAD_FIELD,
    ),
    "a literal among args": (
        "{op: compute, compute_op: add, args: [a, 5], var: c}",
        Reason.BAD_FIELD,
    ),
    "args that are no list": (
        "{op: compute, compute_op: abs, args: a, var: c}",
        Reason.BAD_FIELD,
    ),
    "a name with a space": ("{op: query, var: a b}", Reason.BAD_FIELD),
    "a name that starts with a digit": ("{op: query, var: 1a}", Reason.BAD_FIELD),
    "a name that is a boolean": ("{op: query, var: true}", Reason.BAD_FIELD),
    "a name of other letters": ("{op: query, var: café}", Reason.BAD_FIELD),
    "an amount that is neither number nor name": (
        "{op: consume, entity: a, amount: 5 eggs}",
        Reason.BAD_FIELD,
    ),
    "33 args": (
        f"{{op: compute, compute_op: add, args: [{', '.join(['a'] * 33)}], var: c}}",
        Reason.LIMIT_EXCEEDED,
    ),
}


@pytest.mark.parametrize(("step", "reason"), SHAPES.values(), ids=SHAPES)
def test_faults_of_shape_name_their_place(step: str, reason: Reason) -> None:
    error = fault(f"{HEAD}- {{op: init, var: a, value: 1}}\n- {step}\n")
    assert (error.reason, error.subtrace, error.step) == (reason, 0, 1)
    assert "sub-trace 0, step 1" in str(error)


@pytest.mark.parametrize(
    ("operation", "counts"),
    [(op, {2, 3, 5, 32}) for op in ("add", "sub", "mul", "min", "max")]
    + [(op, {2}) for op in ("div", "floordiv", "ceildiv", "mod", "pow")]
    + [(op, {1}) for op in ("abs", "sqrt")],
)
def test_each_computation_has_its_number_of_args(operation: str, counts: set[int]) -> None:
    for count in {0, 1, 2, 3, 5, 32}:
        args = ", ".join(["a"] * count)
        text = f"{HEAD}- {{op: compute, compute_op: {operation}, args: [{args}], var: c}}\n"
        if count in counts:
            assert parse_trace(text)
        else:
            assert fault(text).reason is Reason.BAD_FIELD


def test_true_and_its_like_are_names_when_quoted() -> None:
    assert parse_trace(HEAD + '- {op: query, var: "true"}\n')


@pytest.mark.parametrize(
    "text",
    [
        "expert: arithmetic\nnote: x\ntrace:\n- {op: query, var: a}\n",
        "expert: arithmetic\ntrace:\n- {op: query, var: a}\nnote: x\n",
        "- note: x\n  expert: arithmetic\n  trace:\n  - {op: query, var: a}\n",
        "{expert: arithmetic, note: x, trace: [{op: query, var: a}]}",
    ],
)
def test_an_unknown_field_beside_expert_and_trace(text: str) -> None:
    error = fault(text)
    assert (error.reason, error.subtrace, error.step) == (Reason.BAD_FIELD, 0, None)


def test_counts_come_before_shapes() -> None:
    step = "- {op: nonsense}\n"
    assert fault(HEAD + step * 65).reason is Reason.LIMIT_EXCEEDED
    assert fault(HEAD + step * 64).reason is Reason.UNKNOWN_OP
    subtrace = "- expert: arithmetic\n  trace:\n  - {op: nonsense}\n"
    assert fault(subtrace * 17).reason is Reason.LIMIT_EXCEEDED
    assert fault(subtrace * 16).reason is Reason.UNKNOWN_OP


def test_experts_are_the_solvers_business() -> None:
    trace = parse_trace("expert: wizard\ntrace:\n- {op: percent_of, base: a, rate: b, var: c}\n")
    assert isinstance(trace, Trace)
    assert trace.expert == "wizard"
