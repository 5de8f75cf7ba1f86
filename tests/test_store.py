"""Artifacts are whole or absent, and say where they came from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trace_pipeline.store import (
    ArtifactError,
    ArtifactStore,
    MissingArtifactError,
    object_sha256,
    write_atomic,
)


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "local":
        return ArtifactStore(str(tmp_path / "artifacts"))
    return ArtifactStore(f"memory://{tmp_path.name}/{os.getpid()}", cache=tmp_path / "cache")


def put(store: ArtifactStore, key: str, text: str) -> None:
    with store.write(key) as draft:
        (draft.path / "sub").mkdir()
        (draft.path / "sub" / "data.txt").write_text(text)
        draft.config = {"n": 1}
        draft.seed = 7


def test_what_was_written_is_read_back_with_its_manifest(store: ArtifactStore) -> None:
    put(store, "exp/data/arithmetic", "one")
    artifact = store.read("exp/data/arithmetic")
    assert (artifact.path / "sub" / "data.txt").read_text() == "one"
    assert artifact.manifest.version == "0001"
    assert artifact.manifest.config == {"n": 1}
    assert artifact.manifest.seed == 7
    assert "python" in artifact.manifest.libraries
    assert store.keys("exp") == ["exp/data/arithmetic"]


def test_each_write_is_a_new_version_and_the_last_is_in_force(store: ArtifactStore) -> None:
    put(store, "exp/a", "one")
    first = store.read("exp/a")
    put(store, "exp/a", "two")
    second = store.read("exp/a")
    assert (first.manifest.version, second.manifest.version) == ("0001", "0002")
    assert (first.path / "sub" / "data.txt").read_text() == "one"
    assert first.sha256 != second.sha256


def test_the_same_content_has_the_same_identity(store: ArtifactStore) -> None:
    put(store, "exp/a", "one")
    first = store.read("exp/a").sha256
    put(store, "other/b", "one")
    assert store.read("other/b").sha256 == first


def test_an_exception_leaves_nothing(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="full"), store.write("exp/a") as draft:
        (draft.path / "half.txt").write_text("half")
        raise RuntimeError("disk full")
    assert not store.has("exp/a")
    assert not list(tmp_path.rglob("half.txt"))
    with pytest.raises(MissingArtifactError, match="exp/a"):
        store.read("exp/a")


def test_an_altered_file_is_refused(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    put(store, "exp/a", "one")
    (store.read("exp/a").path / "sub" / "data.txt").write_text("altered")
    with pytest.raises(ArtifactError, match=r"data\.txt: missing or altered"):
        store.read("exp/a")


def test_a_copy_of_a_remote_file_that_is_not_what_is_there_is_fetched_again(
    tmp_path: Path,
) -> None:
    store = ArtifactStore(f"memory://{tmp_path.name}/copies", cache=tmp_path / "cache")
    put(store, "exp/a", "one")
    copy = store.read("exp/a").path / "sub" / "data.txt"
    copy.write_text("altered")
    assert store.read("exp/a").path.joinpath("sub/data.txt").read_text() == "one"
    store.fs.rm(f"{store.root}/exp", recursive=True)
    put(store, "exp/a", "begun anew")  # version 0001 again
    store.read("exp/a")
    assert copy.read_text() == "begun anew"


def test_a_remote_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    store = ArtifactStore(f"memory://{tmp_path.name}/missing", cache=tmp_path / "cache")
    put(store, "exp/a", "one")
    store.fs.rm(f"{store.root}/exp/a/0001/sub/data.txt")
    with pytest.raises(ArtifactError, match=r"data\.txt: missing or altered.*make 'exp/a' anew"):
        store.read("exp/a")


def test_only_a_folder_of_this_machine_is_local(tmp_path: Path) -> None:
    assert ArtifactStore(f"file://{tmp_path}").local
    assert not ArtifactStore("filecache::memory://bucket", cache=tmp_path).local


def test_a_torn_manifest_is_refused(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    put(store, "exp/a", "one")
    for torn in (b'{"key": "exp', b'{"key": "\xff"}'):
        (tmp_path / "exp/a/0001/manifest.json").write_bytes(torn)
        with pytest.raises(ArtifactError, match="cannot be read"):
            store.read("exp/a")


def test_parents_are_recorded_by_hash(store: ArtifactStore) -> None:
    put(store, "exp/a", "one")
    with store.write("exp/b") as draft:
        draft.derive_from(store.read("exp/a"))
    assert store.manifest("exp/b").parents == {"exp/a": store.manifest("exp/a").sha256}


def test_a_workspace_belongs_to_one_identity(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    first = store.workspace("exp/a", {"lr": 1})
    assert store.workspace("exp/a", {"lr": 1}) == first
    assert store.workspace("exp/a", {"lr": 2}) != first
    assert store.keys() == []


def test_an_atomic_write_replaces_or_keeps(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_object_hash_ignores_key_order() -> None:
    assert object_sha256({"a": 1, "b": 2}) == object_sha256({"b": 2, "a": 1})
    assert object_sha256({"a": 1}) != object_sha256({"a": 2})
