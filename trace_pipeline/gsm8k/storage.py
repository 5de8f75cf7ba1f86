"""Problem sets on disk: one JSON file, so that later stages see exactly what was loaded."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from trace_pipeline.gsm8k.problem import Problem, ProblemError, ProblemSet, Rejected, read_gold
from trace_pipeline.store import write_json
from trace_pipeline.validation import InvalidInputError


class _StoredProblem(Struct, frozen=True):
    index: int
    question: str
    answer: str


class _StoredSet(Struct, frozen=True):
    name: str
    source: str
    split: str
    is_gsm8k: bool
    available: int
    rejected: tuple[Rejected, ...]
    notes: tuple[str, ...]
    problems: tuple[_StoredProblem, ...]


def write_problem_set(path: Path, problems: ProblemSet) -> None:
    """Write ``problems`` as JSON, atomically."""
    stored = _StoredSet(
        name=problems.name,
        source=problems.source,
        split=problems.split,
        is_gsm8k=problems.is_gsm8k,
        available=problems.available,
        rejected=problems.rejected,
        notes=problems.notes,
        problems=tuple(_StoredProblem(p.index, p.question, p.solution) for p in problems.problems),
    )
    write_json(path, stored)


def read_problem_set(path: Path) -> ProblemSet:
    """Read what :func:`write_problem_set` wrote.

    Raises:
        InvalidInputError: the file is missing or is no problem set.
    """
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=_StoredSet)
        problems = tuple(
            Problem(p.index, p.question, read_gold(p.answer), p.answer) for p in stored.problems
        )
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be read ({error.strerror})") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, ProblemError) as error:
        raise InvalidInputError(f"{path}: not a stored problem set: {error}") from None
    return ProblemSet(
        name=stored.name,
        source=stored.source,
        split=stored.split,
        is_gsm8k=stored.is_gsm8k,
        problems=problems,
        available=stored.available,
        rejected=stored.rejected,
        notes=stored.notes,
    )
