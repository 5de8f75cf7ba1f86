"""Nothing but a computed answer counts: what is refused, and what must not be."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.solver.programs import composition, program
from trace_pipeline.solver import Solver
from trace_pipeline.traces import (
    Compute,
    Init,
    Query,
    Reason,
    Step,
    SubTrace,
    Trace,
    TraceError,
    parse_trace,
)

SOLVER = Solver()
ARITHMETIC = {
    "a queried init": ("x = 5", "y = 3", "z = add x y", "query x"),
    "plus 0": ("x = 5", "zero = 0", "r = add x zero", "query r"),
    "0 plus": ("x = 5", "zero = 0", "r = add zero x", "query r"),
    "plus 0 and 0": ("x = 5", "zero = 0", "r = add zero x zero", "query r"),
    "minus 0": ("x = 5", "zero = 0", "r = sub x zero zero", "query r"),
    "times 1": ("x = 5", "one = 1", "r = mul one x", "query r"),
    "divided by 1": ("x = 5", "one = 1", "r = div x one", "query r"),
    "whole division by 1": ("x = 5", "one = 1", "r = floordiv x one", "query r"),
    "to the power of 1": ("x = 5", "one = 1", "r = pow x one", "query r"),
    "1 times 1": ("x = 1", "one = 1", "r = mul x one", "query r"),
    "a path of neutral steps": (
        *("x = 5", "zero = 0", "one = 1", "a = add x zero", "b = mul a one", "c = div b one"),
        *("r = sub c zero", "query r"),
    ),
    "a zero made of zeros": (
        *("x = 5", "zero = 0", "nil = 0", "n = add zero nil", "r = add x n", "query r"),
    ),
    "2x - x": ("x = 5", "d = add x x", "r = sub d x", "query r"),
    "x * 1 / 1": ("x = 5", "one = 1", "m = mul x one", "r = div m one", "query r"),
    "x * y / y": ("x = 5", "y = 3", "m = mul x y", "r = div m y", "query r"),
    "the least of x and more": ("x = 5", "y = 3", "m = add x y", "r = min x m", "query r"),
    "x + y - y": ("x = 5", "y = 3", "m = add x y", "r = sub m y", "query r"),
    "y ** 2 / y ** 2 * x": (
        *("x = 5", "y = 3", "two = 2", "p = pow y two", "one = div p p", "r = mul x one"),
        "query r",
    ),
    "the root of a square": ("x = 5", "s = mul x x", "r = sqrt s", "query r"),
    "the square of a root": ("x = 16", "s = sqrt x", "r = mul s s", "query r"),
    "the least of the same": ("x = 5", "r = min x x", "query r"),
    "the size of a positive": ("x = 5", "r = abs x", "query r"),
    "fractions": ("x = 0.5", "y = 1/3", "m = add x y", "r = sub m y", "query r"),
    "negative numbers": ("x = -5", "y = -3", "m = add x y", "r = sub m y", "query r"),
}
STOCKS = {
    "an untouched stock": ("s = 9", "t = 4", "consume t 1", "query s"),
    "consume 0": ("s = 9", "consume s 0", "query s"),
    "consume a zero": ("s = 9", "zero = 0", "consume s zero", "query s"),
    "add 0": ("s = 9", "add_entity s 0", "query s"),
    "transfer 0 away": ("s = 9", "transfer s t 0", "query s"),
    "transfer 0 there": ("s = 9", "t = 4", "transfer s t 0", "query t"),
    "a literal": ("add_entity s 18", "query s"),
    "a literal and 0": ("add_entity s 18", "add_entity s 0", "query s"),
    "a literal moved on": ("add_entity s 18", "transfer s t 18", "query t"),
    "the amount itself": ("s = 9", "n = 4", "transfer s t n", "query t"),
    "to oneself": ("s = 9", "transfer s s 3", "query s"),
    "there and back": ("s = 9", "n = 4", "transfer s t n", "transfer t s n", "query s"),
    "the same literal there and back": ("s = 9", "consume s 4", "add_entity s 4", "query s"),
}
PERCENTAGES = {
    "0 percent off": ("b = 80", "r = percent_off b 0", "query r"),
    "0 percent more": ("b = 80", "rate = 0", "r = percent_increase b rate", "query r"),
    "all of it": ("b = 80", "rate = 100", "r = percent_of b rate", "query r"),
}
REFUSED = (
    [(steps, "arithmetic") for steps in ARITHMETIC.values()]
    + [(steps, "entity_track") for steps in STOCKS.values()]
    + [(steps, "percentage") for steps in PERCENTAGES.values()]
)


@pytest.mark.parametrize(("steps", "expert"), REFUSED, ids=[*ARITHMETIC, *STOCKS, *PERCENTAGES])
def test_an_answer_that_was_given_is_refused(steps: tuple[str, ...], expert: str) -> None:
    text = program(*steps, expert=expert)
    with pytest.raises(TraceError) as caught:
        SOLVER.execute(parse_trace(text))
    assert caught.value.reason is Reason.SHORT_CIRCUIT
    assert (caught.value.subtrace, caught.value.step) == (0, len(steps) - 1)
    allowed = Solver(allow_short_circuit=True).execute(parse_trace(text)).answer
    assert SOLVER.verify(text, allowed).kind == "invalid_trace"
    assert Solver(allow_short_circuit=True).verify(text, allowed).kind == "correct"


HAPPENSTANCE = {
    "28 * 2 - 28": ("x = 28", "y = 2", "m = mul x y", "r = sub m x", "query r"),
    "28 * (3 - 2)": ("x = 28", "y = 3", "z = 2", "d = sub y z", "r = mul x d", "query r"),
    "10 + (5 - 5)": ("x = 10", "y = 5", "z = 5", "d = sub y z", "r = add x d", "query r"),
    "2 + 2 - 2": ("x = 2", "y = 2", "z = 2", "m = add x y", "r = sub m z", "query r"),
    "1 + 1 - 1": ("x = 1", "y = 1", "z = 1", "m = add x y", "r = sub m z", "query r"),
    "10 - 5": ("x = 10", "y = 5", "r = sub x y", "query r"),
    "1 * 5 - 0 + 1 of other numbers": (
        *("x = 1", "y = 5", "z = 0", "m = mul x y", "n = add y x", "r = sub n x y", "query r"),
    ),
    "0 of something": ("x = 0", "y = 5", "r = mul x y", "query r"),
    "the cheaper": ("x = 28", "y = 30", "r = min x y", "query r"),
    "the dearest of three": ("x = 28", "y = 50", "z = 30", "r = max x y z", "query r"),
    "a remainder": ("x = 5", "y = 7", "r = mod x y", "query r"),
    "whole boxes": ("x = 12", "y = 4", "n = floordiv x y", "r = mul n y", "query r"),
    "the distance": ("x = 10", "y = 5", "d = sub y x", "r = abs d", "query r"),
    "the size of a negative": ("x = -5", "y = 5", "r = abs x", "query r"),
    "a power": ("x = 2", "y = 4", "r = pow x x", "query r"),
    "15 of 100 parts of 100": (
        *("x = 100", "y = 15", "c = 100", "m = mul x y", "r = div m c", "query r"),
    ),
}
STORIES = {
    "two literals": (("add_entity s 9", "add_entity s 9", "query s"), "entity_track"),
    "4 - 2": (("add_entity s 4", "consume s 2", "query s"), "entity_track"),
    "different amounts there and back": (
        ("s = 9", "m = 4", "n = 4", "transfer s t m", "transfer t s n", "query s"),
        "entity_track",
    ),
    "a rate of 100": (("b = 100", "rate = 15", "r = percent_of b rate", "query r"), "percentage"),
    "a literal rate": (("b = 100", "r = percent_of b 15", "query r"), "percentage"),
    "doubled and halved": (
        ("b = 80", "m = percent_increase b 100", "r = percent_off m 50", "query r"),
        "percentage",
    ),
}
ACCEPTED = [(steps, "arithmetic") for steps in HAPPENSTANCE.values()] + [*STORIES.values()]


@pytest.mark.parametrize(("steps", "expert"), ACCEPTED, ids=[*HAPPENSTANCE, *STORIES])
def test_an_answer_that_happens_to_equal_an_init_is_fine(
    steps: tuple[str, ...], expert: str
) -> None:
    assert SOLVER.execute(parse_trace(program(*steps, expert=expert))).results


PART = ("x = 2", "y = 5", "r = mul x y", "query r")
PASSED_ON = {
    "a source that is only passed on": (PART, ("p = prev.result", "query p")),
    "a source plus 0": (PART, ("p = prev.result", "zero = 0", "r = add p zero", "query r")),
    "a source undone": (PART, ("p = prev.result", "d = add p p", "r = sub d p", "query r")),
    "the same source twice": (
        PART,
        ("p = prev.result", "q = sub0.result", "m = mul p q", "r = div m q", "query r"),
    ),
    "an init over two sub-traces": (
        ("x = 5", "zero = sub x x", "query zero"),
        ("y = 7", "p = prev.result", "r = add y p", "query r"),
    ),
}


@pytest.mark.parametrize("parts", PASSED_ON.values(), ids=PASSED_ON)
def test_sub_traces_must_compute_as_well(parts: tuple[tuple[str, ...], ...]) -> None:
    with pytest.raises(TraceError) as caught:
        SOLVER.execute(parse_trace(composition(*parts)))
    assert (caught.value.reason, caught.value.subtrace) == (Reason.SHORT_CIRCUIT, 1)


def test_a_short_circuit_in_an_early_sub_trace_is_one() -> None:
    text = composition(("x = 5", "query x"), ("p = prev.result", "y = 2", "r = mul p y", "query r"))
    with pytest.raises(TraceError) as caught:
        SOLVER.execute(parse_trace(text))
    assert (caught.value.reason, caught.value.subtrace) == (Reason.SHORT_CIRCUIT, 0)


def test_a_source_of_1_that_was_computed_is_no_neutral_number() -> None:
    hours = ("x = 5", "y = 4", "r = sub x y", "query r")
    pay = ("rate = 28", "hours = prev.result", "r = mul rate hours", "query r")
    assert SOLVER.execute(parse_trace(composition(hours, pay))).answer == 28


@st.composite
def calculations(draw: st.DrawFn) -> Trace:
    """A chain in which each init is used once, with one choice between two numbers at most."""
    values = draw(st.lists(st.integers(2, 12), min_size=2, max_size=6))
    steps: list[Step] = [Init(f"v{n}", value) for n, value in enumerate(values)]
    name = "v0"
    choice = draw(st.integers(1, len(values)))
    for number in range(1, len(values)):
        operations = ["min", "max"] if number == choice else ["add", "sub", "mul", "div"]
        operation = draw(st.sampled_from(operations))
        steps.append(Compute(operation, (name, f"v{number}"), f"s{number}"))
        name = f"s{number}"
    return Trace((SubTrace("arithmetic", (*steps, Query(name))),))


@given(calculations())
@settings(max_examples=300, deadline=None)
def test_chains_that_use_each_init_once_are_never_refused(trace: Trace) -> None:
    assert SOLVER.execute(trace).results


@given(calculations(), st.sampled_from(["x + q - q", "x * q / q", "x + x - x"]))
@settings(max_examples=200, deadline=None)
def test_an_init_hidden_behind_any_calculation_is_found(trace: Trace, disguise: str) -> None:
    """``q`` is computed from the inits, so the disguise rests on numbers that were not given."""
    steps = trace.subtraces[0].steps[:-1]
    computed = steps[-1]
    assert isinstance(computed, Compute)
    first, _, second, _, third = disguise.replace("q", computed.var).split()
    up, down = disguise.split()[1::2]
    words = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
    if words[down] == "div" and not value_of(trace):
        return
    hidden = (
        Init("x", 77),
        Compute(words[up], (first, second), "up"),
        Compute(words[down], ("up", third), "r"),
        Query("r"),
    )
    with pytest.raises(TraceError) as caught:
        SOLVER.execute(Trace((SubTrace("arithmetic", (*steps, *hidden)),)))
    assert caught.value.reason is Reason.SHORT_CIRCUIT


def value_of(trace: Trace) -> object:
    return SOLVER.execute(trace).answer
