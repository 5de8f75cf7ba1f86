"""The notebook's published figures as MLflow runs, beside our own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from msgspec import to_builtins

from trace_pipeline.evaluation.reference import SOURCE, Reference, ReferenceRun
from trace_pipeline.experiment import available_experiments, load_experiment
from trace_pipeline.pipeline.journal import Event, Journal
from trace_pipeline.pipeline.tracking import Tracking
from trace_pipeline.store import object_sha256, write_json

STAGE = "reference"
"""The tag ``stage`` of these runs; our own parent runs have ``experiment``."""


FIGURES = "published.json"
"""The run's figures as a file of its MLflow run: tables by expert, single problems, notes."""


def publish_reference(
    reference: Reference, folder: Path, experiments: Path, tracking: Tracking
) -> tuple[int, int]:
    """Write every run of the notebook into MLflow once; how many are there, and how many not.

    A run is known by the hash of its figures and settings: what is there already stays, what was
    edited since becomes a run of its own, and what was deleted from the server is made again.

    Args:
        reference: the figures.
        folder: keeps the journals.
        experiments: the presets, whose settings become the runs' parameters.
        tracking: the server.
    """
    known = available_experiments(experiments)
    done = []
    for run in reference.runs:
        preset = run.experiment
        settings = load_experiment(preset, experiments).parameters() if preset in known else {}
        journal = _journal(folder, run, settings)
        done.append(tracking.restore(journal))
    return done.count(True), done.count(False)


def _journal(folder: Path, run: ReferenceRun, settings: dict[str, str]) -> Journal:
    """The run as a journal; written whole the first time and then left alone."""
    identity = object_sha256({"run": to_builtins(run, str_keys=True), "settings": settings})
    journal = Journal(folder, f"{run.name} ({SOURCE})", identity)
    if journal.path.exists():
        return journal
    tags = {
        "source": SOURCE,
        "stage": STAGE,
        "experiment": run.experiment,
        "base_model": settings.get("model.reference", "unknown"),
        "dataset_hash": "unpublished",
        "content_hash": identity,
        "mlflow.note.content": " ".join(filter(None, (f"{run.changed}.", run.note))),
    }
    when = int(datetime.fromisoformat(run.date).replace(tzinfo=UTC).timestamp() * 1000)
    figures = journal.folder / FIGURES
    write_json(figures, run)
    journal.append_all(
        [
            Event(op="tags", stage="", time=when, texts=tags),
            Event(op="params", stage="", time=when, texts=settings),
            Event(op="metrics", stage="", time=when, values=run.metrics()),
            Event(op="artifact", stage="", time=when, path=str(figures.resolve())),
            Event(op="end", stage="", time=when),
        ]
    )
    return journal
