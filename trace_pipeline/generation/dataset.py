"""Datasets of examples: one record a line, files that appear whole or not at all, a hash."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from trace_pipeline.generation.expressions import exact
from trace_pipeline.generation.generator import Example
from trace_pipeline.traces import TraceError, number_to_json, parse_trace, render_trace
from trace_pipeline.validation import InvalidInputError, convert

FIELDS = ("question", "trace", "answer", "expert", "schema", "index", "split", "explanation")
"""The fields of a record, in their order; a record without an explanation lacks the last."""

ROW_GROUP = 10_000
EXACT_INTEGERS = 2**53
"""Up to here a float holds every integer."""
"""Records per Parquet row group: memory stays flat however many are written."""


class _Record(Struct, forbid_unknown_fields=True):
    question: str
    trace: str
    answer: int | float | str
    expert: str
    schema: str
    index: int
    split: str
    explanation: str | None = None


def example_to_record(example: Example) -> dict[str, Any]:
    """The example as plain data: the trace as YAML text, the answer as a JSON number."""
    record = {
        "question": example.question,
        "trace": render_trace(example.trace),
        "answer": number_to_json(example.answer),
        "expert": example.expert,
        "schema": example.schema,
        "index": example.index,
        "split": example.split,
    }
    return record | {"explanation": example.explanation} if example.explanation else record


def record_to_example(record: Any, where: str = "record") -> Example:
    """The example of a record; the inverse of ``example_to_record``.

    Raises:
        InvalidInputError: a field that is missing, unknown or of the wrong type, or no trace.
    """
    found = convert(record, _Record, where)
    try:
        trace = parse_trace(found.trace)
    except TraceError as error:
        raise InvalidInputError(f"{where}: $.trace: {error}") from None
    try:
        answer = exact(found.answer)
    except ValueError as error:
        raise InvalidInputError(f"{where}: $.answer: {error}") from None
    return Example(
        question=found.question,
        trace=trace,
        answer=answer,
        expert=found.expert,
        schema=found.schema,
        index=found.index,
        split=found.split,
        explanation=found.explanation or "",
    )


def canonical_line(example: Example) -> bytes:
    """The one JSON line that stands for the example in files and hashes."""
    return msgspec.json.encode(example_to_record(example))


def write_examples(path: str | Path, examples: Iterable[Example]) -> int:
    """Write ``.jsonl`` or ``.parquet`` and return how many; the file appears only when complete.

    Raises:
        InvalidInputError: another suffix.
    """
    target = Path(path)
    check_suffix(target)
    write = _write_lines if target.suffix == ".jsonl" else _write_parquet
    with _appearing(target) as file:
        return write(file, examples)


def check_suffix(path: Path) -> None:
    """Refuse a file that is neither ``.jsonl`` nor ``.parquet``.

    Raises:
        InvalidInputError: what the message says.
    """
    if path.suffix not in (".jsonl", ".parquet"):
        raise InvalidInputError(f"{path}: expected a name ending in .jsonl or .parquet")


@contextmanager
def _appearing(target: Path) -> Iterator[BinaryIO]:
    """A file that stands at ``target`` once it is complete and on the disk, or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _write_lines(file: BinaryIO, examples: Iterable[Example]) -> int:
    count = 0
    for example in examples:
        file.write(canonical_line(example) + b"\n")
        count += 1
    return count


def _write_parquet(file: BinaryIO, examples: Iterable[Example]) -> int:
    import pyarrow as pa

    count = 0
    with _parquet_writer(file) as writer:
        remaining = iter(examples)
        while batch := [example_to_record(item) for item in islice(remaining, ROW_GROUP)]:
            for record in batch:
                _require_float(record)
            columns = [[record.get(name) for record in batch] for name in FIELDS]
            writer.write_table(pa.table(columns, schema=writer.schema))
            count += len(batch)
    return count


def _require_float(record: dict[str, Any]) -> None:
    """Refuse an answer that a column of floats would round."""
    answer = record["answer"]
    if isinstance(answer, str) or abs(answer) > EXACT_INTEGERS:
        raise InvalidInputError(
            f"{record['schema']} #{record['index']}: Parquet, whose answers are floats, cannot "
            f"hold {str(answer)[:40]} exactly; write .jsonl"
        )


def _parquet_writer(file: BinaryIO) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"answer": pa.float64(), "index": pa.int64()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in FIELDS])
    repeating = ["expert", "schema", "split"]
    return pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=repeating)


@contextmanager
def joining(path: Path) -> Iterator[Callable[[Path], None]]:
    """A file made of others of its kind, added one by one; it appears only when complete."""
    with _appearing(path) as file:
        if path.suffix == ".jsonl":
            yield partial(_add_lines, file)
        else:
            with _parquet_writer(file) as writer:
                yield partial(_add_groups, writer)


def _add_lines(file: BinaryIO, part: Path) -> None:
    with part.open("rb") as lines:
        shutil.copyfileobj(lines, file)


def _add_groups(writer: Any, part: Path) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetFile(part) as found:
        for group in range(found.num_row_groups):
            writer.write_table(found.read_row_group(group))


def read_examples(path: str | Path) -> list[Example]:
    """Read what ``write_examples`` wrote.

    Raises:
        InvalidInputError: no such file, another suffix, or a record that is not an example.
    """
    source = Path(path)
    readers = {".jsonl": _read_lines, ".parquet": _read_parquet}
    if source.suffix not in readers:
        raise InvalidInputError(f"{source}: expected a name ending in .jsonl or .parquet")
    if not source.is_file():
        raise InvalidInputError(f"{source}: no such file; `trace-pipeline generate` makes one")
    return list(readers[source.suffix](source))


def _read_lines(path: Path) -> Iterator[Example]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            where = f"{path}:{number}"
            try:
                record = msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise InvalidInputError(f"{where}: not JSON: {error}") from None
            yield record_to_example(record, where)


def _read_parquet(path: Path) -> Iterator[Example]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise InvalidInputError(f"{path}: not Parquet: {error}") from None
    number = 0
    with file:
        for batch in file.iter_batches(batch_size=ROW_GROUP):
            for record in batch.to_pylist():
                yield record_to_example(record, f"{path}: row {number}")
                number += 1


def dataset_hash(examples: Iterable[Example]) -> str:
    """SHA-256 of the canonical lines, sorted within each partition, partitions alphabetical.

    It depends on the examples alone: not on their order, nor on how they were sharded or stored.
    """
    partitions: dict[str, list[bytes]] = {}
    for example in examples:
        digest = sha256(canonical_line(example)).digest()
        partitions.setdefault(example.expert, []).append(digest)
    total = sha256()
    for expert in sorted(partitions):
        total.update(f"{expert}\0{len(partitions[expert])}\0".encode())
        total.update(b"".join(sorted(partitions[expert])))
    return total.hexdigest()
