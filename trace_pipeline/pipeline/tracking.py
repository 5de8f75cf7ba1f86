"""Sending journals to MLflow: one parent run per experiment and dataset, nested stages.

MLflow is slow to import and may be down; neither may cost a training run. The
stage appends to its journal, and what is unsent goes out in batches at a paced
interval and at the stage's end.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trace_pipeline.pipeline.journal import Event, Journal, Sent, StageLog, batches, open_journals
from trace_pipeline.pipeline.locking import in_turn
from trace_pipeline.pipeline.registry import register_model
from trace_pipeline.store import without_credentials

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

EXPERIMENT = "trace_pipeline"
"""One MLflow experiment holds every parent run, so that any two stand on one comparison page."""

LOCAL_PAGE = "http://127.0.0.1:5000"
"""The address of ``make mlflow``."""

DIGEST_LENGTH = 36
"""Characters that MLflow keeps of a dataset's digest; the whole hash stands in its source."""

SEND_EVERY = 15.0
"""Seconds between sendings while a stage runs."""

SENDING = "sending.lock"
"""Lock file beside a journal: one process at a time sends it."""

log = logging.getLogger(__name__)


class Tracking:
    """The tracking server at ``uri``, its artifacts in ``artifact_root`` where it is a database."""

    def __init__(self, uri: str, artifact_root: Path) -> None:
        self.uri = uri
        self.artifact_root = artifact_root

    @property
    def page(self) -> str:
        """Where a person looks at the runs; a database is shown by ``make mlflow``."""
        return (
            self.shown.replace("***@", "").rstrip("/")
            if self.uri.startswith("http")
            else LOCAL_PAGE
        )

    @property
    def shown(self) -> str:
        """The server's address without a password."""
        return without_credentials(self.uri)

    @contextmanager
    def stage(
        self, journal: Journal, name: str, tags: Mapping[str, str], parameters: Mapping[str, str]
    ) -> Iterator[Stage]:
        """A stage's run; ``parameters`` are those of the experiment, carried by the parent."""
        stage_log = StageLog(journal, name, tags)
        stage_log.params(parameters)
        stage_log.params(parameters, parent=True)
        stage_log.tags({k: v for k, v in tags.items() if k != "stage"}, parent=True)
        stage = Stage(stage_log, self)
        began = time.monotonic()
        try:
            yield stage
        except BaseException:
            stage_log.end("FAILED")
            self.send(journal)
            raise
        ended = time.monotonic()
        stage_log.end()
        up = self.send(journal)
        now = time.monotonic()
        stage.seconds += now - ended
        cost = {"seconds": stage.seconds, "share": stage.seconds / (now - began)}
        stage_log.metrics({f"tracking.{name}": value for name, value in cost.items()})
        if up:
            self.send(journal)
        log.info("tracking took %.1f s of the %.1f s of %s", stage.seconds, now - began, name)

    def send(self, journal: Journal) -> bool:
        """Send what ``journal`` keeps; False, and a word in the log, if the server is down.

        Two processes that work on one experiment send in turn: what one has sent, the other
        does not send again.
        """
        if not journal.unsent(journal.sent()):
            return True
        with in_turn(journal.folder / SENDING):
            return self._send(journal)

    def _send(self, journal: Journal) -> bool:
        sent = journal.sent()
        entries = journal.unsent(sent)
        if not entries:
            return True
        try:
            _Sender(self._client(), journal, sent, self.artifact_root).send(entries)
        except Exception as error:
            log.warning(
                "the tracking server at %s did not take the metrics (%s); they are kept in %s "
                "and go out with the next stage or with: trace-pipeline sync",
                self.shown,
                self._reason(error),
                journal.path,
            )
            return False
        return True

    def send_all(self, folder: Path) -> tuple[int, int]:
        """Send every journal below ``folder``; how many were sent, and how many could not be.

        A run that is gone from the server is made again.
        """
        done = [self.restore(journal) for journal in open_journals(folder)]
        return done.count(True), done.count(False)

    def restore(self, journal: Journal) -> bool:
        """Send what ``journal`` keeps, all of it if the server no longer has the run."""
        with in_turn(journal.folder / SENDING):
            gone = self.missing([journal.sent().parent])
            if gone is None:
                return False
            if gone:
                journal.mark_sent(Sent())
            return self._send(journal)

    def missing(self, runs: Sequence[str]) -> list[str] | None:
        """Those of the ``runs`` that the server says it does not have; None if it is down."""
        asked = [run for run in runs if run]
        if not asked:
            return []
        try:
            client = self._client()
            return [run for run in asked if not _exists(client, run)]
        except Exception as error:
            log.warning(
                "the tracking server at %s does not answer (%s)", self.shown, self._reason(error)
            )
            return None

    def _reason(self, error: Exception) -> str:
        """What MLflow says, which may repeat the address, as it may be shown."""
        first = (str(error).splitlines() or [type(error).__name__])[0]
        return first.replace(self.uri.rstrip("/"), self.shown.rstrip("/"))[:200]

    def _client(self) -> MlflowClient:
        # A server that is down is noticed within seconds instead of MLflow's minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
        logging.getLogger("alembic").setLevel(logging.WARNING)
        if self.uri.startswith("sqlite:///"):
            Path(self.uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.uri)


class Stage:
    """The running stage, as an asset sees it."""

    def __init__(self, stage_log: StageLog, tracking: Tracking) -> None:
        self.log = stage_log
        self._tracking = tracking
        self.seconds = 0.0
        """Spent on logging and sending so far; at the end all but the sending of this figure."""
        self._last = time.monotonic()
        self._up = True

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log metrics at ``step`` and send what is due."""
        began = time.monotonic()
        self.log.metrics(values, step)
        if self._up and began - self._last > SEND_EVERY:
            self._up = self._tracking.send(self.log.journal)
            self._last = time.monotonic()
        self.seconds += time.monotonic() - began

    def finals(self, values: Mapping[str, float]) -> None:
        """Log the experiment's final figures: on this stage and on the parent run."""
        self.log.metrics(values)
        self.log.metrics(values, parent=True)

    def link(self) -> str:
        """The address of the run's page; of the server while the run is unsent."""
        sent = self.log.journal.sent()
        server = self._tracking.page
        run = sent.runs.get(self.log.stage)
        return f"{server}/#/experiments/{sent.experiment}/runs/{run}" if run else server


class _Sender:
    """One connection's worth of sending; what the server has is recorded group by group."""

    def __init__(self, client: MlflowClient, journal: Journal, sent: Sent, root: Path) -> None:
        self.client = client
        self.journal = journal
        self.offset = sent.offset
        self.parent = sent.parent
        self.runs = dict(sent.runs)
        self.experiment = _experiment(client, root)

    def send(self, entries: list[tuple[Event, int]]) -> None:
        """Send ``entries`` in order."""
        if not self.parent or not _exists(self.client, self.parent):
            tags = {"dataset_hash": self.journal.dataset, "stage": "experiment"}
            title = self.journal.title
            start = entries[0][0].time
            made = self.client.create_run(self.experiment, start, tags, title)
            self.parent = made.info.run_id
            self._record()
        for group, offset in batches(entries):
            self._send_group(group)
            self.offset = offset
            self._record()

    def _record(self) -> None:
        self.journal.mark_sent(Sent(self.offset, self.parent, self.runs, self.experiment))

    def _send_group(self, group: list[Event]) -> None:
        event = group[0]
        run_id = self.runs.get(event.stage, "") if event.stage else self.parent
        if event.op == "start":
            tags = {"mlflow.parentRunId": self.parent, **event.texts}
            made = self.client.create_run(self.experiment, event.time, tags, event.name)
            self.runs[event.stage] = made.info.run_id
            self.client.update_run(self.parent, status="RUNNING")
        elif event.op == "params":
            self._send_params(run_id, event.texts)
        elif event.op == "tags":
            self._send_tags(run_id, event.texts)
        elif event.op == "metrics":
            from mlflow.entities import Metric

            metrics = [Metric(k, v, e.time, e.step) for e in group for k, v in e.values.items()]
            self.client.log_batch(run_id, metrics=metrics)
        elif event.op == "artifact":
            if Path(event.path).exists():
                self.client.log_artifact(run_id, event.path, event.name or None)
        elif event.op == "input":
            self.client.log_inputs(run_id, [_dataset_input(event)])
        elif event.op == "model":
            register_model(self.client, run_id, event)
        else:
            if run_id and _exists(self.client, run_id):  # one that somebody deleted has ended
                self.client.set_terminated(run_id, event.status, event.time)
            self.client.set_terminated(self.parent, event.status, event.time)

    def _send_params(self, run_id: str, params: dict[str, str]) -> None:
        """Log what is new; MLflow's parameters cannot change, so a change becomes a tag."""
        from mlflow.entities import Param

        known = self.client.get_run(run_id).data.params
        fresh = [Param(k, v[:6000]) for k, v in params.items() if k not in known]
        for start in range(0, len(fresh), 100):
            self.client.log_batch(run_id, params=fresh[start : start + 100])
        changed = {k: v for k, v in params.items() if known.get(k, v[:6000]) != v[:6000]}
        self._send_tags(run_id, {f"changed.{k}": v for k, v in changed.items()})

    def _send_tags(self, run_id: str, tags: dict[str, str]) -> None:
        from mlflow.entities import RunTag

        self.client.log_batch(run_id, tags=[RunTag(k, v) for k, v in tags.items()])


def _dataset_input(event: Event) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    texts = event.texts
    dataset = Dataset(
        name=event.name,
        digest=texts["digest"][:DIGEST_LENGTH],
        source_type="local",
        source=json.dumps({"uri": texts["source"], "sha256": texts["digest"]}),
        profile=texts["profile"],
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", texts["context"])])


def _experiment(client: MlflowClient, root: Path) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    database = client.tracking_uri.startswith(("sqlite:", "postgresql", "mysql", "mssql"))
    location = (root.resolve() / EXPERIMENT).as_uri() if database else None
    # Without the tag MLflow opens the experiment as one of language-model observability.
    tags = {"mlflow.experimentKind": "custom_model_development"}
    return str(client.create_experiment(EXPERIMENT, location, tags))


def _exists(client: MlflowClient, run_id: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise
