"""Trained models in MLflow's registry: one registered model an experiment, with its card.

Weights are not copied: a version's source is the card and the checkpoint's description
among the run's artifacts, and its tags say which artifact of the store holds the weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trace_pipeline.pipeline.journal import Event

if TYPE_CHECKING:
    from mlflow import MlflowClient

WEIGHTS = "weights_sha256"
"""The tag that identifies a version."""

FOLDER = "model"
"""Folder of the card among the run's artifacts."""


def register_model(client: MlflowClient, run_id: str, event: Event) -> None:
    """Register the version that ``event`` describes, unless it is there already."""
    card = Path(event.path)
    if not card.exists():
        return
    client.log_artifact(run_id, event.path, FOLDER)
    _ensure(client, event.name)
    known = client.search_model_versions(f"name = '{event.name}'")
    if any(version.tags.get(WEIGHTS) == event.texts[WEIGHTS] for version in known):
        return
    source = f"{client.get_run(run_id).info.artifact_uri}/{FOLDER}"
    client.create_model_version(
        event.name,
        source,
        run_id,
        tags=dict(event.texts),
        description=card.read_text(encoding="utf-8"),
    )


def _ensure(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(
            name, description=f"Models trained by the experiment {name}, each with its card."
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
