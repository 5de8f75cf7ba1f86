"""What makes no sense is left out while something else is left."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.solver.prefix.test_trace_prefix import VALID, choose
from trace_pipeline.solver import Solver
from trace_pipeline.solver.prefix import Slot, TracePrefix
from trace_pipeline.solver.prefix.program import PATIENCE

START = (
    "expert: arithmetic\ntrace:\n- {op: init, var: a, value: 12}\n"
    "- {op: init, var: b, value: 5}\n- {op: "
)


def offered(text: str) -> list[str]:
    """What is preferred behind ``text``, up to the structure that follows."""
    prefix = TracePrefix()
    typed = prefix.feed(text)
    assert typed == ""
    return [found.partition(":")[0] for found in prefix.preferred(list(prefix.slot().texts))]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("compute, compute_op: sub, args: [", ["a, "]),
        ("compute, compute_op: sub, args: [a, ", ["b], var", "b, "]),
        ("compute, compute_op: div, args: [", ["a, "]),
        ("compute, compute_op: div, args: [a, ", ["b], var"]),
        ("compute, compute_op: add, args: [b, ", ["a], var", "a, ", "b], var", "b, "]),
        # 5 - 12: whatever is taken from b is b itself or leaves less than nothing.
        ("compute, compute_op: sub, args: [b, ", ["a], var", "a, ", "b], var", "b, "]),
    ],
)
def test_arguments(written: str, expected: list[str]) -> None:
    assert offered(START + written) == expected


def computed(op: str, first: str, second: str) -> str:
    return f"compute, compute_op: {op}, args: [{first}, {second}], var: c}}\n- {{op: "


@pytest.mark.parametrize(
    ("op", "args", "asks"),
    [
        ("sub", ("a", "b"), True),
        ("sub", ("b", "a"), False),
        ("div", ("a", "b"), False),
        ("sub", ("a", "a"), False),
    ],
)
def test_an_answer_is_whole_and_above_zero(op: str, args: tuple[str, str], asks: bool) -> None:
    text = START + computed(op, *args)
    assert ("query, var" in offered(text)) is asks
    assert "init, var" in offered(text)


def test_patience_ends() -> None:
    text = START + computed("div", "a", "b")
    for step in range(PATIENCE):
        assert "query, var" not in offered(text)
        text += f"init, var: x{step}, value: 2}}\n- {{op: "
    assert "query, var" in offered(text)


def test_the_queried_name_is_an_answer_if_there_is_one() -> None:
    text = START + computed("sub", "a", "b") + "init, var: d, value: 2}\n- {op: "
    text += "compute, compute_op: div, args: [c, d], var: e}\n- {op: query, var: "
    assert offered(text) == ["c}\n"]
    alone = START + computed("div", "a", "b") + "query, var: "
    assert offered(alone) == ["c}\n"]


def test_a_composition_may_ask_for_anything() -> None:
    text = START.replace("expert", "- expert").replace("trace:", "  trace:")
    text = text.replace("\n- {op", "\n  - {op")
    text += "compute, compute_op: div, args: [a, b], var: c}\n  - {op: "
    assert "query, var" in offered(text)


@given(st.randoms(use_true_random=False), st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_walks_among_the_preferred_end_validly(rng: random.Random, steps: int) -> None:
    prefix, text = TracePrefix(), ""
    for _ in range(steps):
        slot = prefix.slot()
        if prefix.complete and (rng.random() < 0.3 or not slot.texts):
            break
        kept = prefix.preferred(list(slot.texts))
        assert set(kept) <= set(slot.texts)
        assert bool(kept) is bool(slot.texts)
        chosen = choose(rng, Slot(tuple(kept), slot.free))
        prefix.take(chosen)
        text += chosen
    else:
        text += prefix.ending()
    verdict = Solver().verify(text, 1)
    assert verdict.kind in VALID, (text, verdict.message)
