from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.modeling.tiny import Problem as Example
from tests.modeling.tiny import experiment, problems
from trace_pipeline.experiment import RlConfig
from trace_pipeline.modeling.training.problem_stream import (
    Position,
    Problem,
    ProblemStream,
    RlData,
    chain_length,
)
from trace_pipeline.traces import Compute, Init, Query, SubTrace, Trace
from trace_pipeline.validation import InvalidInputError


def chain(length: int) -> Example:
    """A problem whose trace adds ``length`` times."""
    sums = [Compute("add", (f"s{i}", "s0"), f"s{i + 1}") for i in range(length)]
    steps = (Init("s0", 1), *sums, Query(f"s{length}"))
    return Example(f"{length} sums", Trace((SubTrace("arithmetic", steps),)), length + 1)


def stream(count: int = 12, real: int = 0, seed: int = 3, **settings: Any) -> ProblemStream:
    made = problems(count + real)
    data = RlData(made[:count], made[count:], [], [])
    return ProblemStream(data, config(**settings), seed)


def config(**settings: Any) -> RlConfig:
    return experiment(rl=settings).rl


def test_problems_come_once_per_pass() -> None:
    drawn = [problem.index for i in range(10) for problem in stream_of_48.draw(5, i)]
    for start in range(0, 48, 12):
        assert sorted(drawn[start : start + 12]) == list(range(12))
    assert drawn[:12] != drawn[12:24]
    assert len(stream(2).draw(5, 0)) == 5


stream_of_48 = stream()


@given(st.integers(1, 30), st.integers(0, 30))
def test_a_stream_goes_on_from_its_position(first: int, second: int) -> None:
    data = RlData(problems(7), problems(9)[7:], [], [])
    whole = ProblemStream(data, config(source="mix"), 1)
    expected = whole.draw(first + second, 0)
    begun = ProblemStream(data, config(source="mix"), 1)
    assert begun.draw(first, 0) == expected[:first]
    position = Position(*(getattr(begun.position, f) for f in Position.__struct_fields__))
    assert (
        ProblemStream(data, config(source="mix"), 1, position).draw(second, 0) == expected[first:]
    )


@pytest.mark.parametrize(
    ("source", "share", "real"), [("synthetic", 0.5, 0), ("real", 0.5, 40), ("mix", 0.25, 10)]
)
def test_sources_have_their_shares(source: str, share: float, real: int) -> None:
    drawn = stream(12, 6, source=source, real_share=share).draw(40, 0)
    assert [problem.source for problem in drawn].count("real") == real


def test_a_curriculum_starts_with_the_shortest_and_ends_with_all() -> None:
    data = RlData([chain(1 + i % 8) for i in range(40)], [], [], [])
    settings = config(curriculum=0.5, iterations=14)
    made = ProblemStream(data, settings, 0)
    longest = [made.longest(i) for i in range(14)]
    assert longest == [1, 2, 3, 4, 5, 6, 7] + [8] * 7
    for iteration, limit in enumerate(longest):
        lengths = [problem.length for problem in made.draw(5, iteration)]
        assert max(lengths) <= limit
    assert ProblemStream(data, config(iterations=14), 0).longest(0) == 8


def test_a_source_without_short_chains_gives_its_shortest() -> None:
    data = RlData([chain(1)], [chain(5), chain(6)], [], [])
    made = ProblemStream(data, config(source="mix", curriculum=1.0, iterations=9), 0)
    assert {(p.source, p.length) for p in made.draw(10, 0)} == {("synthetic", 1), ("real", 5)}


def test_a_chain_is_as_long_as_it_computes() -> None:
    assert [chain_length(chain(length).trace) for length in (1, 4)] == [1, 4]


@pytest.mark.parametrize(
    ("source", "data", "message"),
    [
        ("synthetic", RlData([], [], problems(1), []), "training and validation examples"),
        ("synthetic", RlData(problems(2), [], [], []), "found 2 and 0; generate some"),
        ("real", RlData(problems(2), [], problems(1), []), r"found 0 and 0; raise data\.gsm8k"),
        ("mix", RlData(problems(2), problems(2), problems(1), []), r"rl\.source: mix needs real"),
    ],
)
def test_missing_problems_are_named(source: str, data: RlData, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        data.require(config(source=source))


def test_a_round_draws_no_problem_twice() -> None:
    mixed = stream(8, real=2, source="mix", real_share=0.5)
    drawn = mixed.draw_distinct(50, 0)
    assert len(drawn) == len({(p.source, p.index) for p in drawn}) == 10
    few = stream(8, real=6, source="mix", real_share=0.5).draw_distinct(4, 0)
    assert sorted(p.source for p in few) == ["real", "real", "synthetic", "synthetic"]
    endless = stream(12)
    rounds = [[p.index for p in endless.draw_distinct(5, i)] for i in range(6)]
    assert all(len(set(drawn)) == 5 for drawn in rounds)


def test_a_round_of_a_curriculum_draws_what_is_admitted_once() -> None:
    data = RlData([chain(length) for length in (1, 1, 2, 3)], [], [], [])
    stream = ProblemStream(data, config(curriculum=1.0, iterations=4), 0)
    assert sorted(problem.length for problem in stream.draw_distinct(10, 0)) == [1, 1]


def test_drawing_looks_at_no_problem_but_those_it_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round of expert iteration draws all of them; looks at all for each would be quadratic."""
    drawing = ProblemStream(RlData([chain(1)] * 30, [], [chain(1)], []), config(), 0)
    looked: list[int] = []

    def length(problem: Problem) -> int:
        looked.append(problem.index)
        return int(vars(problem)["length"])

    monkeypatch.setattr(Problem, "length", property(length), raising=False)
    assert len(drawing.draw_distinct(20, 0)) == len(looked) == 20
