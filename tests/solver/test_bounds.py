"""``verify`` never raises and stays within bounds, whatever the text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.nasty_texts import nasty_texts
from tests.traces.trace_strategies import mutated, traces
from trace_pipeline.solver import Solver, VerdictKind
from trace_pipeline.traces import render_trace

SOLVER = Solver()
NASTY = nasty_texts()
SECONDS = 0.1
"""Twice what the benchmark asks for, because other tests may run beside this one."""


@pytest.mark.parametrize("name", NASTY)
def test_nasty_texts_are_judged_in_time(name: str) -> None:
    seconds = []
    for _ in range(3):
        start = time.process_time()
        verdict = SOLVER.verify(NASTY[name], 18)
        seconds.append(time.process_time() - start)
    assert verdict.kind is not VerdictKind.CORRECT
    assert min(seconds) < SECONDS


@given(st.one_of(st.text(), mutated(traces.map(render_trace)), st.text("-: {}[]expertac\n,1\"'")))
@settings(max_examples=400, deadline=None)
def test_no_text_makes_it_raise(text: str) -> None:
    verdict = SOLVER.verify(text, 18, "arithmetic")
    assert verdict.reward == getattr(SOLVER.rewards, verdict.kind)


@given(
    st.text(st.characters(), max_size=60), st.sampled_from(["expert", "op", "var", "value", "args"])
)
@settings(max_examples=200, deadline=None)
def test_no_value_in_any_place_makes_it_raise(junk: str, place: str) -> None:
    fields = {"expert": "arithmetic", "op": "init", "var": "a", "value": "1", "args": "[]"} | {
        place: junk
    }
    step = ", ".join(f"{name}: {text}" for name, text in fields.items() if name != "expert")
    text = f"expert: {fields['expert']}\ntrace:\n- {{{step}}}\n- {{op: query, var: a}}\n"
    assert SOLVER.verify(text, 18).kind is not VerdictKind.CORRECT
