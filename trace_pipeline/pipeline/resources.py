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
from trace_pipeline.store import ArtifactStore


class ExperimentResource(dg.ConfigurableResource):
    """The experiment at work: a file of ``experiments/``."""

    name: str = Field(
        default_factory=lambda: os.environ.get("TRACE_PIPELINE_EXPERIMENT", "quickstart"),
        description="Name of a file in experiments/, without .yaml.",
    )
    processes: int = Field(
        default_factory=lambda: int(os.environ.get("TRACE_PIPELINE_PROCESSES", "1")),
        ge=1,
        description="Processes that SFT trains in on this machine; a GPU each where there are any.",
    )

    def load(self) -> Experiment:
        """The experiment, typed and validated."""
        return load_experiment(self.name, project_root() / "experiments")


class ArtifactsResource(dg.ConfigurableResource):
    """Where datasets, checkpoints and reports are stored."""

    root: str = Field(
        default_factory=lambda: os.environ.get("TRACE_PIPELINE_ARTIFACTS", "artifacts"),
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
        default_factory=lambda: os.environ.get("MLFLOW_TRACKING_URI", ""),
        description="Tracking URI; empty: the database mlruns/mlflow.db of the project.",
    )

    def tracking(self) -> Tracking:
        """The sender for ``uri``."""
        folder = project_root() / "mlruns"
        return Tracking(self.uri or f"sqlite:///{folder / 'mlflow.db'}", folder)


def open_workbench(
    experiment: ExperimentResource,
    artifacts: ArtifactsResource,
    tracking: TrackingResource,
    solver: SolverResource,
) -> Workbench:
    """The workbench that the resources describe."""
    loaded = experiment.load()
    return Workbench(
        loaded, project_root(), artifacts.store(), tracking.tracking(), solver.solver(loaded)
    )


def default_resources() -> dict[str, dg.ConfigurableResource]:
    """The resources under the names that assets ask for."""
    return {
        # A value given here, unlike a default of the class, is what the launchpad shows.
        "experiment": ExperimentResource(name=ExperimentResource().name),
        "artifacts": ArtifactsResource(),
        "solver": SolverResource(),
        "tracking": TrackingResource(),
    }


def bench_of(name: str) -> Workbench:
    """The workbench of the experiment ``name``, with everything else as the environment says."""
    return open_workbench(
        ExperimentResource(name=name), ArtifactsResource(), TrackingResource(), SolverResource()
    )
