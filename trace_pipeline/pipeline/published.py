"""Published outputs, judged anew, as MLflow runs beside those of the pipeline."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from trace_pipeline.evaluation import Evaluation, read_outputs
from trace_pipeline.experiment import available_experiments, load_experiment
from trace_pipeline.pipeline.journal import Event, Journal
from trace_pipeline.pipeline.tracking import Tracking
from trace_pipeline.store import file_sha256, object_sha256

STAGE = "published"
"""The tag ``stage`` of these runs; parent runs of the pipeline have ``experiment``."""


def record_published(
    found: Sequence[tuple[Path, Evaluation]], folder: Path, experiments: Path, tracking: Tracking
) -> tuple[int, int]:
    """Write each evaluation into MLflow once; how many are there, and how many not.

    A run is known by its file and its figures: what is there already stays, and what was deleted
    from the server is made again. Figures have the names that ``gsm8k_eval`` gives them, so that
    they stand in the same columns. The settings are those that the preset has today, as tags: the
    file says which revision wrote it, and what trained the model then may have been others.

    Args:
        found: files of outputs and what the solver says to them.
        folder: keeps the journals.
        experiments: the presets, whose settings become tags ``preset.*``.
        tracking: the server.
    """
    known = available_experiments(experiments)
    done = []
    for path, evaluation in found:
        preset = evaluation.model.partition(",")[0]
        settings = load_experiment(preset, experiments).parameters() if preset in known else {}
        done.append(tracking.restore(_journal(folder, path, evaluation, preset, settings)))
    return done.count(True), done.count(False)


def _journal(
    folder: Path, path: Path, evaluation: Evaluation, preset: str, settings: dict[str, str]
) -> Journal:
    """The evaluation as a journal; written whole the first time and then left alone."""
    metrics = {f"gsm8k.{name}": value for name, value in evaluation.metrics().items()}
    content = file_sha256(path)
    header, _ = read_outputs(path)
    identity = object_sha256({"file": content, "model": evaluation.model, "metrics": metrics})
    journal = Journal(folder, f"{evaluation.model} ({STAGE})", identity)
    if journal.path.exists():
        return journal
    tags = {
        "source": path.name,
        "stage": STAGE,
        "experiment": preset,
        "base_model": settings.get("model.reference", "unknown"),
        "dataset_hash": "unpublished",
        "benchmark_hash": evaluation.fingerprint,
        "content_hash": content,
        "checkpoint": header.checkpoint,
        "git": header.revision,
        "mlflow.note.content": f"{path.name}, judged anew on {evaluation.benchmark}. Tags preset.* "
        "are the settings that the preset has now.",
    }
    tags |= {f"preset.{name}": value for name, value in settings.items()}
    when = int(time.time() * 1000)
    journal.append_all(
        [
            Event(op="tags", stage="", time=when, texts=tags),
            Event(op="metrics", stage="", time=when, values=metrics),
            Event(op="artifact", stage="", time=when, path=str(path.resolve())),
            Event(op="end", stage="", time=when),
        ]
    )
    return journal
