"""What a model wrote, without the questions: small enough to publish, and scored again anywhere.

A file is gzipped JSON lines: a header that says which problems were answered, then one
completion a problem. Whoever has the problems can let the solver judge them anew.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from trace_pipeline.evaluation.benchmark import Benchmark
from trace_pipeline.evaluation.scoring import Evaluation, score
from trace_pipeline.solver import Solver
from trace_pipeline.store import write_atomic
from trace_pipeline.validation import InvalidInputError

FORMAT = 1


class Header(Struct, frozen=True, kw_only=True):
    """Which model answered which problems."""

    model: str
    """The experiment and what was scored: ``gsm8k_135m, rl``."""
    benchmark: str
    problems: int
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


def write_outputs(path: Path, evaluation: Evaluation, header: Header) -> None:
    """Write the completions of ``evaluation``, atomically; the same bytes for the same ones."""
    encode = msgspec.json.encode
    lines = [encode(header)]
    lines += [
        encode(Output(index=p.index, text=p.completion, tokens=p.tokens, clipped=p.clipped))
        for p in evaluation.predictions
    ]
    write_atomic(path, gzip.compress(b"\n".join(lines) + b"\n", mtime=0))


def read_outputs(path: Path) -> tuple[Header, list[Output]]:
    """What :func:`write_outputs` wrote.

    Raises:
        InvalidInputError: no such file, or not one of these.
    """
    try:
        first, *rest = gzip.decompress(path.read_bytes()).splitlines()
        header = msgspec.json.decode(first, type=Header)
        outputs = [msgspec.json.decode(line, type=Output) for line in rest]
    except OSError as error:  # gzip's own errors are of this kind, without a strerror
        raise InvalidInputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (EOFError, ValueError, msgspec.MsgspecError) as error:
        raise InvalidInputError(f"{path}: not a file of a model's outputs ({error})") from None
    if header.format != FORMAT:
        raise InvalidInputError(f"{path}: format {header.format}, this version reads {FORMAT}")
    if len(outputs) != header.problems:
        raise InvalidInputError(
            f"{path}: torn: the header says {header.problems} completions, {len(outputs)} are there"
        )
    return header, outputs


def rescore(path: Path, benchmark: Benchmark, solver: Solver) -> Evaluation:
    """Judge the completions of a file anew.

    Args:
        path: written by :func:`write_outputs`.
        benchmark: has the problems that were answered; may have more.
        solver: the judge.

    Raises:
        InvalidInputError: the file cannot be read, or answers other problems.
    """
    header, outputs = read_outputs(path)
    items = {item.index: item for item in benchmark.items}
    missing = [output.index for output in outputs if output.index not in items]
    if missing:
        raise InvalidInputError(
            f"{path}: answers problem {missing[0]}, which {benchmark.name} ({benchmark.source}) "
            f"does not have; the file is about {header.benchmark}"
        )
    answered = replace(benchmark, items=tuple(items[output.index] for output in outputs))
    evaluation = score(answered, outputs, solver, header.model)
    if evaluation.fingerprint != header.fingerprint:
        raise InvalidInputError(
            f"{path}: answers other problems ({header.benchmark}, {header.fingerprint[:12]}) than "
            f"{benchmark.name} has ({benchmark.source}, {evaluation.fingerprint[:12]}); name the "
            "folder of the right ones in TRACE_PIPELINE_GSM8K"
        )
    return evaluation
