"""Settings of the environment: read alike by both commands, refused by name, shown in the UI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value

from trace_pipeline.cli import cli
from trace_pipeline.definitions import defs
from trace_pipeline.pipeline.resources import (
    ArtifactsResource,
    ExperimentResource,
    TrackingResource,
    default_resources,
)
from trace_pipeline.pipeline.running import run_pipeline
from trace_pipeline.validation import InvalidInputError

VARIABLES = (
    "TRACE_PIPELINE_EXPERIMENT",
    "TRACE_PIPELINE_PROCESSES",
    "TRACE_PIPELINE_ARTIFACTS",
    "MLFLOW_TRACKING_URI",
)
SECRET = "http://me:secret@127.0.0.1:5000"


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def shown() -> tuple[dict[str, Any], str]:
    """What the Resources page shows, and all that the code location tells the UI."""
    known = dg.Definitions(resources=default_resources()).get_repository_def()
    snap = RepositorySnap.from_def(known)
    values = {
        f"{resource.name}.{field}": value if isinstance(value, str) else value.name
        for resource in snap.resources or []
        for field, value in resource.configured_values.items()
    }
    return values, serialize_value(snap)


@pytest.mark.parametrize("value", ["abc", "0", "-1", "1.5"])
def test_a_number_of_processes_that_cannot_be_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("TRACE_PIPELINE_PROCESSES", value)
    with pytest.raises(InvalidInputError) as refused:
        default_resources()
    assert str(refused.value) == (
        f"TRACE_PIPELINE_PROCESSES: expected a whole number from 1 on, found {value!r}; correct it "
        "or unset it"
    )


@pytest.mark.parametrize("value", [None, ""])
def test_unset_and_empty_are_the_same(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    for name in VARIABLES if value is not None else ():
        monkeypatch.setenv(name, value)
    experiment = ExperimentResource()
    assert (experiment.name, experiment.processes) == ("quickstart", 1)
    assert ArtifactsResource().root == "artifacts"
    assert TrackingResource().uri == "sqlite:///mlruns/mlflow.db"


def test_both_commands_take_an_empty_experiment_for_quickstart(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACE_PIPELINE_EXPERIMENT", "")
    told = CliRunner().invoke(cli, ["run"]).output
    with pytest.raises(InvalidInputError) as refused:
        ExperimentResource().load()
    assert "unknown experiment 'quickstart'" in str(refused.value)
    assert str(refused.value) in told


def test_a_run_does_with_an_empty_home_of_dagster(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("TRACE_PIPELINE_EXPERIMENT", "tiny")  # the run sets it; so it is reset
    run_pipeline("tiny", defs, 1, "gsm8k_problems")
    assert (project / ".dagster" / "storage").is_dir()


def test_the_database_is_in_the_project_whatever_the_working_directory(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRACE_PIPELINE_HOME", str(project))
    monkeypatch.chdir(tmp_path)
    for given, path in {
        "": project / "mlruns" / "mlflow.db",
        "sqlite:///mlruns/mlflow.db": project / "mlruns" / "mlflow.db",
        f"sqlite:///{tmp_path}/own.db": tmp_path / "own.db",
    }.items():
        assert TrackingResource(uri=given).tracking().uri == f"sqlite:///{path}"
    assert TrackingResource(uri=SECRET).tracking().uri == SECRET


def test_the_resources_page_shows_every_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACE_PIPELINE_PROCESSES", "2")
    monkeypatch.setenv("TRACE_PIPELINE_ARTIFACTS", "s3://bucket/artifacts")
    values, _ = shown()
    assert values == {
        "experiment.name": '"quickstart"',
        "experiment.processes": "2",
        "experiment.goes_on": "false",
        "artifacts.root": '"s3://bucket/artifacts"',
        "solver.allow_short_circuit": "null",
        "tracking.uri": '"sqlite:///mlruns/mlflow.db"',
    }


def test_of_a_uri_with_a_password_the_page_shows_the_variable_and_runs_read_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SECRET)
    monkeypatch.setenv("TRACE_PIPELINE_ARTIFACTS", "ftp://me:secret@host/artifacts")
    values, everything = shown()
    assert values["tracking.uri"] == "MLFLOW_TRACKING_URI"
    assert values["artifacts.root"] == "TRACE_PIPELINE_ARTIFACTS"
    assert "secret" not in everything

    @dg.asset
    def read(tracking: TrackingResource, artifacts: ArtifactsResource) -> str:
        return f"{tracking.tracking().uri} {artifacts.root}"

    result = dg.materialize([read], resources=default_resources())
    assert result.output_for_node("read") == f"{SECRET} ftp://me:secret@host/artifacts"
    logged = [str(event) for event in result.all_events]
    assert not [event for event in logged if "secret" in event]
