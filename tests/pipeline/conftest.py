from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from dagster import DagsterInstance
from mlflow.tracking import MlflowClient

from tests.modeling.tiny import make_tiny_model
from trace_pipeline.definitions import defs
from trace_pipeline.generation import AuditReport, Generator, audit
from trace_pipeline.pipeline.assets import data as data_assets
from trace_pipeline.pipeline.resources import bench_of
from trace_pipeline.pipeline.running import run_pipeline
from trace_pipeline.pipeline.workbench import Workbench

ROOT = Path(__file__).parents[2]

EXPERIMENT = """\
description: The whole chain on a tiny random model.
data: {{train: 40, validation: 8, test: 12}}
model: {{reference: {base}, dtype: float32, device: cpu}}
prompt: {{system: none, template: plain}}
sft: {{trainable: all, batch_tokens: 8192, max_len: 2048, learning_rate: 1e-3}}
rl: {{iterations: 2, prompts: 2, max_tokens: 40, evaluate_problems: 2}}
decoding: {{max_tokens: 1000}}
eval:
  gsm8k: builtin
  fast: true
  forgetting: true
  problems: 8
  baseline: {{problems: 4, max_tokens: 40, shots: 2, few_shot_problems: 3}}
"""


def make_project(folder: Path, base: Path) -> Path:
    """A project of its own: our schemas and vocabulary, one experiment, empty outputs."""
    (folder / "experiments").mkdir(parents=True)
    (folder / "experiments" / "tiny.yaml").write_text(EXPERIMENT.format(base=base))
    for name in ("schemas", "vocab", "dagster.yaml", "pyproject.toml", "workspace.yaml"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tests may run side by side, with processes of their own."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="session")
def _empty_databases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tables of Dagster and MLflow, which take them seconds to make.

    What makes them in a new project is tested by ``_finished``, which has none before.
    """
    folder = tmp_path_factory.mktemp("databases")
    (folder / "mlruns").mkdir()
    MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db").search_experiments()
    shutil.copy(ROOT / "dagster.yaml", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with DagsterInstance.from_config(str(folder)) as instance:
            instance.get_runs_count()
            instance.all_instigator_state()
    return folder


@pytest.fixture
def project(
    tiny_base: Path, _empty_databases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An empty project, which is the working directory; its schemas are audited on few samples."""
    folder = make_project(tmp_path / "project", tiny_base)
    for name in (".dagster", "mlruns"):
        shutil.copytree(_empty_databases / name, folder / name)
    monkeypatch.setattr(data_assets, "audit", _short_audit)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    monkeypatch.delenv("TRACE_PIPELINE_GSM8K", raising=False)  # a user may well have set it
    return folder


def _short_audit(generators: Sequence[Generator], samples: int, **options: Any) -> AuditReport:
    """The audit on two samples a schema; on all of them it takes longer than a tiny training."""
    return audit(generators, min(samples, 2), **options)


class FinishedRun:
    """A project in which the whole chain ran once; read it, do not change it."""

    def __init__(self, folder: Path, closing: str) -> None:
        self.folder = folder
        self.closing = closing

    def bench(self) -> Workbench:
        return bench_of("tiny")


@pytest.fixture(scope="session")
def _finished(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    folder = make_project(tmp_path_factory.mktemp("finished") / "project", tiny_base)
    before, environment = Path.cwd(), dict(os.environ)
    os.chdir(folder)
    os.environ["DAGSTER_HOME"] = str(folder)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(data_assets, "audit", _short_audit)
            closing = run_pipeline("tiny", defs)
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(environment)
    return FinishedRun(folder, closing)


@pytest.fixture
def finished(_finished: FinishedRun, monkeypatch: pytest.MonkeyPatch) -> FinishedRun:
    monkeypatch.chdir(_finished.folder)
    monkeypatch.setenv("DAGSTER_HOME", str(_finished.folder))
    return _finished
