"""Where real problems come from: a local folder, the hub, or the built-in sample.

``auto`` takes the first that is there, in this order, and notes what it tried, so
that every report can name its source. A folder that was asked for and cannot be
read is an error; it is never passed over in silence.
"""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from trace_pipeline.gsm8k.hub import HUB_ID, HubUnavailableError, fetch_from_hub
from trace_pipeline.gsm8k.problem import (
    Problem,
    ProblemError,
    ProblemSet,
    Rejected,
    problem_from_record,
)
from trace_pipeline.gsm8k.word_problems import SUFFIX, read_text, written_records
from trace_pipeline.validation import InvalidInputError, unknown_name

FOLDER_VARIABLE = "TRACE_PIPELINE_GSM8K"
"""Environment variable that names the folder with ``train.jsonl`` and ``test.jsonl``."""

OFFICIAL_SIZES = {"train": 7473, "test": 1319}
"""Problems in each split of GSM-8K as published (arXiv:2110.14168)."""

Source = Literal["auto", "folder", "hub", "builtin"]
Split = Literal["train", "test"]
Fetch = Callable[[str], list[object]]
"""Split -> its raw records; raises :class:`HubUnavailableError`."""


class FewShotProblem(Struct, frozen=True):
    """A built-in problem with a reference trace, for few-shot prompts; never scored."""

    problem: Problem
    trace: str
    """The reference trace in canonical YAML."""


def load_problems(
    source: Source = "auto",
    split: Split = "test",
    folder: str | Path | None = None,
    limit: int | None = None,
    fetch: Fetch = fetch_from_hub,
) -> ProblemSet:
    """Load one split of real problems.

    Args:
        source: ``folder``, ``hub``, ``builtin``, or ``auto`` for the first that is there.
        split: ``test`` or ``train``; the built-in sample has only ``test``.
        folder: Holds ``<split>.jsonl``; the environment variable TRACE_PIPELINE_GSM8K if None.
        limit: Keep the first so many problems.
        fetch: Gets the records of a split from the hub.

    Raises:
        InvalidInputError: an unknown source or split, a limit below 1, a file that is missing,
            unreadable or without a single usable problem, a hub that cannot be reached, or no
            source that has the split.
    """
    if source not in ("auto", "folder", "hub", "builtin"):
        known = ["auto", "folder", "hub", "builtin"]
        raise InvalidInputError(unknown_name("source of problems", source, known))
    if split not in OFFICIAL_SIZES:
        raise InvalidInputError(unknown_name("split", split, sorted(OFFICIAL_SIZES)))
    if limit is not None and limit < 1:
        raise InvalidInputError(f"limit: expected 1 or more problems, found {limit}")
    chosen = folder if folder is not None else os.environ.get(FOLDER_VARIABLE) or None
    if source == "folder" or (source == "auto" and chosen is not None):
        return _limited(_from_folder(chosen, split), limit)
    if source == "hub":
        try:
            return _limited(_from_hub(split, fetch), limit)
        except HubUnavailableError as error:
            raise InvalidInputError(f"{error}; {_REMEDY}") from None
    if source == "builtin":
        return _limited(_builtin(split), limit)
    notes = [f"no local folder: {FOLDER_VARIABLE} is not set"]
    try:
        found = _from_hub(split, fetch)
    except HubUnavailableError as error:
        notes.append(f"no hub: {error}")
        found = _builtin(split, notes)
    return _limited(msgspec.structs.replace(found, notes=(*notes, *found.notes)), limit)


def load_training_problems(
    source: Source = "auto",
    folder: str | Path | None = None,
    required: bool = False,
    fetch: Fetch = fetch_from_hub,
) -> ProblemSet:
    """The problems that may be trained on: the train split, else the built-in examples.

    The built-in examples are the eight few-shot problems; the built-in sample that is scored
    is never among them. What was tried stands in the notes.

    Args:
        source: As for :func:`load_problems`.
        folder: As for :func:`load_problems`.
        required: Refuse the built-in examples where ``source`` names a folder or the hub.
        fetch: Gets the records of a split from the hub.

    Raises:
        InvalidInputError: as :func:`load_problems`, except that a missing train split is an
            error only where it is ``required``.
    """
    if source == "builtin":
        return _builtin_examples()
    chosen = folder if folder is not None else os.environ.get(FOLDER_VARIABLE) or None
    strict = required and source != "auto"
    if chosen is not None and source != "hub" and not strict:
        path = Path(chosen).expanduser() / "train.jsonl"
        if not path.exists():
            return _builtin_examples([f"no training problems: {path} does not exist"])
    notes = [f"no local folder: {FOLDER_VARIABLE} is not set"] if source == "auto" else []
    try:
        if source == "hub" or (source == "auto" and chosen is None):
            found = _from_hub("train", fetch)
            return msgspec.structs.replace(found, notes=(*notes, *found.notes))
    except HubUnavailableError as error:
        if strict:
            raise InvalidInputError(f"{error}; {_REMEDY}") from None
        return _builtin_examples([*notes, f"no hub: {error}"])
    return load_problems(source, "train", folder, fetch=fetch)


def load_problem_file(path: str | Path) -> ProblemSet:
    """The problems of any file in GSM-8K's format, or in that of ``word_problems/`` (``.txt``).

    Raises:
        InvalidInputError: a file that is missing, unreadable or without a usable problem.
    """
    path = Path(path).expanduser()
    problems, rejected = _from_file(path)
    return ProblemSet(
        name=path.name,
        source=f"file, {path}",
        split="train",
        is_gsm8k=False,
        problems=tuple(problems),
        available=len(problems),
        rejected=tuple(rejected),
    )


def few_shot_problems() -> tuple[FewShotProblem, ...]:
    """The eight built-in examples for few-shot prompts, with their reference traces."""
    records = _lines(_resource("builtin_few_shot.jsonl"))
    return tuple(
        FewShotProblem(problem_from_record(record, index), record["trace"])
        for index, (_, record) in enumerate(records)
        if isinstance(record, dict)
    )


_REMEDY = (
    f"set {FOLDER_VARIABLE} to a folder with GSM-8K's train.jsonl and test.jsonl, "
    "or use the built-in sample (builtin)"
)


def _from_folder(folder: str | Path | None, split: str) -> ProblemSet:
    if folder is None:
        raise InvalidInputError(f"{FOLDER_VARIABLE} is not set; {_REMEDY}")
    path = Path(folder).expanduser() / f"{split}.jsonl"
    setting = f"; the folder comes from the argument or from {FOLDER_VARIABLE}"
    problems, rejected = _from_file(path, setting)
    return _gsm8k(f"folder, {path}", split, problems, rejected)


def _from_file(path: Path, setting: str = "") -> tuple[list[Problem], list[Rejected]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInputError(f"{path}: cannot be read ({reason}){setting}") from None
    if not data.strip():
        raise InvalidInputError(f"{path}: the file is empty{setting}")
    written = path.suffix == SUFFIX
    records = written_records(read_text(path)) if written else _lines(data)
    problems, rejected = _typed(records)
    if not problems:
        first = f"line {rejected[0].line}: {rejected[0].reason}" if rejected else "no lines"
        raise InvalidInputError(f"{path}: not one usable problem ({first}){setting}")
    return problems, rejected


def _from_hub(split: str, fetch: Fetch) -> ProblemSet:
    problems, rejected = _typed(enumerate(fetch(split), start=1))
    if not problems:
        raise HubUnavailableError(f"{HUB_ID} on the hub has no usable problem in {split}")
    return _gsm8k(f"hub, {HUB_ID} ({split})", split, problems, rejected)


def _gsm8k(
    source: str, split: str, problems: list[Problem], rejected: list[Rejected]
) -> ProblemSet:
    official = OFFICIAL_SIZES[split]
    notes = []
    if len(problems) + len(rejected) != official:
        notes.append(
            f"the source has {len(problems) + len(rejected)} lines; "
            f"GSM-8K's {split} split as published has {official:,}"
        )
    if rejected:
        notes.append(f"{len(rejected)} lines were rejected and are not scored")
    return ProblemSet(
        name=f"GSM-8K {split}",
        source=source,
        split=split,
        is_gsm8k=True,
        problems=tuple(problems),
        available=len(problems),
        rejected=tuple(rejected),
        notes=tuple(notes),
    )


def _builtin(split: str, tried: Iterable[str] = ()) -> ProblemSet:
    if split != "test":
        before = "".join(f"{note}; " for note in tried)
        raise InvalidInputError(
            f"no problems for the {split} split: {before}the built-in sample has only a test "
            f"split; {_REMEDY.partition(', or')[0]}"
        )
    problems, _ = _typed(_lines(_resource("builtin_test.jsonl")))
    return ProblemSet(
        name="built-in sample",
        source=f"built-in sample, {len(problems)} problems written for this project",
        split=split,
        is_gsm8k=False,
        problems=tuple(problems),
        available=len(problems),
    )


def _builtin_examples(notes: Iterable[str] = ()) -> ProblemSet:
    problems = tuple(shot.problem for shot in few_shot_problems())
    return ProblemSet(
        name="built-in examples",
        source=f"built-in examples, {len(problems)} problems written for this project",
        split="train",
        is_gsm8k=False,
        problems=problems,
        available=len(problems),
        notes=tuple(notes),
    )


def _limited(problems: ProblemSet, limit: int | None) -> ProblemSet:
    if limit is None or limit >= problems.available:
        return problems
    note = f"the first {limit} of {problems.available:,} problems"
    return msgspec.structs.replace(
        problems, problems=problems.problems[:limit], notes=(*problems.notes, note)
    )


def _resource(name: str) -> bytes:
    return (resources.files("trace_pipeline.gsm8k") / "data" / name).read_bytes()


def _lines(data: bytes) -> Iterable[tuple[int, object]]:
    """Line number from 1 and decoded object; an undecodable line gives its error instead."""
    for number, line in enumerate(data.removeprefix(BOM_UTF8).split(b"\n"), start=1):
        if line.strip():
            try:
                yield number, msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                yield number, ProblemError(f"not JSON: {error}")


def _typed(records: Iterable[tuple[int, object]]) -> tuple[list[Problem], list[Rejected]]:
    problems: list[Problem] = []
    rejected: list[Rejected] = []
    first_line: dict[str, int] = {}
    for line, record in records:
        try:
            if isinstance(record, ProblemError):
                raise record
            problem = problem_from_record(record, line - 1)
            earlier = first_line.setdefault(" ".join(problem.question.split()), line)
            if earlier != line:
                raise ProblemError(f"the question of line {earlier} again")
        except ProblemError as error:
            rejected.append(Rejected(line, str(error)))
        else:
            problems.append(problem)
    return problems, rejected
