"""The fixed validation split and the cut against the test split."""

from __future__ import annotations

from trace_pipeline.gsm8k import Problem
from trace_pipeline.gsm8k.splits import drop_overlaps, part_of, split_problems


def problems(count: int) -> list[Problem]:
    return [Problem(i, f"Ana has {i} caps and {i + 7} hats. Total?", 1, "") for i in range(count)]


def test_about_a_tenth_is_held_out_whatever_the_order() -> None:
    pool = problems(2000)
    train, validation = split_problems(pool)
    assert 150 < len(validation) < 250
    assert len(train) + len(validation) == 2000
    _, reversed_validation = split_problems(pool[::-1])
    assert {p.index for p in validation} == {p.index for p in reversed_validation}


def test_the_part_depends_on_the_words_alone() -> None:
    for problem in problems(50):
        assert part_of(problem.question) == part_of(f"  {problem.question.upper()}!")


def test_the_split_is_fixed_for_good() -> None:
    parts = [part_of(f"question number {number}") for number in range(40)]
    assert [i for i, part in enumerate(parts) if part == "validation"] == [8, 11, 20, 33, 38]


def test_overlapping_problems_are_dropped_and_named() -> None:
    pool = problems(3)
    long = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    pool.append(Problem(3, f"{long} and more", 1, ""))
    kept, overlap = drop_overlaps(pool, [pool[1].question, f"first {long}"])
    assert [problem.index for problem in kept] == [0, 2]
    assert overlap.train_indices == {1, 3}
