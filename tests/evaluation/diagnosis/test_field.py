"""Two traces have one answer over the field if and only if they compute the same."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.solver.programs import composition, program
from tests.traces.trace_strategies import traces
from trace_pipeline.evaluation.diagnosis.field import Run
from trace_pipeline.traces import Init, Query, parse_trace

ABC = ("a = 5", "b = 3", "c = 2")


def answer(*steps: str, expert: str = "arithmetic") -> int:
    return Run(parse_trace(program(*steps, expert=expert))).answer


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("s = sub a b c", "t = add b c, s = sub a t"),
        ("t = add a b, s = mul t c", "t = mul a c, u = mul b c, s = add t u"),
        ("t = div a b, s = div t c", "t = mul b c, s = div a t"),
        ("s = mul a a", "n = 2, s = pow a n"),
        ("s = add a b", "n = 1, t = mul b n, s = add t a"),
        ("s = min a b c", "s = min c a b"),
    ],
)
def test_equal_functions_are_equal(first, second):
    assert answer(*ABC, *first.split(", "), "query s") == answer(
        *ABC, *second.split(", "), "query s"
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("s = sub a b", "s = sub b a"),
        ("s = div a b", "s = mul a b"),
        ("s = add b c", "s = add a b"),  # 5 = 3 + 2 is no reason
        ("s = floordiv a b", "s = div a b"),
        ("s = min a b", "s = max a b"),
    ],
)
def test_different_functions_differ_even_where_values_agree(first, second):
    assert answer(*ABC, first, "query s") != answer(*ABC, second, "query s")


def test_stocks_percentages_and_sources_are_what_they_compute():
    assert answer(
        "x = 9", "y = 6", "transfer x y 4", "consume y 3", "query y", expert="entity_track"
    ) == answer("y = 6", "m = 4", "n = 3", "t = add y m", "r = sub t n", "query r")
    assert answer("p = 80", "r = 25", "o = percent_off p r", "query o", expert="percentage") == (
        answer(
            "p = 80", "r = 25", "h = 100", "s = mul p r", "t = div s h", "o = sub p t", "query o"
        )
    )
    composed = composition(
        ("a = 5", "b = 3", "s = mul a b", "query s"),
        ("x = prev.result", "c = 2", "r = add x c", "query r"),
    )
    assert Run(parse_trace(composed)).answer == answer(
        *ABC, "s = mul a b", "r = add s c", "query r"
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(traces)
def test_no_trace_makes_it_fail(trace):
    run = Run(trace)
    assert len(run.results) == len(trace.subtraces)
    for index, subtrace in enumerate(trace.subtraces):
        for place, step in enumerate(subtrace.steps):
            changed = Query("other") if isinstance(step, Query) else Init("other", 3)
            assert isinstance(run.answer_with({(index, place): changed}), int)
            assert run.answer_with({(index, place): step}) == run.answer
