from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from trace_pipeline.generation import Generator, production, read_examples, write_examples
from trace_pipeline.generation.production import Request, Source, folders_sha256, produce
from trace_pipeline.validation import InvalidInputError


@pytest.fixture
def source(folders: Any, minimal: Any) -> Source:
    folders.schema(minimal)
    return Source(folders.schemas, folders.vocab)


REQUEST = Request(n=95, seed=4, mix={"arithmetic": 1.0})


def expected(request: Request, source: Source) -> list[Any]:
    generator = Generator(source.load(), request.seed, naming=request.naming)
    return list(generator.sample(request.n, request.mix, request.split, shard=request.shard))


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("part", [1000, 30, 19])
def test_the_parts_join_to_the_whole(
    source: Source, tmp_path: Path, suffix: str, part: int
) -> None:
    out = tmp_path / "new" / f"data{suffix}"
    seen: list[int] = []
    assert produce(REQUEST, out, source, progress=seen.append, part=part) == 95
    assert read_examples(out) == expected(REQUEST, source)
    assert [item.name for item in out.parent.iterdir()] == [out.name]
    assert seen == ([] if part > 95 else [*range(part, 95, part), 95])


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_write_the_same_file(
    source: Source, tmp_path: Path, suffix: str, processes: int
) -> None:
    alone, together = tmp_path / f"alone{suffix}", tmp_path / f"together{suffix}"
    seen: list[int] = []
    produce(REQUEST, alone, source, part=20)
    produce(REQUEST, together, source, processes, progress=seen.append, part=20)
    assert alone.read_bytes() == together.read_bytes()
    assert seen == sorted(seen)
    assert seen[-1] == 95


def test_a_part_that_is_lost_is_not_passed_over(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def losing(path: Path, examples: Any) -> int:
        return 0 if path.name == "000002.jsonl" else write_examples(path, examples)

    monkeypatch.setattr(production, "write_examples", losing)
    with pytest.raises(FileNotFoundError, match=r"000002\.jsonl"):
        produce(REQUEST, tmp_path / "data.jsonl", source, part=20)
    assert not (tmp_path / "data.jsonl").exists()


def test_shards_make_up_the_whole(source: Source, tmp_path: Path) -> None:
    parts = []
    for k in range(3):
        request = Request(n=95, seed=4, mix=REQUEST.mix, shard=(k, 3))
        out = tmp_path / f"{k}.jsonl"
        assert produce(request, out, source, part=10) == request.total
        parts.append(read_examples(out))
    whole = expected(REQUEST, source)
    assert [parts[i % 3][i // 3] for i in range(95)] == whole


class StoppedError(Exception):
    pass


def stop_at(count: int) -> Any:
    def stop(done: int) -> None:
        if done >= count:
            raise StoppedError

    return stop


def test_a_stopped_run_goes_on_where_it_was(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "data.jsonl"
    with pytest.raises(StoppedError):
        produce(REQUEST, out, source, progress=stop_at(40), part=20)
    assert not out.exists()
    written: list[Path] = []

    def noted(path: Path, examples: Any) -> int:
        written.append(path)
        return write_examples(path, examples)

    monkeypatch.setattr(production, "write_examples", noted)
    produce(REQUEST, out, source, part=20)
    assert [path.name for path in written] == ["000002.jsonl", "000003.jsonl", "000004.jsonl"]
    assert read_examples(out) == expected(REQUEST, source)


def test_another_request_or_catalogue_starts_anew(
    source: Source, folders: Any, minimal: Any, tmp_path: Path
) -> None:
    out = tmp_path / "data.jsonl"
    other = Request(n=95, seed=5, mix=REQUEST.mix)
    with pytest.raises(StoppedError):
        produce(REQUEST, out, source, progress=stop_at(40), part=20)
    with pytest.raises(StoppedError):
        produce(other, out, source, progress=stop_at(60), part=20)
    assert len(list((tmp_path / ".data.jsonl.parts").glob("*.jsonl"))) == 3
    folders.schema(minimal | {"constraints": ["start > 40"]})
    produce(other, out, source, part=20)
    assert read_examples(out) == expected(other, source)


SCRIPT = """
import sys
from pathlib import Path
from trace_pipeline.generation.production import Request, Source, produce

if __name__ == "__main__":
    schemas, vocab, out = map(Path, sys.argv[1:4])
    request = Request(n=9000, seed=4, mix={"arithmetic": 1.0})
    produce(request, out, Source(schemas, vocab), processes=int(sys.argv[4]), part=500)
"""


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("how", ["killed", "interrupted"])
def test_a_stopped_run_ends_all_and_leaves_nothing_half_written(
    source: Source, tmp_path: Path, processes: int, how: str
) -> None:
    script, out = tmp_path / "run.py", tmp_path / "data.parquet"
    script.write_text(SCRIPT)
    folders = [str(source.schemas), str(source.vocab)]
    command = [sys.executable, str(script), *folders, str(out), str(processes)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    parts = tmp_path / ".data.parquet.parts"
    while not list(parts.glob("0*.parquet")) and process.poll() is None:
        time.sleep(0.01)
    if how == "killed":
        os.kill(process.pid, signal.SIGKILL)
    else:  # As a terminal does: all are told, and one answers.
        os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]  # Comes once the last that could say something ended.
    assert said.count("Traceback") == said.count("KeyboardInterrupt") == (how == "interrupted")
    assert not out.exists()
    assert all(len(read_examples(path)) == 500 for path in parts.glob("0*.parquet"))
    subprocess.run(command, check=True)
    alone = tmp_path / "alone.parquet"
    produce(Request(n=9000, seed=4, mix=REQUEST.mix), alone, source, part=500)
    assert out.read_bytes() == alone.read_bytes()
    assert {item.name for item in tmp_path.iterdir()} >= {"data.parquet", "run.py"}
    assert not parts.exists()


def test_a_fault_in_a_worker_is_told_as_it_is(
    source: Source, folders: Any, minimal: Any, tmp_path: Path
) -> None:
    from trace_pipeline.generation import GenerationError

    folders.schema(minimal | {"answer": "start - given + (start == 47 and given == 5)"})
    request = Request(n=4000, mix=REQUEST.mix)
    with pytest.raises(GenerationError, match="disagrees with the trace"):
        produce(request, tmp_path / "data.jsonl", source, processes=2, part=500)
    assert not (tmp_path / "data.jsonl").exists()


@pytest.mark.parametrize(
    ("request_", "name", "reason"),
    [
        (Request(n=5), "data.csv", r"\.jsonl or \.parquet"),
        (Request(n=5), "data.jsonl", "no schema of 'comparison'"),
        (Request(n=5, schemas=["gone"]), "data.jsonl", "unknown schema 'gone'"),
        (Request(n=5, mix={"arithmetic": 1}, split="dev"), "data.jsonl", "unknown split 'dev'"),
    ],
)
def test_what_cannot_be_answered_leaves_no_trace(
    source: Source, tmp_path: Path, request_: Request, name: str, reason: str
) -> None:
    folder = tmp_path / "out"
    with pytest.raises(InvalidInputError, match=reason):
        produce(request_, folder / name, source, part=2)
    assert not folder.exists()


def test_the_identity_of_folders_is_of_paths_and_content(folders: Any, minimal: Any) -> None:
    path = folders.schema(minimal)
    first = folders_sha256([folders.schemas])
    assert folders_sha256([folders.schemas]) == first
    path.write_text(path.read_text() + "\n")
    second = folders_sha256([folders.schemas])
    path.rename(path.with_name("other.json"))
    assert len({first, second, folders_sha256([folders.schemas])}) == 3
