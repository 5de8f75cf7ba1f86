"""Artifacts on disk or in a bucket: written whole or not at all, with a manifest beside.

Layout under the root, an fsspec URL (a local folder by default)::

    <experiment>/<asset>[/<partition>]/0001/...files..., manifest.json
    <experiment>/<asset>[/<partition>]/current.json     which version is in force

A version is staged beside, synced, and renamed into place; the pointer moves
last. Whatever is read was therefore complete, and its hashes are checked. On a
remote root, where nothing can be renamed, the manifest is uploaded after the
files and the pointer after the manifest.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import msgspec
from msgspec import Struct

from trace_pipeline.provenance import GitState, git_state, library_versions, utc_now

MANIFEST = "manifest.json"
POINTER = "current.json"
STAGING = ".staging"
WORKSPACE = ".unfinished-"

ARTIFACTS_VARIABLE = "TRACE_PIPELINE_ARTIFACTS"
CACHE_VARIABLE = "TRACE_PIPELINE_CACHE"

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
_NO_ENTRY = {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG}
"""What the system says of a place to write, whatever the program does."""


class ArtifactError(RuntimeError):
    """An artifact missing, torn, altered or not to be stored; the message says what to do."""


class MissingArtifactError(ArtifactError):
    """Nothing was ever stored under the key."""


class FileEntry(Struct, frozen=True):
    """One file of an artifact."""

    sha256: str
    bytes: int


class Manifest(Struct, frozen=True, kw_only=True):
    """What an artifact is and where it came from."""

    key: str
    version: str
    sha256: str
    """Identity of the content: over the files' hashes, or the content hash given by the writer."""
    files: dict[str, FileEntry]
    config: dict[str, Any]
    """The settings that made it."""
    parents: dict[str, str]
    """Key -> content hash of every artifact it was made from."""
    summary: dict[str, Any]
    """Figures worth showing without opening the files."""
    failed: list[str] = []
    """Checks that it failed and that bar what would be made from it; none in older manifests."""
    seed: int | None
    git: GitState
    libraries: dict[str, str]
    created: str
    """UTC, ISO 8601."""


class Artifact(Struct, frozen=True):
    """A stored version: its manifest and a local folder that holds its files."""

    path: Path
    manifest: Manifest

    @property
    def sha256(self) -> str:
        """Identity of the content."""
        return self.manifest.sha256


class Draft:
    """An artifact being written: put files into ``path``, then fill in the description."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config: dict[str, Any] = {}
        self.parents: dict[str, str] = {}
        self.summary: dict[str, Any] = {}
        self.failed: list[str] = []
        self.seed: int | None = None
        self.content_hash: str | None = None
        self._stored: Artifact | None = None

    @property
    def stored(self) -> Artifact:
        """The artifact, once the ``with`` block has ended."""
        if self._stored is None:
            raise RuntimeError("the artifact is stored when its with block ends, not before")
        return self._stored

    def derive_from(self, *artifacts: Artifact) -> None:
        """Record ``artifacts`` as parents."""
        for artifact in artifacts:
            self.parents[artifact.manifest.key] = artifact.sha256


class ArtifactStore:
    """Versions of artifacts by key under one root."""

    def __init__(self, root: str, cache: Path | None = None) -> None:
        """``cache`` holds local copies of a remote root's artifacts.

        Raises:
            ArtifactError: a URL of a kind that cannot be opened here.
        """
        try:
            self.fs, self.root = fsspec.core.url_to_fs(root)
        except (ValueError, ImportError) as error:
            raise ArtifactError(
                f"{without_credentials(root)}: cannot be opened ({error}); set "
                f"{ARTIFACTS_VARIABLE} to a folder or to another fsspec URL"
            ) from error
        self.local = isinstance(self.fs, fsspec.get_filesystem_class("file"))
        self._base = Path(self.root)
        if not self.local:
            digest = hashlib.sha256(root.encode()).hexdigest()[:12]
            self._base = (cache or default_cache()) / "artifacts" / digest
        self.url = root

    # -- reading -------------------------------------------------------------------------

    def has(self, key: str) -> bool:
        """Whether a version of ``key`` is in force."""
        return bool(self.fs.exists(f"{self.root}/{key}/{POINTER}"))

    def keys(self, prefix: str = "") -> list[str]:
        """Keys in force below ``prefix``, sorted."""
        top = f"{self.root}/{prefix}".rstrip("/")
        if not self.fs.exists(top):
            return []
        found = [path for path in self.fs.find(top) if path.endswith("/" + POINTER)]
        cut = len(str(self.fs._strip_protocol(self.root)).rstrip("/")) + 1
        return sorted(path[cut : -len(POINTER) - 1] for path in found)

    def manifest(self, key: str) -> Manifest:
        """The manifest of the version in force, without checking its files.

        Raises:
            MissingArtifactError: nothing is stored under ``key``.
            ArtifactError: the pointer or the manifest cannot be read.
        """
        if not self.has(key):
            raise MissingArtifactError(
                f"nothing is stored under {key!r} in {without_credentials(self.url)}"
            )
        folder = f"{self.root}/{key}"
        try:
            pointer = msgspec.json.decode(self.fs.cat_file(f"{folder}/{POINTER}"))
            data = self.fs.cat_file(f"{folder}/{pointer['version']}/{MANIFEST}")
            return msgspec.json.decode(data, type=Manifest)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{folder}: the manifest in force cannot be read ({error}); make the artifact anew"
            ) from None

    def read(self, key: str) -> Artifact:
        """The version in force, as local files whose hashes were checked.

        Raises:
            MissingArtifactError: nothing is stored under ``key``.
            ArtifactError: a file is missing or was altered.
        """
        manifest = self.manifest(key)
        path = self._base / key / manifest.version
        for name, entry in manifest.files.items():
            there = f"{self.root}/{key}/{manifest.version}/{name}"
            if not self._holds(path / name, entry, there):
                raise ArtifactError(f"{there}: missing or altered since stored; make {key!r} anew")
        return Artifact(path, manifest)

    def _holds(self, here: Path, entry: FileEntry, there: str) -> bool:
        """Whether ``here`` is the file of ``entry``, fetched first if it is no copy of it."""
        if here.is_file() and file_sha256(here) == entry.sha256:
            return True
        if self.local or not self.fs.exists(there):
            return False
        # No copy yet, an altered one, or one of a root that was emptied and begun anew.
        here.parent.mkdir(parents=True, exist_ok=True)
        partial = here.with_name(f"{here.name}.{uuid.uuid4().hex}.part")
        self.fs.get_file(there, str(partial))
        partial.replace(here)
        return file_sha256(here) == entry.sha256

    # -- writing -------------------------------------------------------------------------

    @contextmanager
    def write(self, key: str) -> Iterator[Draft]:
        """Store a new version of ``key`` when the ``with`` block ends without an exception.

        Raises:
            ArtifactError: the system does not let it be stored: no room, no rights, no folder.
        """
        staging = self._base / STAGING / f"{os.getpid()}-{uuid.uuid4().hex}"
        with self._storing():
            staging.mkdir(parents=True)
        try:
            draft = Draft(staging)
            try:
                yield draft
            except OSError as error:
                if not _refuses(error, staging):
                    raise
                raise self._refused(error) from error
            with self._storing(here=self.local):
                draft._stored = self._commit(key, draft)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def local_folder(self, key: str) -> Path:
        """A plain local folder for what is kept beside artifacts, such as journals."""
        path = self._base / key
        with self._storing():
            path.mkdir(parents=True, exist_ok=True)
        return path

    def workspace(self, key: str, identity: Mapping[str, Any]) -> Path:
        """A local folder for an unfinished stage; the same for the same ``identity``.

        It survives the process; remove it with :func:`shutil.rmtree` once the stage is stored.
        """
        return self.local_folder(f"{key}/{WORKSPACE}{object_sha256(identity)[:12]}")

    @contextmanager
    def _storing(self, here: bool = True) -> Iterator[None]:
        """Within it every error of the system is one of storing on this machine or elsewhere."""
        try:
            yield
        except OSError as error:
            raise self._refused(error, here) from error

    def _refused(self, error: OSError, here: bool = True) -> ArtifactError:
        folder = str(self._base) if here else without_credentials(self.url)
        setting = CACHE_VARIABLE if here and not self.local else ARTIFACTS_VARIABLE
        return ArtifactError(
            f"{folder}: artifacts cannot be stored here, {_reason(error)}; mend that or set "
            f"{setting} to another folder"
        )

    def _commit(self, key: str, draft: Draft) -> Artifact:
        names = sorted(p.relative_to(draft.path).as_posix() for p in _files(draft.path))
        files = {
            name: FileEntry(file_sha256(draft.path / name), (draft.path / name).stat().st_size)
            for name in names
        }
        content = draft.content_hash or object_sha256({n: f.sha256 for n, f in files.items()})
        while True:
            version = self._next_version(key)
            manifest = Manifest(
                key=key,
                version=version,
                sha256=content,
                files=files,
                config=draft.config,
                parents=draft.parents,
                summary=draft.summary,
                failed=draft.failed,
                seed=draft.seed,
                git=git_state(),
                libraries=library_versions(),
                created=utc_now(),
            )
            write_json(draft.path / MANIFEST, manifest)
            if self._place(key, version, draft.path, names):
                self._point(key, version)
                return Artifact(self._base / key / version, manifest)

    def _next_version(self, key: str) -> str:
        folder = f"{self.root}/{key}"
        names = self.fs.ls(folder, detail=False) if self.fs.exists(folder) else []
        numbers = [int(n) for n in (path.rsplit("/", 1)[-1] for path in names) if n.isdigit()]
        return f"{max(numbers, default=0) + 1:04d}"

    def _place(self, key: str, version: str, staging: Path, names: list[str]) -> bool:
        """Bring the staged files to their place; False if another writer took the version."""
        if not self.local:
            for name in [*names, MANIFEST]:
                self.fs.put_file(str(staging / name), f"{self.root}/{key}/{version}/{name}")
            return True
        for path in (*_files(staging), staging):
            _sync(path)
        target = self._base / key / version
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(staging, target)
        except OSError:
            if target.exists():
                return False
            raise
        _sync(target.parent)
        return True

    def _point(self, key: str, version: str) -> None:
        pointer = msgspec.json.encode({"version": version})
        if self.local:
            write_atomic(self._base / key / POINTER, pointer)
        else:
            self.fs.pipe_file(f"{self.root}/{key}/{POINTER}", pointer)


def default_cache() -> Path:
    """Folder of local copies: ``TRACE_PIPELINE_CACHE``, else ``~/.cache/trace_pipeline``."""
    given = os.environ.get(CACHE_VARIABLE)
    return Path(given) if given else Path.home() / ".cache" / "trace_pipeline"


def without_credentials(url: str) -> str:
    """``url`` as it may be shown: without a user, a password, or a query, which may be a token."""
    scheme, found, rest = url.partition("://")
    path, _, query = rest.partition("?")
    user, at, host = path.rpartition("@")  # the last one: a password may hold a slash or an @
    if "@" in query:  # of a user or not: a password may hold a question mark, too
        host, query = "", ""
    elif not at or user.startswith("/"):
        return f"{scheme}{found}{path}{'?***' if query else ''}"
    return f"{scheme}://***@{host}{'?***' if query else ''}"


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` so that ``path`` holds either its old content or all of the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    _sync(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def object_sha256(value: Any) -> str:
    """Hex SHA-256 of plain data, independent of the order of keys."""
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _refuses(error: OSError, staging: Path) -> bool:
    """Whether ``error``, of code that fills ``staging``, is of writing there."""
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    if not names:
        return error.errno in _NO_ROOM
    there = any(Path(name).is_relative_to(staging) for name in names)
    return there and error.errno in _NO_ROOM | _NO_ENTRY


def _reason(error: OSError) -> str:
    """``no space left on device``, with the path if it is not that of a draft."""
    made = isinstance(error, FileExistsError)  # a folder, where there is a file
    number = errno.ENOTDIR if made else error.errno
    reason = os.strerror(number).lower() if number else str(error)
    named = error.filename is not None and STAGING not in str(error.filename)
    return f"{reason}: {error.filename}" if named else reason


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
