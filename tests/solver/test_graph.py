"""Computation graphs: what two traces have in common, however they are written."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace_pipeline.solver.graph import Graph, GraphError, computation_graph
from trace_pipeline.solver.graph_shape import shape, skeleton
from trace_pipeline.traces import (
    AddEntity,
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


def trace(*steps: Step, expert: str = "arithmetic") -> Trace:
    return Trace((SubTrace(expert, steps),))


def inits(**values: int) -> list[Step]:
    return [Init(name, value) for name, value in values.items()]


def graph(*steps: Step) -> Graph:
    return computation_graph(trace(*steps))


def compute(op: str, args: str, var: str) -> Compute:
    return Compute(op, tuple(args.split()), var)


ABC = inits(a=5, b=3, c=2)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(
            [*ABC, compute("sub", "a b c", "r"), Query("r")],
            [*ABC, compute("add", "b c", "s"), compute("sub", "a s", "r"), Query("r")],
            id="a - b - c is a - (b + c)",
        ),
        pytest.param(
            [*ABC, compute("mul", "a b", "s"), compute("mul", "s c", "r"), Query("r")],
            [*inits(c=2, b=3, a=5), compute("mul", "c b a", "r"), Query("r")],
            id="a product in any order, in one step or two",
        ),
        pytest.param(
            [*ABC, compute("div", "a b", "s"), compute("mul", "s c", "r"), Query("r")],
            [*ABC, compute("mul", "a c", "s"), compute("div", "s b", "r"), Query("r")],
            id="dividing first or last",
        ),
        pytest.param(
            [*inits(p=80, q=25), PercentOf("p", "q", "r"), Query("r")],
            [
                *inits(p=80, q=25, h=100),
                compute("div", "q h", "s"),
                compute("mul", "p s", "r"),
                Query("r"),
            ],
            id="percent_of is a product",
        ),
        pytest.param(
            [*inits(p=80, q=25), PercentOff("p", "q", "r"), Query("r")],
            [
                *inits(p=80, q=25, h=100),
                compute("mul", "q p", "s"),
                compute("div", "s h", "t"),
                compute("sub", "p t", "r"),
                Query("r"),
            ],
            id="percent_off takes the share off",
        ),
        pytest.param(
            [*inits(p=80, q=25), PercentIncrease("p", "q", "r"), Query("r")],
            [*inits(x=1, y=2), PercentIncrease("x", "y", "z"), Query("z")],
            id="names and values are no part of the shape",
        ),
        pytest.param(
            [Init("jar", 9), Consume("jar", 4), AddEntity("jar", 2), Query("jar")],
            [*inits(x=9, y=4, z=2), compute("sub", "x y", "s"), compute("add", "s z", "r"),
             Query("r")],
            id="stocks are sums",
        ),
    ],
)  # fmt: skip
def test_equal_graphs(first: list[Step], second: list[Step]) -> None:
    assert shape(graph(*first)) == shape(graph(*second))


@pytest.mark.parametrize(
    ("steps", "expected", "bones"),
    [
        ([compute("sub", "a b", "r")], "a - b", "a b"),
        ([compute("div", "a b", "s"), compute("sub", "c s", "r")], "a - (b / c)", "a (b c)"),
        ([compute("sub", "a b", "s"), compute("mul", "s a", "r")], "a * (a - b)", "a (b a)"),
        ([compute("sub", "a b", "s"), compute("mul", "s b", "r")], "a * (b - a)", "a (b a)"),
        ([compute("add", "a b", "s"), compute("mul", "s s", "r")], "(A=a + b) * A", "(A=a b) A"),
        ([compute("floordiv", "a b", "r")], "floordiv(a, b)", "a b"),
        ([compute("max", "b a", "r")], "max(a, b)", "a b"),
    ],
)
def test_shapes(steps: list[Step], expected: str, bones: str) -> None:
    found = graph(*ABC, *steps, Query("r"))
    assert shape(found) == expected
    assert skeleton(found) == bones


def test_a_source_is_what_the_earlier_sub_trace_queries() -> None:
    composed = Trace(
        (
            SubTrace("arithmetic", (*ABC, compute("add", "a b", "s"), Query("s"))),
            SubTrace(
                "arithmetic",
                (
                    Init("before", source="prev.result"),
                    Init("c", 2),
                    compute("mul", "before c", "result"),
                    Query("result"),
                ),
            ),
        )
    )
    plain = graph(*ABC, compute("add", "a b", "s"), compute("mul", "s c", "r"), Query("r"))
    assert shape(computation_graph(composed)) == shape(plain) == "a * (b + c)"


def test_a_transfer_moves_between_sums() -> None:
    found = graph(Init("x", 9), Init("y", 1), Transfer("x", "y", 4), Query("y"))
    assert shape(found) == "a + b"
    assert [term.value for term in found.leaves(found.root)] == [1, 4]


def test_operations_count_a_shared_part_once() -> None:
    found = graph(*ABC, compute("add", "a b c", "s"), compute("mul", "s s", "r"), Query("r"))
    assert found.operations(found.root) == 3


@pytest.mark.parametrize(
    "steps",
    [
        [Query("nobody")],
        [Init("a", 1)],
        [Init("a", source="prev.result"), Query("a")],
        [Init("a", source="sub3.result"), Query("a")],
        [Query("a"), Init("a", 1)],
    ],
)
def test_what_has_no_graph(steps: list[Step]) -> None:
    with pytest.raises(GraphError):
        graph(*steps)


def test_doubling_sixty_times_is_quick() -> None:
    steps = [compute("add", f"s{i} s{i}", f"s{i + 1}") for i in range(60)]
    start = time.perf_counter()
    text = shape(graph(Init("s0", 1), *steps, Query("s60")))
    assert time.perf_counter() - start < 1
    assert len(text) < 2000


@given(st.permutations(["a", "b", "c", "d"]), st.sampled_from(["add", "mul"]))
def test_order_never_matters_where_it_commutes(names: list[str], op: str) -> None:
    start = inits(a=1, b=2, c=3, d=4)
    chain = [
        compute(op, f"{names[0]} {names[1]}", "s"),
        compute(op, f"{names[2]} s", "t"),
        compute(op, f"t {names[3]}", "r"),
    ]
    at_once = compute(op, "a b c d", "r")
    assert shape(graph(*start, *chain, Query("r"))) == shape(graph(*start, at_once, Query("r")))
