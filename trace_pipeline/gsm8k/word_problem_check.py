"""What is to be mended in collections of word problems, by file and line."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from msgspec import Struct

from trace_pipeline.experiment import Gsm8kConfig
from trace_pipeline.gsm8k.conversion import convert
from trace_pipeline.gsm8k.overlap import normalised_words
from trace_pipeline.gsm8k.word_problems import Written
from trace_pipeline.traces import Compute, Trace

SHINGLE = 4
"""Words in a row that are compared (Broder 1997, "On the resemblance and containment")."""
ALIKE = 0.4
"""Questions with a higher resemblance tell the same story."""


class Finding(Struct, frozen=True):
    """Something to mend."""

    place: str
    """File and line."""
    message: str


class Checked(Struct, frozen=True):
    """Collections of word problems, looked through."""

    sure: int
    """Problems whose trace is sure enough to be trained on."""
    operations: dict[int, int]
    """How many of them have so many computations."""
    findings: tuple[Finding, ...]


def check_word_problems(
    written: Written, processes: int = 1, progress: Callable[[int], None] = lambda done: None
) -> Checked:
    """Convert every problem, by so many ``processes``, and compare each with those before it.

    ``progress`` is told now and then how many are converted.
    """
    findings = [Finding(*_rejected(r.reason, r.line)) for r in written.rejected]
    report = convert(written.problems, processes=processes, progress=progress)
    for failure in report.failures:
        why = f"{failure.kind}: {failure.message}".rstrip(": ")
        findings.append(Finding(written.places[failure.index], f"no trace, {why}"))
    sure: Counter[int] = Counter()
    least = Gsm8kConfig().min_confidence
    for conversion in report.conversions:
        if conversion.confidence >= least:
            sure[computations(conversion.trace)] += 1
            continue
        message = (
            f"unsure ({conversion.confidence:g}): say each number once and for one thing, and name "
            "in words what it counts"
        )
        findings.append(Finding(written.places[conversion.index], message))
    questions = [problem.question for problem in written.problems]
    for problem, place in zip(written.problems, written.places, strict=True):
        if "..." in problem.question or "…" in problem.question:
            findings.append(Finding(place, "breaks off (...): say it in whole sentences"))
    for first, second, share in resembling(questions):
        message = f"tells the story of {written.places[first]} again"
        message += f" ({share:.0%} of their runs of four words)"
        findings.append(Finding(written.places[second], message))
    findings.sort(key=lambda finding: _file_and_line(finding.place))
    return Checked(sure.total(), dict(sorted(sure.items())), tuple(findings))


def computations(trace: Trace) -> int:
    """How many values ``trace`` computes."""
    steps = (step for subtrace in trace.subtraces for step in subtrace.steps)
    return sum(isinstance(step, Compute) for step in steps)


def resembling(questions: Sequence[str], share: float = ALIKE) -> Iterator[tuple[int, int, float]]:
    """Pairs of questions that tell the same story, whatever the numbers, and their resemblance.

    The resemblance is the share of runs of four words that both have among those that either has.
    Of each question at most one pair is given, with the one before it that resembles it most.
    """
    number: dict[tuple[str, ...], int] = {}  # numbers are compared and sorted faster than words
    shingles = [
        frozenset([number.setdefault(shingle, len(number)) for shingle in _shingles(question)])
        for question in questions
    ]
    frequency = Counter(chain.from_iterable(shingles))
    rank = [frequency[shingle] * len(number) + shingle for shingle in range(len(number))]
    having: dict[int, list[int]] = {}
    for second, mine in enumerate(shingles):
        # Sets of which each shares so many elements with the other have one in common among the
        # rarest of each, too few being left behind these (prefix filter, Chaudhuri et al. 2006).
        rarest = sorted(mine, key=rank.__getitem__)
        rarest = rarest[: len(mine) - math.ceil(share * len(mine) - 1e-9) + 1]
        before = {first for shingle in rarest for first in having.get(shingle, ())}
        found = [(len(mine & shingles[i]) / len(mine | shingles[i]), i) for i in before]
        if found and max(found)[0] >= share:
            yield max(found)[1], second, max(found)[0]
        for shingle in rarest:
            having.setdefault(shingle, []).append(second)


def nearest(questions: Sequence[str], others: Sequence[str]) -> tuple[float, int, int]:
    """The pair of a question and one of ``others`` that resemble each other most.

    Returns:
        Resemblance as in :func:`resembling`, place among ``questions``, place among ``others``.
    """
    found = [
        (share, mine, other) for mine, (share, other) in enumerate(_nearest(questions, others))
    ]
    return max(found, default=(0.0, 0, 0))


def resemblances(questions: Sequence[str], others: Sequence[str]) -> list[float]:
    """Of each question the resemblance, as in :func:`resembling`, to the nearest of ``others``."""
    return [share for share, _ in _nearest(questions, others)]


def _nearest(questions: Sequence[str], others: Sequence[str]) -> Iterator[tuple[float, int]]:
    """Of each question the resemblance to the nearest of ``others``, and that one's place."""
    having: dict[tuple[str, ...], list[int]] = {}
    theirs = [_shingles(other) for other in others]
    for place, shingles in enumerate(theirs):
        for shingle in shingles:
            having.setdefault(shingle, []).append(place)
    for question in questions:
        mine = _shingles(question)
        common = Counter(other for shingle in mine for other in having.get(shingle, ()))
        shares = [(n / (len(mine) + len(theirs[other]) - n), other) for other, n in common.items()]
        yield max(shares, default=(0.0, 0))


def _file_and_line(place: str) -> tuple[str, int]:
    name, _, line = place.rpartition(", line ")
    return name, int(line)


def _shingles(question: str) -> frozenset[tuple[str, ...]]:
    told = normalised_words(question)
    words = [word if word.isalpha() else _NUMBER.sub("0", word) for word in told]
    if len(words) < SHINGLE:
        return frozenset([tuple(words)])
    return frozenset(zip(*(words[start:] for start in range(SHINGLE)), strict=False))


_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def _rejected(reason: str, line: int) -> tuple[str, str]:
    name, _, why = reason.partition(": ")
    return f"{name}, line {line}", why
