"""The journal of an experiment's runs: what a tracking server is to be told.

Every event is appended to a file with the experiment's artifacts before anything
is sent, so that a tracking server that is down loses nothing: what was not sent
yet is sent by the next stage that finds it up, or by ``trace-pipeline sync``.
"""

from __future__ import annotations

import logging
import math
import os
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from trace_pipeline.store import write_json

log = logging.getLogger(__name__)

Status = Literal["FINISHED", "FAILED"]


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the journal; ``stage`` is empty for what belongs to the parent run."""

    op: Literal["start", "tags", "params", "metrics", "artifact", "input", "model", "end"]
    stage: str
    """Identifier of the stage's run within this journal."""
    time: int
    """Milliseconds since the epoch."""
    name: str = ""
    """Name of the stage (``start``), of the dataset (``input``), of the registered model
    (``model``), or folder in the run's artifacts (``artifact``)."""
    step: int = 0
    values: dict[str, float] = {}
    texts: dict[str, str] = {}
    path: str = ""
    status: Status = "FINISHED"


class Sent(Struct, frozen=True):
    """How far the journal was sent, and the ids that the server gave."""

    offset: int = 0
    """Bytes of the journal that the server has."""
    parent: str = ""
    runs: dict[str, str] = {}
    """Stage identifier -> run id."""
    experiment: str = ""
    """Id of the server's experiment."""


class Journal:
    """Append-only events of one parent run: an experiment on one dataset."""

    def __init__(self, folder: Path, title: str, dataset: str) -> None:
        """``folder`` keeps the journal, ``title`` names the parent run, ``dataset`` is a hash."""
        self.folder = folder / dataset[:12]
        self.title = title
        self.dataset = dataset
        self.path = self.folder / "events.jsonl"
        self._sent_path = self.folder / "sent.json"
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "title.json").exists():
            write_json(self.folder / "title.json", {"title": title, "dataset": dataset})

    def append(self, event: Event) -> None:
        """Add one event; whole lines only, also with several writers."""
        self.append_all([event])

    def append_all(self, events: Iterable[Event]) -> None:
        """Add events in one write: after a crash all of them are there, or none.

        Raises:
            OSError: the disk is full.
        """
        lines = b"".join(msgspec.json.encode(event) + b"\n" for event in events)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                lines = b"\n" + lines  # whoever wrote last was stopped within a line
            while lines:
                lines = lines[os.write(descriptor, lines) :]
        finally:
            os.close(descriptor)

    def unsent(self, sent: Sent) -> list[tuple[Event, int]]:
        """Events beyond ``sent``, each with the offset behind its line; torn lines are left out."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(sent.offset)
            data = file.read()
        offset, found = sent.offset, []
        for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
            offset += len(line)
            try:
                found.append((msgspec.json.decode(line, type=Event), offset))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                where = offset - len(line)
                log.warning("%s: no event at byte %d (%s); left out", self.path, where, error)
        return found

    def sent(self) -> Sent:
        """What the server has so far."""
        if not self._sent_path.exists():
            return Sent()
        return msgspec.json.decode(self._sent_path.read_bytes(), type=Sent)

    def mark_sent(self, sent: Sent) -> None:
        """Record what the server has."""
        write_json(self._sent_path, sent)

    def unended(self, name: str) -> list[str]:
        """Identifiers of the stages called ``name`` that began and did not end."""
        begun: dict[str, None] = {}
        for event, _ in self.unsent(Sent()):
            if event.op == "start" and event.name == name:
                begun[event.stage] = None
            elif event.op == "end":
                begun.pop(event.stage, None)
        return list(begun)


def open_journals(folder: Path) -> list[Journal]:
    """All journals below ``folder``, for sending what was kept."""
    found = []
    for path in sorted(folder.glob("*/title.json")):
        head = msgspec.json.decode(path.read_bytes())
        found.append(Journal(folder, head["title"], head["dataset"]))
    return found


class StageLog:
    """Writes one stage's events: parameters, curves, artifacts, its end."""

    def __init__(self, journal: Journal, name: str, tags: Mapping[str, str]) -> None:
        """Begin the stage ``name``; one that was killed is closed, or it would run for ever."""
        for killed in journal.unended(name):
            journal.append(Event(op="end", stage=killed, time=_now(), status="FAILED"))
        self.journal = journal
        self.stage = f"{name}-{uuid.uuid4().hex[:8]}"
        self._add(Event(op="start", stage=self.stage, time=_now(), name=name, texts=dict(tags)))

    def params(self, params: Mapping[str, str], parent: bool = False) -> None:
        """Log parameters of the stage, or of the parent run."""
        self._add(self._event("params", parent, texts=dict(params)))

    def tags(self, tags: Mapping[str, str], parent: bool = False) -> None:
        """Set tags of the stage, or of the parent run."""
        self._add(self._event("tags", parent, texts=dict(tags)))

    def metrics(self, values: Mapping[str, float], step: int = 0, parent: bool = False) -> None:
        """Log metrics at ``step``; on the parent run they are the experiment's final figures.

        JSON has no infinity and no NaN: such a value is left out, and the log says so.
        """
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        if len(finite) < len(values):
            lost = ", ".join(sorted(values.keys() - finite.keys()))
            log.warning("step %d: not finite, so not logged: %s", step, lost)
        self._add(self._event("metrics", parent, step=step, values=finite))

    def artifact(self, path: Path, folder: str = "", parent: bool = False) -> None:
        """Attach a file to the run."""
        self._add(self._event("artifact", parent, path=str(path.resolve()), name=folder))

    def dataset(self, name: str, digest: str, source: str, context: str, profile: str) -> None:
        """Record a dataset that the stage reads, on the stage's run and on the parent.

        Args:
            name: what it is called.
            digest: its content hash.
            source: where it is.
            context: what it is used for: ``training``, ``evaluation``.
            profile: its sizes, as JSON.
        """
        texts = {"digest": digest, "source": source, "context": context, "profile": profile}
        for parent in (False, True):
            self._add(self._event("input", parent, name=name, texts=texts))

    def model(self, name: str, card: Path, tags: Mapping[str, str]) -> None:
        """Register a version of the model ``name``, described by the text of ``card``.

        A version with the same tag ``weights_sha256`` is not registered again.
        """
        self._add(
            self._event("model", False, name=name, path=str(card.resolve()), texts=dict(tags))
        )

    def end(self, status: Status = "FINISHED") -> None:
        """Close the stage's run."""
        self._add(self._event("end", False, status=status))

    def _event(self, op: str, parent: bool, **fields: object) -> Event:
        data = {"op": op, "stage": "" if parent else self.stage, "time": _now(), **fields}
        return msgspec.convert(data, Event)

    def _add(self, event: Event) -> None:
        self.journal.append(event)


def batches(entries: Iterable[tuple[Event, int]]) -> list[tuple[list[Event], int]]:
    """Group neighbouring metric events of one run, so that each group is one request.

    Each group comes with the offset behind it; MLflow takes 1,000 metrics in a request.
    """
    groups: list[tuple[list[Event], int]] = []
    count = 0
    for event, offset in entries:
        group = groups[-1][0] if groups else []
        alike = bool(group) and event.op == group[0].op == "metrics"
        same = alike and event.stage == group[0].stage
        if same and count + len(event.values) <= 1000:
            group.append(event)
            groups[-1] = (group, offset)
            count += len(event.values)
        else:
            groups.append(([event], offset))
            count = len(event.values)
    return groups


def _now() -> int:
    return int(time.time() * 1000)
