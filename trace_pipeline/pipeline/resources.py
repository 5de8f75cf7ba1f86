"""The four resources that assets share: experiment, artifacts, solver, tracking."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
from pydantic import Field

from trace_pipeline.experiment import Experiment, load_experiment
from trace_pipeline.paths import project_root
from trace_pipeline.pipeline.tracking import Tracking
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.solver import Solver
from trace_pipeline.store import ARTIFACTS_VARIABLE, ArtifactStore, without_credentials
from trace_pipeline.validation import InvalidInputError

EXPERIMENT_VARIABLE = "TRACE_PIPELINE_EXPERIMENT"
PROCESSES_VARIABLE = "TRACE_PIPELINE_PROCESSES"
TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"

SQLITE = "sqlite:///"
DEFAULT_TRACKING = f"{SQLITE}mlruns/mlflow.db"


def _setting(variable: str, default: str) -> str:
    """The setting of the environment; ``default`` where it is unset or, as for click, empty."""
    return os.environ.get(variable) or default


def _processes() -> int:
    text = _setting(PROCESSES_VARIABLE, "1")
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise InvalidInputError(
            f"{PROCESSES_VARIABLE}: expected a whole number from 1 on, found {text!r}; correct it "
            "or unset it"
        )
    return number


class ExperimentResource(dg.ConfigurableResource):
    """The experiment at work: a file of ``experiments/``."""

    name: str = Field(
        default_factory=lambda: _setting(EXPERIMENT_VARIABLE, "quickstart"),
        description="Name of a file in experiments/, without .yaml.",
    )
    processes: int = Field(
        default_factory=_processes,
        ge=1,
        description="Processes that SFT trains in on this machine; a GPU each where there are any.",
    )
    goes_on: bool = Field(
        default=False,
        description="Whether models are taken over that `trace-pipeline run` has trained with the "
        "same settings on the same data before it was stopped.",
    )

    def load(self) -> Experiment:
        """The experiment, typed and validated."""
        return load_experiment(self.name, project_root() / "experiments")


class ArtifactsResource(dg.ConfigurableResource):
    """Where datasets, checkpoints and reports are stored."""

    root: str = Field(
        default_factory=lambda: _setting(ARTIFACTS_VARIABLE, "artifacts"),
        description="A folder (relative to the project) or any fsspec URL.",
    )

    def store(self) -> ArtifactStore:
        """The store at ``root``."""
        inside = "://" not in self.root and not Path(self.root).is_absolute()
        return ArtifactStore(str(project_root() / self.root) if inside else self.root)


class SolverResource(dg.ConfigurableResource):
    """The one solver behind generation, rewards and scores."""

    allow_short_circuit: bool | None = Field(
        default=None, description="Overrides the experiment's rule set; for ablations."
    )

    def solver(self, experiment: Experiment) -> Solver:
        """The solver under the experiment's rules, unless overridden here."""
        own = self.allow_short_circuit
        allow = experiment.solver.allow_short_circuit if own is None else own
        return Solver(allow_short_circuit=allow)


class TrackingResource(dg.ConfigurableResource):
    """The MLflow server or database that runs are recorded in."""

    uri: str = Field(
        default_factory=lambda: _setting(TRACKING_VARIABLE, DEFAULT_TRACKING),
        description="Tracking URI; an SQLite database with a relative path is in the project.",
    )

    def tracking(self) -> Tracking:
        """The sender for ``uri``."""
        root, uri = project_root(), self.uri or DEFAULT_TRACKING
        if uri.startswith(SQLITE):
            uri = f"{SQLITE}{root / uri.removeprefix(SQLITE)}"
        return Tracking(uri, root / "mlruns")


def open_workbench(
    experiment: ExperimentResource,
    artifacts: ArtifactsResource,
    tracking: TrackingResource,
    solver: SolverResource,
) -> Workbench:
    """The workbench that the resources describe."""
    loaded = experiment.load()
    return Workbench(
        loaded,
        project_root(),
        artifacts.store(),
        tracking.tracking(),
        solver.solver(loaded),
        experiment.goes_on,
    )


def default_resources() -> dict[str, dg.ConfigurableResource]:
    """The resources under the names that assets ask for.

    A value given here, unlike a default of the class, is what the UI shows.
    """
    experiment = ExperimentResource()
    return {
        "experiment": ExperimentResource(name=experiment.name, processes=experiment.processes),
        "artifacts": ArtifactsResource(root=_shown(ARTIFACTS_VARIABLE, ArtifactsResource().root)),
        "solver": SolverResource(),
        "tracking": TrackingResource(uri=_shown(TRACKING_VARIABLE, TrackingResource().uri)),
    }


def _shown(variable: str, value: str) -> str:
    """``value``, or ``variable`` in its place where the value holds a password.

    Of a variable the UI shows the name alone, and a run reads what it holds.
    """
    return value if without_credentials(value) == value else dg.EnvVar(variable)


def bench_of(name: str) -> Workbench:
    """The workbench of the experiment ``name``, with everything else as the environment says."""
    return open_workbench(
        ExperimentResource(name=name), ArtifactsResource(), TrackingResource(), SolverResource()
    )
