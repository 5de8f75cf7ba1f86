from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.solver.programs import composition, program
from tests.traces.trace_strategies import traces
from trace_pipeline.solver import EXPERT_OPERATIONS, Execution, Solver
from trace_pipeline.traces import (
    Compute,
    Init,
    Number,
    PercentOf,
    Query,
    Reason,
    Step,
    SubTrace,
    Trace,
    TraceError,
    parse_trace,
)

SOLVER = Solver()
TWO_PARTS = ("a = 2", "b = 5", "r = mul a b", "query r")


def answer(text: str) -> Number:
    return SOLVER.execute(parse_trace(text)).answer


def fault(text: str) -> TraceError:
    with pytest.raises(TraceError) as caught:
        SOLVER.execute(parse_trace(text))
    return caught.value


@pytest.mark.parametrize(
    ("operation", "values", "result"),
    [
        ("add", "2 3 7", 12),
        ("add", "0.1 0.2", Fraction(3, 10)),
        ("add", "1/3 2/3", 1),
        ("sub", "20 3 4", 13),
        ("sub", "3 20", -17),
        ("mul", "2 3 7", 42),
        ("mul", "0.5 6", 3),
        ("min", "7 3 5", 3),
        ("max", "7 9.5 8", Fraction(19, 2)),
        ("div", "7 2", Fraction(7, 2)),
        ("div", "8 2", 4),
        ("div", "1 3", Fraction(1, 3)),
        ("floordiv", "7 2", 3),
        ("floordiv", "-7 2", -4),
        ("ceildiv", "7 2", 4),
        ("ceildiv", "-7 2", -3),
        ("ceildiv", "7.5 2.5", 3),
        ("mod", "7 4", 3),
        ("mod", "7.5 2", Fraction(3, 2)),
        ("pow", "2 10", 1024),
        ("pow", "2 -2", Fraction(1, 4)),
        ("pow", "0 0", 1),
        ("pow", "9 0.5", 3),
        ("pow", "27 1/3", 3),
        ("pow", "8 2/3", 4),
        ("pow", "0.25 1.5", Fraction(1, 8)),
        ("pow", "1 1e300", 1),
        ("pow", "-1 1e300", 1),
        ("pow", "2 1023", 2**1023),
        ("abs", "-5", 5),
        ("sqrt", "49", 7),
        ("sqrt", "2.25", Fraction(3, 2)),
    ],
)
def test_computations_are_exact(operation: str, values: str, result: Number) -> None:
    names = [f"v{n}" for n in range(len(values.split()))]
    inits = [f"{name} = {value}" for name, value in zip(names, values.split(), strict=True)]
    for prefix in ("", "?"):
        expert = "comparison" if prefix else "arithmetic"
        steps = [*inits, f"r = {prefix}{operation} {' '.join(names)}", "query r"]
        trace = parse_trace(program(*steps, expert=expert))
        found = Solver(allow_short_circuit=True).execute(trace)
        assert found.answer == result
        assert type(found.answer) is type(result)


@pytest.mark.parametrize(
    ("steps", "expert", "result"),
    [
        (("p = 80", "r = percent_off p 25", "query r"), "percentage", 60),
        (("p = 80", "q = 25", "r = percent_increase p q", "query r"), "percentage", 100),
        (("p = 80", "r = percent_of p 12.5", "query r"), "percentage", 10),
        (("p = 5", "r = percent_of p 1", "query r"), "percentage", Fraction(1, 20)),
        (("s = 9", "consume s 4", "query s"), "entity_track", 5),
        (("s = 9", "n = 4", "consume s n", "query s"), "entity_track", 5),
        (("s = 9", "add_entity s 4", "query s"), "entity_track", 13),
        (("add_entity s 4", "add_entity s 5", "query s"), "entity_track", 9),
        (("s = 9", "t = 1", "transfer s t 4", "query t"), "entity_track", 5),
        (("s = 9", "n = 4", "transfer s t n", "transfer s t n", "query t"), "entity_track", 8),
        (
            ("s = 9", "transfer s t 9", "d = sub t s", "add_entity d 1", "query d"),
            "entity_track",
            10,
        ),
    ],
)
def test_domain_operations(steps: tuple[str, ...], expert: str, result: Number) -> None:
    assert answer(program(*steps, expert=expert)) == result


def test_a_source_is_what_the_earlier_sub_trace_queries_whatever_its_name() -> None:
    text = composition(
        TWO_PARTS,
        ("a = 7", "total = prev.result", "s = add a total", "query s"),
        ("first = sub0.result", "second = sub1.result", "r = mul second first", "query r"),
    )
    execution = SOLVER.execute(parse_trace(text))
    assert execution.results == (10, 17, 170)


def test_sub_traces_have_states_of_their_own() -> None:
    error = fault(composition(TWO_PARTS, ("r = prev.result", "s = add r a", "query s")))
    assert (error.reason, error.subtrace, error.step) == (Reason.UNDEFINED_VARIABLE, 1, 1)


_ZERO, _INEXACT = Reason.DIVISION_BY_ZERO, Reason.INEXACT_RESULT
FAULTS = {
    "an undefined argument": (("a = 1", "r = add a b", "query r"), Reason.UNDEFINED_VARIABLE, 1),
    "an undefined query": (("a = 1", "query r"), Reason.UNDEFINED_VARIABLE, 1),
    "an init over an init": (("a = 1", "a = 2", "query a"), Reason.REDEFINED_VARIABLE, 1),
    "an init over a result": (
        ("a = 1", "b = add a a", "b = 3", "query b"),
        Reason.REDEFINED_VARIABLE,
        2,
    ),
    "a result over an init": (("a = 1", "a = add a a", "query a"), Reason.REDEFINED_VARIABLE, 1),
    "a source in the first": (("a = prev.result", "query a"), Reason.UNRESOLVED_SOURCE, 0),
    "a source of oneself": (("a = sub0.result", "query a"), Reason.UNRESOLVED_SOURCE, 0),
    "a source that is none": (("a = next.result", "query a"), Reason.UNRESOLVED_SOURCE, 0),
    "no query": (("a = 1",), Reason.NO_QUERY, None),
    "no step": ((), Reason.NO_QUERY, None),
    "a query before init": (("query a", "a = 1"), Reason.MISPLACED_QUERY, 0),
    "two queries": (("a = 1", "query a", "query a"), Reason.MISPLACED_QUERY, 1),
    "division by zero": (("a = 1", "b = 0", "r = div a b", "query r"), _ZERO, 2),
    "floor division by zero": (
        ("a = 1", "b = 0", "r = floordiv a b", "query r"),
        _ZERO,
        2,
    ),
    "ceiling division by zero": (
        ("a = 1", "b = 0", "r = ceildiv a b", "query r"),
        _ZERO,
        2,
    ),
    "a remainder by zero": (
        ("a = 1", "b = 0", "r = mod a b", "query r"),
        _ZERO,
        2,
    ),
    "zero to a negative power": (
        ("a = -1", "b = 0", "r = pow b a", "query r"),
        _ZERO,
        2,
    ),
    "a root of 2": (("a = 2", "r = sqrt a", "query r"), _INEXACT, 1),
    "a root of -4": (("a = -4", "r = sqrt a", "query r"), _INEXACT, 1),
    "a broken power": (("a = 2", "b = 0.5", "r = pow a b", "query r"), _INEXACT, 2),
    "a cube root of -8": (
        ("a = -8", "b = 1/3", "r = pow a b", "query r"),
        _INEXACT,
        2,
    ),
    "a power of 1,025 bits": (
        ("a = 2", "b = 1024", "r = pow a b", "query r"),
        Reason.LIMIT_EXCEEDED,
        2,
    ),
    "a huge power": (("a = 3", "b = 1e300", "r = pow a b", "query r"), Reason.LIMIT_EXCEEDED, 2),
    "a tiny power": (("a = 3", "b = -1e300", "r = pow a b", "query r"), Reason.LIMIT_EXCEEDED, 2),
    "a product over 1,024 bits": (
        ("a = 1e300", "r = mul a a", "query r"),
        Reason.LIMIT_EXCEEDED,
        1,
    ),
    "a quotient over 1,024 bits": (
        ("a = 1e-300", "r = mul a a", "query r"),
        Reason.LIMIT_EXCEEDED,
        1,
    ),
}


@pytest.mark.parametrize(("steps", "reason", "place"), FAULTS.values(), ids=FAULTS)
def test_faults_of_execution_name_their_place(
    steps: tuple[str, ...], reason: Reason, place: int | None
) -> None:
    text = program(*steps) if steps else "expert: arithmetic\ntrace: []\n"
    error = fault(text)
    assert (error.reason, error.subtrace, error.step) == (reason, 0, place)
    assert str(error).startswith(f"{reason}: sub-trace 0")


STOCK_FAULTS = {
    "consume too much": (("s = 3", "consume s 4", "query s"), Reason.NEGATIVE_STOCK, 1),
    "transfer too much": (("s = 3", "transfer s t 4", "query t"), Reason.NEGATIVE_STOCK, 1),
    "consume a negative amount": (("s = 3", "consume s -4", "query s"), Reason.NEGATIVE_STOCK, 1),
    "add a negative amount": (("s = 3", "add_entity s -1", "query s"), Reason.NEGATIVE_STOCK, 1),
    "transfer a negative amount": (
        ("s = 3", "n = -1", "transfer s t n", "query t"),
        Reason.NEGATIVE_STOCK,
        2,
    ),
    "consume from nobody": (("s = 3", "consume t 1", "query s"), Reason.UNDEFINED_VARIABLE, 1),
    "transfer from nobody": (("s = 3", "transfer t s 1", "query s"), Reason.UNDEFINED_VARIABLE, 1),
    "an undefined amount": (("s = 3", "consume s n", "query s"), Reason.UNDEFINED_VARIABLE, 1),
}


@pytest.mark.parametrize(("steps", "reason", "place"), STOCK_FAULTS.values(), ids=STOCK_FAULTS)
def test_faults_of_stocks(steps: tuple[str, ...], reason: Reason, place: int) -> None:
    error = fault(program(*steps, expert="entity_track"))
    assert (error.reason, error.step) == (reason, place)


OPS = {
    "compute": "r = add a a",
    "consume": "consume a 1",
    "add_entity": "add_entity a 1",
    "transfer": "transfer a b 1",
    "percent_off": "r = percent_off a 10",
    "percent_increase": "r = percent_increase a 10",
    "percent_of": "r = percent_of a 10",
    "compare": "r = ?add a a",
}


@pytest.mark.parametrize("expert", EXPERT_OPERATIONS)
@pytest.mark.parametrize("op", OPS)
def test_each_expert_has_its_own_vocabulary(expert: str, op: str) -> None:
    step = OPS[op]
    var = "r" if step.startswith("r ") else "a"
    text = program("a = 20", step, f"query {var}", expert=expert)
    verdict = SOLVER.verify(text, 0)
    if op in EXPERT_OPERATIONS[expert]:
        assert verdict.kind == "wrong_answer"
    else:
        assert verdict.reason == fault(text).reason == Reason.FOREIGN_OP


def test_the_first_fault_counts() -> None:
    division = ("a = 0", "r = div a a", "query r")
    assert fault(program(*division, "b = add a missing")).reason is _ZERO
    shape_later = program(*division) + "- {op: query}\n"
    assert SOLVER.verify(shape_later, 0).reason == Reason.BAD_FIELD
    circuit_then_fault = composition(("a = 1", "query a"), division)
    assert fault(circuit_then_fault).reason is _ZERO
    foreign_then_shape = program("a = 1", "r = percent_of a 5") + "- {op: query}\n"
    assert SOLVER.verify(foreign_then_shape, 0).reason == Reason.FOREIGN_OP
    shape_then_foreign = "expert: arithmetic\ntrace:\n- {op: query}\n- {op: transfer}\n"
    assert SOLVER.verify(shape_then_foreign, 0).reason == Reason.BAD_FIELD
    wizard = program("a = 1", "query a", expert="wizard")
    assert fault(wizard).reason is SOLVER.verify(wizard, 1).reason is Reason.UNKNOWN_EXPERT


def built(*steps: Step, expert: str = "arithmetic") -> Trace:
    return Trace((SubTrace(expert, steps),))


BUILT = {
    "no sub-trace": (Trace(()), Reason.NO_QUERY),
    "too many sub-traces": (Trace((SubTrace("arithmetic", ()),) * 17), Reason.LIMIT_EXCEEDED),
    "too many steps": (built(*[Init(f"v{n}", n) for n in range(65)]), Reason.LIMIT_EXCEEDED),
    "a million steps": (built(*[Query("a")] * 10**6), Reason.LIMIT_EXCEEDED),
    "a float": (built(Init("a", 0.5), Query("a")), Reason.BAD_FIELD),  # type: ignore[arg-type]
    "a boolean": (built(Init("a", True), Query("a")), Reason.BAD_FIELD),
    "neither value nor source": (built(Init("a"), Query("a")), Reason.BAD_FIELD),
    "value and source": (built(Init("a", 1, "prev.result"), Query("a")), Reason.BAD_FIELD),
    "a huge value": (built(Init("a", 2**20_000), Query("a")), Reason.LIMIT_EXCEEDED),
    "one argument": (built(Init("a", 1), Compute("add", ("a",), "b")), Reason.BAD_FIELD),
    "an unknown computation": (built(Init("a", 1), Compute("sin", ("a",), "b")), Reason.BAD_FIELD),
    "a foreign op": (built(Init("a", 1), PercentOf("a", 5, "b"), Query("b")), Reason.FOREIGN_OP),
    "an unknown expert": (built(Query("a"), expert="wizard"), Reason.UNKNOWN_EXPERT),
    "a fault of shape after one of execution": (
        built(Query("a"), Compute("add", ("a",), "b")),
        Reason.BAD_FIELD,
    ),
}


@pytest.mark.parametrize(("trace", "reason"), BUILT.values(), ids=BUILT)
def test_traces_that_were_built_are_judged_by_the_same_rules(trace: Trace, reason: Reason) -> None:
    with pytest.raises(TraceError) as caught:
        SOLVER.execute(trace)
    assert caught.value.reason is reason


@given(traces)
@settings(max_examples=200, deadline=None)
def test_any_trace_of_a_right_shape_runs_or_is_refused(trace: Trace) -> None:
    found = outcome(trace)
    if isinstance(found, TraceError):
        assert found.reason is not Reason.PARSE_FAIL
        assert found.subtrace is not None
    else:
        assert len(found.results) == len(trace.subtraces)


def outcome(trace: Trace) -> Execution | TraceError:
    try:
        return SOLVER.execute(trace)
    except TraceError as error:
        return error


@st.composite
def calculations(draw: st.DrawFn) -> tuple[Trace, Fraction]:
    """A random chain of arithmetic with its value as plain fractions give it."""
    values = draw(st.lists(st.integers(2, 50), min_size=2, max_size=5))
    steps: list[Step] = [Init(f"v{n}", value) for n, value in enumerate(values)]
    total, name = Fraction(values[0]), "v0"
    for number, value in enumerate(values[1:], 1):
        operation = draw(st.sampled_from(["add", "sub", "mul", "div"]))
        total = {
            "add": total + value,
            "sub": total - value,
            "mul": total * value,
            "div": total / value,
        }[operation]
        steps.append(Compute(operation, (name, f"v{number}"), f"s{number}"))
        name = f"s{number}"
    return Trace((SubTrace("arithmetic", (*steps, Query(name))),)), total


@given(calculations())
@settings(max_examples=200, deadline=None)
def test_chains_agree_with_plain_fractions(case: tuple[Trace, Fraction]) -> None:
    trace, value = case
    execution = SOLVER.execute(trace)  # independent inits, so never a short circuit
    assert execution.answer == value
    assert [step.value for step in execution.steps][-1] == value
    assert isinstance(execution.answer, int) == (value.denominator == 1)
