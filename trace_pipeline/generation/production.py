"""Datasets of any size: written in parts by several processes, gone on with after a stop.

A large file is made as numbered parts beside it, each of which appears whole or not
at all, and is joined from them at the end. The parts are kept with the request that
they answer, so that the same command goes on where a killed one stopped, and any
other request starts anew.
"""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from itertools import islice
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from trace_pipeline.generation.catalog import Catalog
from trace_pipeline.generation.dataset import check_suffix, join_files, write_examples
from trace_pipeline.generation.generator import Generator
from trace_pipeline.generation.naming import Naming
from trace_pipeline.store import file_sha256, object_sha256

PART = 20_000
"""Examples in a part: a second or two of work, so little is lost when a run is killed."""

POLL_SECONDS = 0.5

Progress = Callable[[int], None]
"""Told how many examples are written so far."""


class Request(Struct, frozen=True, kw_only=True):
    """What is to be generated; the fields are the arguments of ``Generator`` and ``sample``."""

    n: int
    seed: int = 0
    split: str = "train"
    mix: dict[str, float] | None = None
    shard: tuple[int, int] = (0, 1)
    schemas: list[str] | None = None
    naming: Naming = "hybrid"
    phrasings: int | Literal["all"] = "all"
    interleaved_ratio: float | None = None
    composition_share: float | None = None
    wording: Literal["plain", "varied"] = "plain"

    @property
    def total(self) -> int:
        """Examples in the file: the shard's share of ``n``."""
        part, parts = self.shard
        return len(range(part, self.n, parts))

    def generator(self, catalog: Catalog) -> Generator:
        """The generator that answers the request.

        Raises:
            CatalogError: an unknown schema.
            ValueError: an option out of its range.
        """
        return Generator(
            catalog,
            self.seed,
            naming=self.naming,
            phrasings=self.phrasings,
            interleaved_ratio=self.interleaved_ratio,
            composition_share=self.composition_share,
            wording=self.wording,
            schemas=self.schemas,
        )


class Source(Struct, frozen=True):
    """The folders that a catalogue is loaded from."""

    schemas: Path
    vocab: Path

    def load(self) -> Catalog:
        """The catalogue."""
        return Catalog.load(self.schemas, self.vocab)

    def sha256(self) -> str:
        """Identity of the data and of the code that reads it."""
        code = [Path(__file__).parents[1] / name for name in ("generation", "solver", "traces")]
        return object_sha256(
            [folders_sha256([self.schemas, self.vocab]), folders_sha256(code, "*.py")]
        )


def folders_sha256(folders: Sequence[Path], pattern: str = "*.json") -> str:
    """Identity of all files under ``folders`` that match: over their paths and content."""
    return object_sha256(
        {
            f"{folder.name}/{path.relative_to(folder).as_posix()}": file_sha256(path)
            for folder in folders
            for path in folder.rglob(pattern)
        }
    )


def produce(
    request: Request,
    out: Path,
    source: Source,
    processes: int = 1,
    progress: Progress | None = None,
    part: int = PART,
) -> int:
    """Write ``out`` (.jsonl or .parquet) and return how many examples it holds.

    Called again after it was stopped, with the same request, catalogue and code, it goes
    on with the parts that are missing. The file is the same for any number of processes.

    Args:
        request: What to generate.
        out: The file.
        source: The folders of the catalogue.
        processes: How many share the work; each loads the catalogue for itself.
        progress: Told how many examples are written so far, part by part.
        part: Examples in a part; what fits into one is written at once.

    Raises:
        InvalidInputError: another suffix, or a request that the catalogue cannot answer.
        ValueError: an option out of its range.
        GenerationError: an example that fails verification.
    """
    check_suffix(out)
    generator = request.generator(source.load())
    places = generator.places(request.n, request.mix, request.split, shard=request.shard)
    if request.total <= part:
        return write_examples(out, generator.examples(places, request.split))
    work = _Work.open(request, out, source, part)
    missing = [number for number in range(work.count) if not work.part(number).is_file()]
    if processes == 1:
        work.make(generator, missing, progress)
    else:
        _make_together(work, missing, processes, progress)
    join_files([work.part(number) for number in range(work.count)], out)
    shutil.rmtree(work.folder)
    return request.total


class _Work(Struct, frozen=True):
    """The parts of one file under construction."""

    request: Request
    source: Source
    folder: Path
    suffix: str
    size: int
    """Examples in a part."""

    @classmethod
    def open(cls, request: Request, out: Path, source: Source, size: int) -> _Work:
        """The parts that a stopped run of the same request left, or none."""
        folder = out.with_name(f".{out.name}.parts")
        asked = object_sha256([msgspec.to_builtins(request), source.sha256(), size])
        note = folder / "request.txt"
        if not (note.is_file() and note.read_text() == asked):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            note.write_text(asked)
        return cls(request, source, folder, out.suffix, size)

    @property
    def count(self) -> int:
        """Parts in all."""
        return -(-self.request.total // self.size)

    def part(self, number: int) -> Path:
        """Where part ``number`` stands once it is complete."""
        return self.folder / f"{number:06}{self.suffix}"

    def written(self) -> int:
        """Examples in the parts that are there."""
        done = sum(self.part(number).is_file() for number in range(self.count))
        return min(done * self.size, self.request.total)

    def make(
        self, generator: Generator, numbers: Sequence[int], progress: Progress | None = None
    ) -> None:
        """Write the parts ``numbers``, in one pass over the places of all."""
        request = self.request
        places = generator.places(request.n, request.mix, request.split, shard=request.shard)
        passed = 0
        for number in numbers:
            if _orphaned():
                return
            start = number * self.size
            chunk = islice(places, start - passed, start + self.size - passed)
            write_examples(self.part(number), generator.examples(chunk, request.split))
            passed = start + self.size
            if progress:
                progress(self.written())


def _orphaned() -> bool:
    """Whether this is a worker whose parent was killed: the parts are another's work now."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()


def _make_together(
    work: _Work, missing: Sequence[int], processes: int, progress: Progress | None
) -> None:
    # Spawned, not forked: a fork would copy the locks of whatever threads there are.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as pool:
        waiting = {
            pool.submit(_worker, work, missing[first::processes]) for first in range(processes)
        }
        while waiting:
            done, waiting = wait(waiting, POLL_SECONDS)
            for future in done:
                future.result()
            if progress:
                progress(work.written())


def _worker(work: _Work, numbers: Sequence[int]) -> None:
    work.make(work.request.generator(work.source.load()), numbers)
