"""Artifacts that the system does not let be stored: one error, and nothing half-written."""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from trace_pipeline import store as module
from trace_pipeline.store import ArtifactError, ArtifactStore, without_credentials


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Within it the system refuses larger files, as a full disk does."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def refusing(number: int) -> Any:
    def call(path: Any, *_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number), str(path))

    return call


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def put(store: ArtifactStore, size: int = 10) -> None:
    with store.write("exp/a") as draft:
        (draft.path / "data.txt").write_text("x" * size)


def local_folder(store: ArtifactStore) -> None:
    store.local_folder("exp/tracking")


def workspace(store: ArtifactStore) -> None:
    store.workspace("exp/a", {"lr": 1})


@pytest.mark.parametrize("act", [put, local_folder, workspace])
@pytest.mark.parametrize("below", [".", "deeper"])
def test_a_file_in_place_of_the_folder(tmp_path: Path, act: Any, below: str) -> None:
    (tmp_path / "taken").write_text("")
    root = tmp_path / "taken" / below
    with pytest.raises(ArtifactError) as refused:
        act(ArtifactStore(str(root)))
    assert str(refused.value).startswith(f"{root}: artifacts cannot be stored here, not a director")
    assert "set TRACE_PIPELINE_ARTIFACTS to another folder" in str(refused.value)


@pytest.mark.parametrize("act", [put, local_folder, workspace])
def test_a_folder_that_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: Any
) -> None:
    store = ArtifactStore(str(tmp_path / "artifacts"))
    monkeypatch.setattr(os, "mkdir", refusing(errno.EROFS))
    with pytest.raises(ArtifactError, match=r"artifacts: .*read-only file system.*_ARTIFACTS"):
        act(store)
    assert not list(tmp_path.iterdir())


def test_no_room_while_the_files_are_written(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    with (
        files_of_at_most(1000),
        pytest.raises(ArtifactError, match=f"^{tmp_path}: .*file too large; .*_ARTIFACTS"),
    ):
        put(store, 5000)
    assert not files(tmp_path)
    put(store, 500)
    assert store.read("exp/a").manifest.version == "0001"


@pytest.mark.parametrize(
    ("owner", "step"), [(module, "write_json"), (module, "_sync"), (os, "rename"), (os, "replace")]
)
def test_no_room_when_the_artifact_is_put_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, step: str
) -> None:
    store = ArtifactStore(str(tmp_path))
    put(store)
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, refusing(errno.ENOSPC))
        with pytest.raises(ArtifactError, match="no space left on device"):
            put(store)
    assert store.read("exp/a").manifest.version == "0001"
    assert not files(tmp_path / ".staging")


def test_an_error_of_what_fills_the_draft_stays_as_it_is(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    for path in (tmp_path / "nothere", Path("nothere")):
        with pytest.raises(FileNotFoundError), store.write("exp/a") as draft:
            (draft.path / path).read_text()
    with pytest.raises(PermissionError), store.write("exp/a"):
        refusing(errno.EACCES)("/another/place")
    assert not files(tmp_path)


def test_a_remote_root_names_the_setting_of_the_place_that_refuses(tmp_path: Path) -> None:
    store = ArtifactStore("memory://bucket", cache=tmp_path / "cache")
    store.fs.put_file = refusing(errno.EACCES)
    try:
        with pytest.raises(ArtifactError, match=r"^memory://bucket: .*_ARTIFACTS"):
            put(store)
    finally:
        del store.fs.put_file
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match=rf"^{tmp_path}/file/.*TRACE_PIPELINE_CACHE"):
        put(ArtifactStore("memory://bucket", cache=tmp_path / "file"))


def test_a_url_that_nothing_opens_names_the_setting() -> None:
    with pytest.raises(ArtifactError, match=r"^nope://\*\*\*@x: .*set TRACE_PIPELINE_ARTIFACTS"):
        ArtifactStore("nope://me:secret@x")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:secret@host:5000/path", "http://***@host:5000/path"),
        ("http://me:sec/ret@host", "http://***@host"),
        ("http://me:sec?ret@host", "http://***@"),
        ("https://secret@host", "https://***@host"),
        ("postgresql://me:secret@host/db?sslmode=require", "postgresql://***@host/db?***"),
        ("postgresql://host/db?password=secret", "postgresql://host/db?***"),
        ("http://host:5000", "http://host:5000"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
        ("artifacts", "artifacts"),
        ("/home/me@work/what?", "/home/me@work/what?"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_credentials(url) == shown
