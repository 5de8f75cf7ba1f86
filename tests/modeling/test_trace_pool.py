from __future__ import annotations

import pytest

from tests.modeling.tiny import problem
from trace_pipeline.modeling.rl.trace_pool import TracePool, canonical_form
from trace_pipeline.modeling.training.problem_stream import Problem
from trace_pipeline.traces import parse_trace, render_trace

HEAD = "expert: arithmetic\ntrace:\n"


def trace(*steps: str) -> str:
    return HEAD + "".join(f"- {{{step}}}\n" for step in steps)


REFERENCE = render_trace(problem(9, 4).trace)
RENAMED = REFERENCE.replace("eggs", "all").replace("eaten", "gone")
REORDERED = trace(
    "op: init, var: b, value: 4", "op: init, var: a, value: 9",
    "op: compute, compute_op: sub, args: [a, b], var: c", "op: query, var: c",
)  # fmt: skip
TWICE = trace(
    "op: init, var: a, value: 9", "op: init, var: b, value: 2",
    "op: compute, compute_op: sub, args: [a, b], var: c",
    "op: compute, compute_op: sub, args: [c, b], var: d", "op: query, var: d",
)  # fmt: skip
OTHER_NUMBERS = REFERENCE.replace("9", "10").replace("4", "5")
DRAWN = Problem("synthetic", 3, problem(9, 4), 1)


@pytest.mark.parametrize(
    ("text", "same"), [(RENAMED, True), (REORDERED, True), (TWICE, False), (OTHER_NUMBERS, False)]
)
def test_what_is_computed_counts_not_how_it_is_written(text: str, same: bool) -> None:
    reference = canonical_form(parse_trace(REFERENCE))
    assert (canonical_form(parse_trace(text)) == reference) is same


@pytest.mark.parametrize(
    ("keep", "references", "texts", "kept"),
    [
        (4, False, [REFERENCE, RENAMED, REORDERED], [REFERENCE]),
        (4, True, [REFERENCE, RENAMED, REORDERED], []),
        (4, True, [REFERENCE, TWICE], [TWICE]),
        (2, False, [REFERENCE, OTHER_NUMBERS, TWICE], [REFERENCE, TWICE]),  # shapes first
        (1, True, [OTHER_NUMBERS, TWICE], [TWICE]),
        (9, False, [], []),
    ],
)
def test_the_pool_keeps_different_computations(
    keep: int, references: bool, texts: list[str], kept: list[str]
) -> None:
    pool = TracePool(keep, references)
    assert pool.add(DRAWN, [parse_trace(text) for text in texts]) == len(kept)
    assert [render_trace(e.trace) for e in pool.examples()] == kept
    assert pool.add(DRAWN, [parse_trace(text) for text in kept]) == 0
    assert len(pool) == len(kept)


def test_an_example_of_its_own_asks_what_the_problem_asks() -> None:
    pool = TracePool(1, False)
    pool.add(DRAWN, [parse_trace(TWICE)])
    (example,) = pool.examples()
    assert example.question == problem(9, 4).question
    assert (example.answer, example.expert) == (5, "arithmetic")
