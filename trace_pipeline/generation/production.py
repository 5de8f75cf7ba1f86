"""Datasets of any size: written in parts by several processes, gone on with after a stop.

A large file is made as numbered parts beside it, each of which appears whole or not
at all, and is joined from them at the end. The parts are kept with the request that
they answer, so that the same command goes on where a killed one stopped, and any
other request starts anew.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from trace_pipeline.generation.catalog import Catalog
from trace_pipeline.generation.dataset import check_suffix, joining, write_examples
from trace_pipeline.generation.generator import Generator
from trace_pipeline.generation.naming import Naming
from trace_pipeline.generation.sharing import Helpers, Make
from trace_pipeline.store import file_sha256, object_sha256

PART = 10_000
"""Examples in a part: a second of work, so little is lost when a run is killed, and no process
waits for long at the end for another's last part."""

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

    def places(self, generator: Generator, start: int = 0) -> Iterator[tuple[str, int]]:
        """The schema and index of each example, from the ``start``-th on.

        Raises:
            CatalogError: an unknown split or a mix that cannot be met.
        """
        return generator.places(self.n, self.mix, self.split, shard=self.shard, start=start)


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
        processes: How many share the work, this one among them; each loads the catalogue.
        progress: Told how many examples are written so far, part by part.
        part: Examples in a part; what fits into one is written at once.

    Raises:
        InvalidInputError: another suffix, or a request that the catalogue cannot answer.
        ValueError: an option out of its range.
        GenerationError: an example that fails verification.
        ChildProcessError: one of the processes was killed.
    """
    check_suffix(out)
    if request.total <= part:
        generator = request.generator(source.load())
        return write_examples(out, generator.examples(request.places(generator), request.split))
    work = _Work(request, source, out, part)
    with Helpers(min(processes, work.count) - 1, work.maker) as helpers:
        make = work.maker()
        missing = work.open()
        with joining(work.whole) as add:
            joined = 0
            for _ in helpers.share(missing, make):
                # Bit by bit, while the others work: at the end they would have to wait for it.
                while joined < work.count and work.part(joined).is_file():
                    add(work.part(joined))
                    joined += 1
                if progress:
                    progress(work.written())
            for number in range(joined, work.count):
                add(work.part(number))
    os.replace(work.whole, out)
    shutil.rmtree(work.folder)
    return request.total


class _Work(Struct, frozen=True):
    """The parts of one file under construction."""

    request: Request
    source: Source
    out: Path
    size: int
    """Examples in a part."""

    def open(self) -> list[int]:
        """The parts to be made: all but those that a stopped run of the same request left."""
        asked = object_sha256([msgspec.to_builtins(self.request), self.source.sha256(), self.size])
        note = self.folder / "request.txt"
        if not (note.is_file() and note.read_text() == asked):
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            note.write_text(asked)
        return [number for number in range(self.count) if not self.part(number).is_file()]

    @property
    def folder(self) -> Path:
        """Where the parts stand, beside the file."""
        return self.out.with_name(f".{self.out.name}.parts")

    @property
    def whole(self) -> Path:
        """Where the parts are joined, within the folder so that nothing of it stays."""
        return self.folder / f"whole{self.out.suffix}"

    @property
    def count(self) -> int:
        """Parts in all."""
        return -(-self.request.total // self.size)

    def part(self, number: int) -> Path:
        """Where part ``number`` stands once it is complete."""
        return self.folder / f"{number:06}{self.out.suffix}"

    def written(self) -> int:
        """Examples in the parts that are there."""
        done = sum(self.part(number).is_file() for number in range(self.count))
        return min(done * self.size, self.request.total)

    def maker(self) -> Make:
        """What writes the part of a number, in a process that has now loaded the catalogue.

        Raises:
            CatalogError: a request that the catalogue cannot answer.
            ValueError: an option out of its range.
        """
        generator = self.request.generator(self.source.load())
        self.request.places(generator)
        return partial(self._make, generator)

    def _make(self, generator: Generator, number: int) -> None:
        places = islice(self.request.places(generator, number * self.size), self.size)
        write_examples(self.part(number), generator.examples(places, self.request.split))
