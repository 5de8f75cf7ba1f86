from __future__ import annotations

from tests.solver.programs import composition, program
from trace_pipeline.solver import Solver, explain
from trace_pipeline.traces import parse_trace


def lines(text: str) -> list[str]:
    trace = parse_trace(text)
    return explain(trace, Solver().execute(trace))


def test_arithmetic_shows_names_then_values() -> None:
    text = program(
        *(
            "a = 16",
            "b = -3",
            "c = sub a b",
            "two = 2.5",
            "d = max c two",
            "r = div d c a",
            "query r",
        )[:5],
        *("r = floordiv d two", "query r"),
    )
    assert lines(text) == [
        "a = 16",
        "b = -3",
        "c = a - b = 16 - (-3) = 19",
        "two = 2.5",
        "d = max(c, two) = max(19, 2.5) = 19",
        "r = floordiv(d, two) = floordiv(19, 2.5) = 7",
        "query r = 7",
    ]


def test_stocks_and_percentages() -> None:
    stocks = program(
        "s = 9",
        "n = 4",
        "consume s 2",
        "add_entity t 1",
        "transfer s t n",
        "query t",
        expert="entity_track",
    )
    assert lines(stocks) == [
        "s = 9",
        "n = 4",
        "s = s - 2 = 9 - 2 = 7",
        "t = t + 1 = 0 + 1 = 1",
        "4 from s to t: s = 3, t = 5",
        "query t = 5",
    ]
    shares = program(
        "p = 80", "q = percent_off p 25", "r = percent_of q p", "query r", expert="percentage"
    )
    assert lines(shares) == [
        "p = 80",
        "q = p less 25% = 80 less 25% = 60",
        "r = p% of q = 80% of 60 = 48",
        "query r = 48",
    ]


def test_a_composition_names_its_sub_traces() -> None:
    text = composition(
        ("a = 2", "r = add a a", "query r"), ("p = prev.result", "b = 3", "r = div b p", "query r")
    )
    assert lines(text) == [
        "sub0 (arithmetic):",
        "  a = 2",
        "  r = a + a = 2 + 2 = 4",
        "  query r = 4",
        "sub1 (arithmetic):",
        "  p = prev.result = 4",
        "  b = 3",
        "  r = b / p = 3 / 4 = 0.75",
        "  query r = 0.75",
    ]
