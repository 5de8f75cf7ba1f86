from __future__ import annotations

import math

import pytest

from trace_pipeline.evaluation.plausibility import Doubt
from trace_pipeline.evaluation.sampled import Judged, Sampled, chosen, summarise_samples
from trace_pipeline.solver import Solver


def trace(value: int) -> str:
    return (
        f"expert: arithmetic\ntrace:\n- {{op: init, var: a, value: {value}}}\n"
        "- {op: compute, compute_op: add, args: [a, a], var: r}\n- {op: query, var: r}\n"
    )


def judged(
    *halves: int | None,
    doubtful: str = "",
    gold: int = 10,
    likely: tuple[float, ...] | None = None,
    marks: str = "",
) -> list[Judged]:
    """Traces that answer twice each number; None is no trace; as many doubts as ``doubtful``.

    ``likely`` are their likelihoods; ``marks`` tell traces of the same number apart.
    """
    solver = Solver()
    texts = ["nothing" if half is None else trace(half) for half in halves]
    counts = [int(count) for count in doubtful.ljust(len(halves), "0")]
    known = [None] * len(halves) if likely is None else [math.log(value) for value in likely]
    return [
        Judged(solver.verify(text, gold), tuple(Doubt)[:count], text + mark, value)
        for text, count, value, mark in zip(
            texts, counts, known, marks.ljust(len(halves)), strict=True
        )
    ]


@pytest.mark.parametrize(
    ("halves", "correct", "majority"),
    [
        ((5, 5, 1, 2), 2, True),
        ((5, 1, 1, 2), 1, False),
        ((1, 5, 2, 3), 1, False),  # a tie: the first answer wins
        ((5, 1, 2, 3), 1, True),
        ((None, None, None, 5), 1, True),  # no trace, no vote
        ((None, None, None, None), 0, False),
    ],
)
def test_counts_and_majority(halves: tuple[int | None, ...], correct: int, majority: bool) -> None:
    sampled = summarise_samples([judged(*halves)])
    assert sampled.described == "4 samples of each problem"
    assert sampled == Sampled(4, (correct,), (majority,), (majority,))


@pytest.mark.parametrize(
    ("halves", "doubtful", "place"),
    [
        ((1, 1, 5, 2), "1101", 2),  # one trace without doubts outvotes two with
        ((1, 1, 5, 2), "1111", 0),  # all doubtful: all vote
        ((1, 1, 5, 5), "2211", 2),  # the fewest doubts count, none or not
        ((1, 5, 5, 2), "0000", 1),
        ((5, 1, 2, 1), "1000", 1),
        ((None, 5, None, 1), "0101", 1),  # what cannot be executed has no vote
        ((None, None, None, None), "0000", 0),
    ],
)
def test_the_least_doubtful_vote(halves: tuple[int | None, ...], doubtful: str, place: int) -> None:
    group = judged(*halves, doubtful=doubtful)
    assert chosen(group, "plausible") == place
    assert chosen(group, "first") == 0
    assert summarise_samples([group]).plausible == (halves[place] == 5,)


@pytest.mark.parametrize(
    ("halves", "doubtful", "likely", "marks", "place"),
    [
        ((1, 1, 5, 2), "0000", (0.1, 0.1, 0.3, 0.2), "", 2),  # one likely trace, drawn once
        ((1, 1, 5, 2), "0000", (0.2, 0.2, 0.3, 0.1), "ab", 0),  # two traces, likelier together
        ((1, 1, 5, 2), "0000", (0.1, 0.25, 0.3, 0.1), "ab", 1),  # the likelier one of them
        ((1, 1, 1, 5), "0000", (0.2, 0.2, 0.2, 0.3), "", 3),  # one trace three times counts once
        ((1, 1, 5, 2), "0010", (0.1, 0.1, 0.9, 0.15), "", 3),  # only the least doubtful
        ((None, 5, None, 1), "0000", (0.9, 0.2, 0.9, 0.1), "", 1),
        ((None, None, None, None), "0000", (0.9, 0.2, 0.9, 0.1), "", 0),
        ((1, 2, 5, 5), "0000", (1e-300, 1e-300, 2e-300, 1e-300), "", 2),
    ],
)
def test_the_most_probable_answer(
    halves: tuple[int | None, ...],
    doubtful: str,
    likely: tuple[float, ...],
    marks: str,
    place: int,
) -> None:
    group = judged(*halves, doubtful=doubtful, likely=likely, marks=marks)
    assert chosen(group, "probable") == place
    assert summarise_samples([group]).probable == (halves[place] == 5,)


def test_without_likelihoods_nothing_is_probable() -> None:
    group = judged(1, 5, 5)
    assert summarise_samples([group]).probable == ()
    with pytest.raises(ValueError, match="not known"):
        chosen(group, "probable")


def test_a_greedy_first_one_votes_and_is_not_drawn() -> None:
    found = summarise_samples([judged(5, 1, 5, 2), judged(1, 5, 5, 5)], greedy_first=True)
    assert found.samples == 3
    assert found.correct == (1, 3)
    assert found.greedy == (True, False)
    assert found.described == "3 samples of each problem beside the greedy one"
    assert found.majority == (True, True)
    assert found.metrics().keys() >= {"pass_at_3", "majority_at_4", "plausible_at_4"}
    assert "pass_at_4" not in found.metrics()


def test_the_answer_of_the_majority_is_its_first_sample() -> None:
    assert chosen(judged(None, 2, 5, 5), "majority") == 2


def test_what_was_stored_before_has_no_plausible_vote() -> None:
    sampled = Sampled(2, (1,), (True,))
    assert "plausible_at_2" not in sampled.metrics()
    assert [name for name, _ in sampled.rows()] == ["pass@1", "pass@2", "majority@2"]


def test_pass_at_k_is_the_mean_over_problems() -> None:
    sampled = Sampled(4, (0, 1, 4), (False, True, True), (False, False, True))
    assert sampled.pass_at(1) == pytest.approx((0 + 1 / 4 + 1) / 3)
    assert sampled.pass_at(2) == pytest.approx((0 + 1 / 2 + 1) / 3)
    assert sampled.metrics() == {
        "pass_at_1": sampled.pass_at(1),
        "pass_at_2": sampled.pass_at(2),
        "pass_at_4": pytest.approx(2 / 3),
        "majority_at_4": pytest.approx(2 / 3),
        "plausible_at_4": pytest.approx(1 / 3),
    }
    names = [name for name, _ in sampled.rows()]
    assert names == ["pass@1", "pass@2", "pass@4", "majority@4", "plausible@4"]


def test_as_many_samples_of_each_problem() -> None:
    with pytest.raises(ValueError, match="as many samples"):
        summarise_samples([judged(1), judged(1, 2)])
