"""What a model wrote, without the questions: small enough to publish, and scored again anywhere.

A file is gzipped JSON lines: a header that says which problems were answered, then the
completions, problem by problem. Whoever has the problems can let the solver judge them anew.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from trace_pipeline.evaluation.benchmark import Benchmark
from trace_pipeline.evaluation.sampled import Answering
from trace_pipeline.evaluation.scoring import Evaluation, score, score_each
from trace_pipeline.solver import Solver
from trace_pipeline.store import write_atomic
from trace_pipeline.validation import InvalidInputError

T = TypeVar("T")

FORMAT = 1

_NO_OUTPUTS = "not a file of a model's outputs"


class Header(Struct, frozen=True, kw_only=True):
    """Which model answered which problems."""

    model: str
    """The experiment and what was scored: ``gsm8k_135m, rl``."""
    benchmark: str
    problems: Annotated[int, Meta(ge=0)]
    samples: Annotated[int, Meta(ge=1)] = 1
    """Completions of each problem."""
    greedy_first: bool = False
    """Whether the first of each is greedy and the others were drawn."""
    fingerprint: str
    """Hash of the problems (:attr:`Evaluation.fingerprint`)."""
    checkpoint: str
    """Hash of the checkpoint's weights."""
    revision: str
    """Revision of this project that wrote the file."""
    format: int = FORMAT


class Output(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One completion; what :func:`score` asks of one."""

    index: int
    text: str
    tokens: int
    clipped: bool = False
    seconds: float = 0.0
    log_likelihood: float | None = None
    """Of the text under the model that wrote it, in nats; None where it was not computed."""


class _Record(Struct, frozen=True):
    """A line of the bare command ``decode``."""

    question: str
    text: str
    tokens: int
    clipped: bool
    greedy: bool = False
    """Of several samples: whether this one was not drawn."""
    log_likelihood: float | None = None


def write_outputs(path: Path, evaluation: Evaluation, header: Header) -> None:
    """Write the completions of ``evaluation``, atomically; the same bytes for the same ones."""
    outputs = [
        Output(index=p.index, text=p.completion, tokens=p.tokens, clipped=p.clipped)
        for p in evaluation.predictions
    ]
    _write(path, header, outputs)


def publish_completions(
    path: Path, completions: Path, benchmark: Benchmark, solver: Solver, header: Header
) -> Evaluation:
    """Judge what the bare command ``decode`` wrote, and write it as a file of outputs.

    Args:
        path: the file to write.
        completions: JSON lines with ``question``, ``text``, ``tokens`` and ``clipped``, perhaps
            with ``log_likelihood``; as many of each problem of ``benchmark``, in its order.
        benchmark: the problems that were answered.
        solver: the judge.
        header: its problems, samples, benchmark and fingerprint are filled in here.

    Raises:
        InvalidInputError: the file cannot be read, or answers other problems.
    """
    try:
        lines = completions.read_bytes().splitlines()
    except OSError as error:
        raise InvalidInputError(f"{completions}: cannot be read ({error.strerror})") from None
    records = [
        _decoded(line, _Record, f"{completions}: line {number}: not a completion of a question")
        for number, line in enumerate(lines, 1)
    ]
    total = len(benchmark.items)
    samples = len(records) // total
    asked = [item for item in benchmark.items for _ in range(samples)]
    if not samples or [r.question for r in records] != [item.question for item in asked]:
        raise InvalidInputError(
            f"{completions}: {len(records)} completions, not as many of each of the {total} "
            f"questions of {benchmark.name} ({benchmark.source}) in their order"
        )
    outputs = [
        Output(
            index=item.index,
            text=r.text,
            tokens=r.tokens,
            clipped=r.clipped,
            log_likelihood=r.log_likelihood,
        )
        for item, r in zip(asked, records, strict=True)
    ]
    greedy_first = samples > 1 and records[0].greedy
    evaluation = score(
        benchmark,
        outputs,
        solver,
        header.model,
        samples,
        greedy_first=greedy_first,
        likelihoods=_likelihoods(outputs),
    )
    header = replace(
        header,
        benchmark=evaluation.benchmark,
        problems=total,
        samples=samples,
        greedy_first=greedy_first,
        fingerprint=evaluation.fingerprint,
    )
    _write(path, header, outputs)
    return evaluation


def _likelihoods(outputs: Sequence[Output]) -> list[float] | None:
    """Of all completions; None where one is not known."""
    known = [o.log_likelihood for o in outputs if o.log_likelihood is not None]
    return known if len(known) == len(outputs) else None


def _write(path: Path, header: Header, outputs: Sequence[Output]) -> None:
    lines = [msgspec.json.encode(line) for line in (header, *outputs)]
    write_atomic(path, gzip.compress(b"\n".join(lines) + b"\n", mtime=0))


_REMEDY = (
    "name the folder of the right ones in TRACE_PIPELINE_GSM8K; whether they are of the test or "
    "held-out training problems, rescore is told by --part"
)


def read_outputs(path: Path) -> tuple[Header, list[Output]]:
    """What :func:`write_outputs` wrote.

    Raises:
        InvalidInputError: no such file, or not one of these.
    """
    try:
        first, *rest = gzip.decompress(path.read_bytes()).splitlines() or [b""]
    except OSError as error:  # gzip's own errors are of this kind, without a strerror
        raise InvalidInputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (EOFError, zlib.error) as error:
        raise InvalidInputError(f"{path}: {_NO_OUTPUTS} ({error})") from None
    header = _decoded(first, Header, f"{path}: {_NO_OUTPUTS}")
    if header.format != FORMAT:
        raise InvalidInputError(f"{path}: format {header.format}, this version reads {FORMAT}")
    outputs = [
        _decoded(line, Output, f"{path}: line {number}: {_NO_OUTPUTS}")
        for number, line in enumerate(rest, 2)
    ]
    expected = header.problems * header.samples
    if len(outputs) != expected:
        raise InvalidInputError(
            f"{path}: torn: the header says {expected} completions, {len(outputs)} are there"
        )
    _require_groups(path, [output.index for output in outputs], header.samples)
    return header, outputs


def _decoded(line: bytes, record: type[T], fault: str) -> T:
    try:
        return msgspec.json.decode(line, type=record)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f"{fault} ({error})") from None


def _require_groups(path: Path, indices: Sequence[int], samples: int) -> None:
    """Refuse completions that do not stand problem by problem, each problem once."""
    groups = [indices[place : place + samples] for place in range(0, len(indices), samples)]
    seen: set[int] = set()
    for group in groups:
        if group[0] in seen or len(set(group)) > 1:
            raise InvalidInputError(
                f"{path}: torn: expected the completions of each problem ({samples}) in one "
                f"place, found those of problem {group[0]} beside another's or twice"
            )
        seen.add(group[0])


def rescore(
    path: Path, benchmark: Benchmark, solver: Solver, answering: Answering = "first"
) -> Evaluation:
    """Judge the completions of a file anew.

    Args:
        path: written by :func:`write_outputs`.
        benchmark: has the problems that were answered; may have more.
        solver: the judge.
        answering: which of several samples is a problem's answer.

    Raises:
        InvalidInputError: the file cannot be read, or answers other problems.
    """
    return rescore_each(path, benchmark, solver, [answering])[0]


def rescore_each(
    path: Path, benchmark: Benchmark, solver: Solver, answerings: Sequence[Answering]
) -> list[Evaluation]:
    """What :func:`rescore` gives for each way to choose the answer, judged once for all.

    A file with one completion of each problem leaves nothing to choose: one evaluation.

    Raises:
        InvalidInputError: as :func:`rescore`.
    """
    header, outputs = read_outputs(path)
    items = {item.index: item for item in benchmark.items}
    missing = [output.index for output in outputs if output.index not in items]
    if missing:
        raise InvalidInputError(
            f"{path}: answers problem {missing[0]}, which {benchmark.name} ({benchmark.source}) "
            f"does not have; the file is about {header.benchmark}: {_REMEDY}"
        )
    first = outputs[:: header.samples]
    answered = replace(benchmark, items=tuple(items[output.index] for output in first))
    ways: Sequence[Answering] = answerings if header.samples > 1 else ["first"]
    likelihoods = _likelihoods(outputs)
    if "probable" in ways and likelihoods is None:
        raise InvalidInputError(
            f"{path}: does not say how likely the model finds its completions; add that with "
            "python -m trace_pipeline.modeling.likelihoods, or choose --answer plausible"
        )
    if answered.fingerprint != header.fingerprint:
        raise InvalidInputError(
            f"{path}: answers other problems ({header.benchmark}, {header.fingerprint[:12]}) than "
            f"{benchmark.name} has ({benchmark.source}, {answered.fingerprint[:12]}); {_REMEDY}"
        )
    return score_each(
        answered,
        outputs,
        solver,
        header.model,
        ways,
        header.samples,
        header.greedy_first,
        likelihoods,
    )
