"""Many problems converted: traces, failures by kind, what to show of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from trace_pipeline.generation.expressions import exact
from trace_pipeline.generation.sharing import shared_map
from trace_pipeline.gsm8k.conversion.conversion import (
    Conversion,
    Failure,
    FailureKind,
    convert_problem,
)
from trace_pipeline.gsm8k.conversion.experts import Policy
from trace_pipeline.gsm8k.loading import load_problem_file
from trace_pipeline.gsm8k.problem import Problem, Rejected
from trace_pipeline.store import write_atomic
from trace_pipeline.traces import (
    Number,
    Trace,
    TraceError,
    number_to_json,
    parse_trace,
    render_trace,
)
from trace_pipeline.validation import InvalidInputError

RECORD_FIELDS = ("question", "trace", "answer", "index", "confidence", "grounded")
"""The fields of a record, in their order."""


class ConvertedTrace(Struct, frozen=True):
    """A conversion as it is stored: without the reading behind it."""

    question: str
    trace: Trace
    answer: Number
    index: int
    confidence: float
    grounded: bool


class ConversionReport(Struct, frozen=True):
    """The outcome of converting a set of problems."""

    conversions: tuple[Conversion, ...]
    failures: tuple[Failure, ...]
    rejected: tuple[Rejected, ...] = ()
    """Lines of the file that were no problems."""

    @property
    def total(self) -> int:
        """Problems that were tried."""
        return len(self.conversions) + len(self.failures)

    @property
    def grounded(self) -> int:
        """Traces of which every number is explained."""
        return sum(conversion.grounded for conversion in self.conversions)

    @property
    def tied(self) -> int:
        """Traces with a rival reading that is as likely."""
        return sum(conversion.tied for conversion in self.conversions)

    def failure_counts(self) -> dict[FailureKind, int]:
        """Failures by kind, every kind included."""
        counts = Counter(failure.kind for failure in self.failures)
        return {kind: counts[kind] for kind in FailureKind}

    def expert_counts(self) -> dict[str, int]:
        """Traces by expert, most first; a composition by its experts (``a+b``)."""
        counts = Counter(
            "+".join(part.expert for part in conversion.trace.subtraces)
            for conversion in self.conversions
        )
        return dict(counts.most_common())

    def confidence_counts(self) -> dict[str, int]:
        """Traces by confidence: below 0.5, to 0.7, to 0.9, to 1, and 1."""
        bounds = {"< 0.5": 0.5, "0.5-0.7": 0.7, "0.7-0.9": 0.9, "0.9-1": 1.0}
        counts = dict.fromkeys([*bounds, "1"], 0)
        for conversion in self.conversions:
            name = next((n for n, bound in bounds.items() if conversion.confidence < bound), "1")
            counts[name] += 1
        return counts

    def describe(self) -> str:
        """One sentence for logs and metadata."""
        share = 100 / self.total if self.total else 0.0
        text = (
            f"{len(self.conversions):,} of {self.total:,} problems execute to gold "
            f"({len(self.conversions) * share:.1f} %), {self.grounded:,} of them with every "
            f"number grounded ({self.grounded * share:.1f} %), {self.tied:,} tied"
        )
        return text + (f"; {len(self.rejected)} lines rejected" if self.rejected else "")


def convert(
    problems: Sequence[Problem],
    policy: Policy = Policy.ARITHMETIC,
    rejected: Iterable[Rejected] = (),
    processes: int = 1,
    progress: Callable[[int], None] = lambda done: None,
) -> ConversionReport:
    """Convert ``problems``; see :func:`convert_problem`.

    Args:
        problems: Each with the author's solution.
        policy: To which experts the traces may be given.
        rejected: Lines that were no problems, for the report.
        processes: That share the work; the report is the same for any number.
        progress: Told now and then how many are done.

    Raises:
        ChildProcessError: one of the processes was killed.
    """
    converted = partial(convert_problem, policy=policy)
    outcomes = shared_map(converted, problems, processes, progress=progress)
    return ConversionReport(
        conversions=tuple(one for one in outcomes if isinstance(one, Conversion)),
        failures=tuple(one for one in outcomes if isinstance(one, Failure)),
        rejected=tuple(rejected),
    )


def conversion_record(conversion: Conversion) -> dict[str, Any]:
    """The conversion as plain data, with the fields of ``RECORD_FIELDS``."""
    return {
        "question": conversion.question,
        "trace": render_trace(conversion.trace),
        "answer": number_to_json(conversion.answer),
        "index": conversion.index,
        "confidence": conversion.confidence,
        "grounded": conversion.grounded,
    }


def convert_file(
    source: str | Path,
    target: str | Path,
    policy: Policy = Policy.ARITHMETIC,
    processes: int = 1,
    begin: Callable[[int], Callable[[int], None]] = lambda total: lambda done: None,
) -> ConversionReport:
    """Convert a file of problems to JSON lines; the target appears whole or not at all.

    Args:
        source: Problems as :func:`load_problem_file` reads them.
        target: The file to write.
        policy: To which experts the traces may be given.
        processes: That share the work.
        begin: Told how many problems there are; what it gives is told how many are done.

    Raises:
        InvalidInputError: a source that cannot be read or has no usable problem, or a target that
            is a folder or the source itself; before anything is converted.
        OSError: a target that cannot be written.
    """
    problems, path = load_problem_file(source), Path(target)
    if path.is_dir():
        raise InvalidInputError(f"{path}: a folder; name the file to write in it")
    if path.exists() and path.samefile(Path(source).expanduser()):
        raise InvalidInputError(f"{path}: the source itself; name another file to write")
    progress = begin(len(problems.problems))
    report = convert(problems.problems, policy, problems.rejected, processes, progress)
    write_conversions(path, report)
    return report


def write_conversions(path: Path, report: ConversionReport) -> None:
    """Write every conversion as one JSON line; the file appears whole or not at all."""
    write_atomic(path, b"".join(_lines(report)))


def read_conversions(path: Path) -> list[ConvertedTrace]:
    """Read what :func:`write_conversions` wrote.

    Raises:
        InvalidInputError: a file that is missing, or a line that is no conversion.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be read ({error.strerror})") from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            record = msgspec.json.decode(line, type=_Record)
            found.append(
                ConvertedTrace(
                    record.question,
                    parse_trace(record.trace),
                    exact(record.answer),
                    record.index,
                    record.confidence,
                    record.grounded,
                )
            )
        except (msgspec.MsgspecError, TraceError, ValueError) as error:
            raise InvalidInputError(f"{path}:{number}: not a conversion: {error}") from None
    return found


class _Record(Struct, forbid_unknown_fields=True):
    question: str
    trace: str
    answer: int | float | str
    index: int
    confidence: float
    grounded: bool


def _lines(report: ConversionReport) -> Iterator[bytes]:
    for conversion in report.conversions:
        yield msgspec.json.encode(conversion_record(conversion)) + b"\n"
