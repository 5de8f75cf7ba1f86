"""A real word problem: question, annotated solution, gold answer."""

from __future__ import annotations

from msgspec import Struct

from trace_pipeline.gsm8k.annotations import Calculation, read_calculations
from trace_pipeline.traces import Number, parse_number


class ProblemError(ValueError):
    """A record that is not a usable problem; the message is the reason alone."""


class Problem(Struct, frozen=True):
    """One problem of a set.

    The question is kept as written; numbers in it are normalised where a prompt is made.
    """

    index: int
    """Position of the problem's line in its file, from 0; rejected lines leave gaps."""
    question: str
    gold: Number
    """The number behind ``####``, exactly."""
    solution: str
    """The author's solution with calculator annotations, ``####`` line included."""

    @property
    def calculations(self) -> tuple[Calculation, ...]:
        """The annotated calculations in order."""
        return read_calculations(self.solution)

    @property
    def steps(self) -> int:
        """Number of annotated calculations; 0 where the author annotated none."""
        return self.solution.count("<<")


class Rejected(Struct, frozen=True):
    """A line of a problem file that could not be used."""

    line: int
    """Line (or row) number, from 1."""
    reason: str


class ProblemSet(Struct, frozen=True, kw_only=True):
    """Problems of one split and where they come from."""

    name: str
    """What reports call it: ``GSM-8K test`` or ``built-in sample``."""
    source: str
    """Where it was read from, in words."""
    split: str
    is_gsm8k: bool
    """False for the built-in sample, whose results are no GSM-8K results."""
    problems: tuple[Problem, ...]
    available: int
    """Usable problems of the source, before ``limit``."""
    rejected: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = ()
    """What was tried and what a reader of a report should know."""


def problem_from_record(record: object, index: int) -> Problem:
    """Type one record ``{question, answer}`` of a problem file.

    Raises:
        ProblemError: a missing or empty field, no ``####``, a gold that is no number, or a
            broken annotation.
    """
    if not isinstance(record, dict):
        raise ProblemError(f"expected an object, found {type(record).__name__}")
    for field in ("question", "answer"):
        if field not in record:
            raise ProblemError(f"the field {field!r} is missing")
        if not isinstance(record[field], str) or not record[field].strip():
            raise ProblemError(f"{field}: expected text, found {record[field]!r:.40}")
    question, solution = record["question"], record["answer"]
    try:
        problem = Problem(index, question, read_gold(solution), solution)
        read_calculations(solution)
    except ValueError as error:
        raise ProblemError(str(error)) from None
    return problem


def read_gold(solution: str) -> Number:
    """The exact number behind the last ``####``: ``1,234``, ``$5``, ``-3`` and ``2.5`` all do.

    Raises:
        ProblemError: no ``####``, or no number behind it.
    """
    _, mark, answer = solution.rpartition("####")
    if not mark:
        raise ProblemError("answer: no '#### <number>' at its end")
    try:
        return parse_number(answer.strip().removesuffix(".").replace("$", ""))
    except ValueError:
        raise ProblemError(f"answer: {answer.strip()!r:.40} behind '####' is no number") from None
