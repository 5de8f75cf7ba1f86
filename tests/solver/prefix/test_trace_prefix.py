"""The recogniser against the solver: it accepts what is valid, and leads nowhere else."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.traces.trace_strategies import traces
from trace_pipeline.generation import Catalog, Generator
from trace_pipeline.paths import project_root
from trace_pipeline.solver import Solver, VerdictKind
from trace_pipeline.solver.prefix import TracePrefix
from trace_pipeline.traces import TraceError, parse_trace, render_trace
from trace_pipeline.traces.canonical import read_canonical

LETTERS = "abz_AZ09."
VALID = (VerdictKind.CORRECT, VerdictKind.WRONG_ANSWER)


def walk(rng: random.Random, steps: int) -> str:
    """A trace by random choices among whatever is offered, ended after ``steps`` of them."""
    prefix, text = TracePrefix(), ""
    for _ in range(steps):
        slot = prefix.slot()
        if prefix.complete and (rng.random() < 0.3 or not slot.texts):
            return text
        chosen = choose(rng, slot)
        prefix.take(chosen)
        text += chosen
    return text + prefix.ending()


def choose(rng, slot):  # type: ignore[no-untyped-def]
    options = list(slot.texts)
    if slot.free is None or (options and rng.random() < 0.5):
        return rng.choice(options)
    body, letters = "", LETTERS if slot.free.kind == "name" else "-.0123456789"
    while True:
        longer = [body + sign for sign in letters if slot.free.starts(body + sign)]
        if slot.free.whole(body) and (not longer or rng.random() < 0.4):
            return body + rng.choice(slot.free.ends)
        body = rng.choice(longer)


@given(st.randoms(use_true_random=False), st.integers(0, 90))
@settings(max_examples=100, deadline=None)
def test_every_walk_ends_in_a_valid_trace(rng: random.Random, steps: int) -> None:
    text = walk(rng, steps)
    verdict = Solver().verify(text, 1)
    assert verdict.kind in VALID, (text, verdict.message)
    assert read_canonical(text) is not None


@pytest.mark.parametrize("seed", range(3))
def test_long_walks_end_within_the_limits(seed: int) -> None:
    """Walks that never choose to end: sub-traces run into 64 steps, texts into 16 KiB."""
    rng = random.Random(seed)
    prefix, text = TracePrefix(), ""
    while not (prefix.complete and not prefix.slot().texts):
        slot = prefix.slot()
        going_on = tuple(t for t in slot.texts if not t.startswith("query, var: "))
        if going_on and len(going_on) < len(slot.texts):
            chosen = rng.choice(going_on)
        else:
            chosen = choose(rng, slot)
        assert prefix.feed(chosen) == ""
        text += chosen
    verdict = Solver().verify(text, 1)
    assert verdict.kind in VALID, verdict.message
    assert max(len(sub.steps) for sub in parse_trace(text).subtraces) >= 50


def accepted(text: str) -> bool:
    """Fed in two pieces at every place: what is accepted does not depend on the pieces."""
    prefix = TracePrefix()
    return prefix.feed(text) == "" and prefix.complete


def test_generated_traces_are_accepted(generated: list[str]) -> None:
    for text in generated:
        assert accepted(text), text


def test_every_start_of_a_trace_has_an_ending(generated: list[str]) -> None:
    for text in generated[::15]:
        for place in range(0, len(text), 5):
            prefix = TracePrefix()
            typed = prefix.feed(text[:place])
            assert typed is not None
            whole = text[:place] + prefix.ending(typed)
            assert Solver().verify(whole, 1).kind in VALID, whole


@pytest.fixture(scope="module")
def generated() -> list[str]:
    root = project_root()
    generator = Generator(Catalog.load(root / "schemas", root / "vocab"), 3)
    return [render_trace(example.trace) for example in generator.sample(150)]


@given(traces)
@settings(max_examples=100, deadline=None)
def test_what_the_solver_refuses_is_refused(trace) -> None:  # type: ignore[no-untyped-def]
    """Differential: texts of a right shape that the solver refuses never pass, and the reverse."""
    text = render_trace(trace)
    try:
        Solver().execute(trace)
    except TraceError:
        assert not accepted(text)


CHAIN = "".join(f"- {{op: compute, compute_op: add, args: [a, a], var: v{n}}}\n" for n in range(8))
HEAD = "expert: arithmetic\ntrace:\n- {op: init, var: a, value: 2}\n"
TRACK = "expert: entity_track\ntrace:\n- {op: init, var: bob.cards, value: 3}\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + CHAIN + "- {op: query, var: v7}\n",
        HEAD + "- {op: compute, compute_op: pow, args: [a, a], var: r}\n- {op: query, var: r}\n",
        TRACK + "- {op: consume, entity: bob.cards, amount: 3}\n- {op: query, var: bob.cards}\n",
        TRACK + "- {op: transfer, from_entity: bob.cards, to_entity: ann, amount: 1.5}\n"
        "- {op: query, var: bob.cards}\n",
        "- expert: percentage\n  trace:\n  - {op: init, var: p, value: 12.5}\n"
        "  - {op: percent_off, base: p, rate: 20, var: r}\n  - {op: query, var: r}\n"
        "- expert: arithmetic\n  trace:\n  - {op: init, var: x, source: prev.result}\n"
        "  - {op: init, var: y, source: sub0.result}\n"
        "  - {op: compute, compute_op: mul, args: [x, y], var: r}\n  - {op: query, var: r}\n",
    ],
)
def test_valid_traces_are_accepted(text: str) -> None:
    assert Solver().verify(text, 1).kind in VALID
    assert accepted(text)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("expert: algebra", "expert: a"),
        ("expert: arithmetic\ntrace:\n- {op: compute", "- {op: "),
        (HEAD + "- {op: init, var: a, value: 3", "var: a"),
        (HEAD + "- {op: init, var: true, value: 3", "var: true"),
        (HEAD + "- {op: init, var: b, source: prev.result", "var: b, "),
        (HEAD + "- {op: init, var: b, value: 012", "value: 0"),
        (HEAD + "- {op: query, var: a", "- {op: "),
        (HEAD + "- {op: consume", "- {op: co"),
        (HEAD + "- {op: compute, compute_op: sqrt", "compute_op: s"),
        (HEAD + "- {op: compute, compute_op: add, args: [a]", "args: [a"),
        (HEAD + "- {op: compute, compute_op: add, args: [b", "args: ["),
        (
            HEAD + "- {op: init, var: z, value: 0}\n- {op: compute, compute_op: div, args: [a, z",
            "[a, ",
        ),
        (TRACK + "- {op: consume, entity: bob.cards, amount: 4", "amount: "),
        (TRACK + "- {op: consume, entity: bob.cards, amount: -", "amount: "),
        (TRACK + "- {op: consume, entity: ann", "entity: "),
        (HEAD + CHAIN + "- {op: query, var: v7}\n- expert", "v7}\n"),
    ],
)
def test_texts_leave_the_language_where_they_go_wrong(text: str, after: str) -> None:
    """``after`` ends the longest start that can still become a valid trace."""
    good = max(n for n in range(len(text) + 1) if TracePrefix().feed(text[:n]) is not None)
    assert text[:good].endswith(after)
