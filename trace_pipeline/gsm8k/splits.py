"""A fixed validation split of the training problems, for every choice that is made.

A problem's part is a hash of its question's normalised words, so it does not
depend on order, machine or seed, the same question is never in both parts, and
a problem stays where it is when others are dropped. The test split is for the
final report alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from trace_pipeline.generation.randomness import fingerprint
from trace_pipeline.gsm8k.overlap import Overlap, find_overlaps, normalised_words
from trace_pipeline.gsm8k.problem import Problem

VALIDATION_PERCENT = 10
"""Share of the training problems that is held out."""

Part = Literal["train", "validation"]


def part_of(question: str) -> Part:
    """The part of the training problems that ``question`` belongs to."""
    words = " ".join(normalised_words(question))
    held_out = fingerprint("gsm8k-validation", words) % 100 < VALIDATION_PERCENT
    return "validation" if held_out else "train"


def split_problems(problems: Iterable[Problem]) -> tuple[list[Problem], list[Problem]]:
    """Training and validation problems, each in the given order."""
    parts: dict[Part, list[Problem]] = {"train": [], "validation": []}
    for problem in problems:
        parts[part_of(problem.question)].append(problem)
    return parts["train"], parts["validation"]


def drop_overlaps(
    problems: Sequence[Problem], test_questions: Sequence[str]
) -> tuple[list[Problem], Overlap]:
    """The problems that share no question and no 13 words in a row with a test question.

    The overlap says what was dropped; its positions are those in ``problems``.
    """
    overlap = find_overlaps([problem.question for problem in problems], test_questions)
    dropped = set(overlap.train_indices)
    return [p for index, p in enumerate(problems) if index not in dropped], overlap
