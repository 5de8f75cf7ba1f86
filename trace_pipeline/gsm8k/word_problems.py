"""Word problems of our own with their calculations, as authors write them: two lines each.

::

    A florist ties 14 bouquets of 9 roses each and sells 5 bouquets. How many roses are left?
    14-5=9; 9*9=81

The question is one line, the calculations that answer it are the next, a blank line ends the
problem, and a line that begins with ``#`` is a remark. The last calculation gives the answer.
Calculations are those of GSM-8K's annotations (Cobbe et al. 2021, arXiv:2110.14168).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from trace_pipeline.gsm8k.problem import (
    Problem,
    ProblemError,
    ProblemSet,
    Rejected,
    problem_from_record,
)
from trace_pipeline.traces import format_number
from trace_pipeline.validation import InvalidInputError, unknown_name

FOLDER = "word_problems"
"""In the project's folder; each folder in it is a collection of ``.txt`` files."""
SUFFIX = ".txt"


class Written(Struct, frozen=True):
    """The problems of some collections as their files have them."""

    problems: tuple[Problem, ...]
    places: tuple[str, ...]
    """File and line of each problem."""
    rejected: tuple[Rejected, ...]
    """Their reasons begin with the file."""


def load_word_problems(folder: Path, collections: Sequence[str]) -> ProblemSet:
    """All problems of some collections as a training set; see :func:`read_word_problems`."""
    found = read_word_problems(folder, collections)
    names = ", ".join(collections)
    return ProblemSet(
        name=f"word problems ({names})",
        source=f"{folder.name}/, {len(found.problems)} problems written for this project ({names})",
        split="train",
        is_gsm8k=False,
        problems=found.problems,
        available=len(found.problems),
        rejected=found.rejected,
    )


def read_word_problems(folder: Path, collections: Sequence[str]) -> Written:
    """All problems of some collections, in the order of their files' names.

    A problem's index is its place among all of them. Of a question that comes again the first
    is kept.

    Args:
        folder: Holds one folder for each collection.
        collections: Their names.

    Raises:
        InvalidInputError: no such collection, one named twice, one without a file or with nothing
            but remarks in its files, or a file that cannot be read.
    """
    problems: list[Problem] = []
    rejected: list[Rejected] = []
    places: dict[str, str] = {}
    empty = set(collections)
    for path in word_problem_files(folder, collections):
        name = path.relative_to(folder).as_posix()
        for line, record in written_records(read_text(path)):
            empty.discard(path.relative_to(folder).parts[0])
            try:
                if isinstance(record, ProblemError):
                    raise record
                problem = problem_from_record(record, len(problems))
                _require_exact(problem)
                place = f"{name}, line {line}"
                earlier = places.setdefault(" ".join(problem.question.split()), place)
                if earlier != place:
                    raise ProblemError(f"the question of {earlier} again")
            except ProblemError as error:
                rejected.append(Rejected(line, f"{name}: {error}"))
            else:
                problems.append(problem)
    if empty:
        raise InvalidInputError(f"{folder / min(empty)}: not one problem in its files")
    return Written(tuple(problems), tuple(places.values()), tuple(rejected))


def collections_of(folder: Path) -> list[str]:
    """The names of all collections in ``folder``, in order."""
    return sorted(path.name for path in folder.glob("*") if path.is_dir())


def word_problem_files(folder: Path, collections: Sequence[str]) -> list[Path]:
    """The files of some collections, by collection as given and then by name.

    Raises:
        InvalidInputError: no such collection, one named twice, or one without a file.
    """
    there = collections_of(folder)
    files: list[Path] = []
    for name in collections:
        if name not in there:
            known = unknown_name("collection of word problems", name, there)
            raise InvalidInputError(f"{folder}: {known}")
        if collections.count(name) > 1:
            raise InvalidInputError(f"{folder}: the collection {name!r} is named twice; once does")
        found = sorted((folder / name).rglob(f"*{SUFFIX}"))
        if not found:
            raise InvalidInputError(f"{folder / name}: no file *{SUFFIX} in it")
        files += found
    return files


def read_text(path: Path) -> str:
    """The text of a file of word problems.

    Raises:
        InvalidInputError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{path}: not UTF-8 at byte {error.start}; save it as that"
        ) from None


def written_records(text: str) -> Iterator[tuple[int, dict[str, str] | ProblemError]]:
    """Each problem of a file as GSM-8K has it, or what is wrong with how it is written.

    With it comes the line of its question, from 1.
    """
    for line, block in _blocks(text):
        try:
            yield line, _record(block)
        except ProblemError as error:
            yield line, error


def _require_exact(problem: Problem) -> None:
    """Refuse a result that is not what its calculation gives, and an answer without an end.

    GSM-8K's authors round; what is written for training here need not.

    Raises:
        ProblemError: it names the calculation or the answer.
    """
    for calculation in problem.calculations:
        if calculation.value != calculation.result:
            value, claimed = format_number(calculation.value), format_number(calculation.result)
            raise ProblemError(f"{calculation.text} is {value}, not {claimed}")
    answer = format_number(problem.gold)
    if "/" in answer:
        raise ProblemError(
            f"the answer {answer} has no end as a decimal number; choose other numbers"
        )


def _record(block: Sequence[str]) -> dict[str, str]:
    """The problem in GSM-8K's format."""
    if len(block) != 2:
        raise ProblemError(
            f"expected a question and one line of calculations, found {len(block)} line"
            + "s" * (len(block) != 1)
        )
    question, work = block
    calculations = [part.strip() for part in work.split(";") if part.strip()]
    if not calculations or not all("=" in part for part in calculations):
        raise ProblemError(f"expected calculations such as 3*4=12; 12-5=7, found {work!r:.60}")
    answer = calculations[-1].rpartition("=")[2].strip()
    lines = [f"<<{part.replace(' ', '')}>>" for part in calculations]
    return {"question": question, "answer": "\n".join([*lines, f"#### {answer}"])}


def _blocks(text: str) -> Iterable[tuple[int, list[str]]]:
    """The lines of each problem, without remarks, and the number of the first."""
    block: list[str] = []
    start = 0
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        if line.startswith("#"):
            continue
        if line.strip():
            start = start if block else number
            block.append(line.strip())
        elif block:
            yield start, block
            block = []
