"""Checkpoints: what another experiment has trained already is not trained again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.conftest import FinishedRun
from trace_pipeline.modeling.checkpoints import CheckpointInfo, read_info
from trace_pipeline.modeling.finetuning import train_sft
from trace_pipeline.pipeline.policies import open_base, train_checkpoint, training_data
from trace_pipeline.pipeline.resources import bench_of
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.store import Artifact

SECTIONS = ("seed", "model", "prompt", "sft")


@pytest.fixture
def budget(finished: FinishedRun) -> Iterator[Workbench]:
    """An experiment that differs from ``tiny`` in decoding alone."""
    experiment = finished.folder / "experiments" / "budget.yaml"
    experiment.write_text("inherits: tiny\ndescription: Less room.\ndecoding: {max_tokens: 20}\n")
    yield bench_of("budget")
    experiment.unlink()
    shutil.rmtree(finished.folder / "artifacts" / "budget", ignore_errors=True)


def parents(tiny: Workbench) -> list[Artifact]:
    return [*tiny.partitions(), tiny.require("base_model"), tiny.require("gsm8k_problems")]


def settings(bench: Workbench) -> dict[str, object]:
    return {name: bench.experiment.to_dict()[name] for name in SECTIONS}


def test_the_same_training_of_another_experiment_is_taken_over(
    finished: FinishedRun, budget: Workbench
) -> None:
    tiny = finished.bench()
    data = training_data(tiny, tiny.partitions())

    def train(folder: Path) -> CheckpointInfo:
        assert (folder / "metrics.jsonl").stat().st_size > 0
        return train_sft(
            budget.experiment, open_base(tiny), data.train, folder, validation=data.held_out()
        )

    stored, _ = train_checkpoint(budget, "sft_checkpoint", parents(tiny), settings(budget), train)
    original = tiny.require("sft_checkpoint")
    assert stored.sha256 == original.sha256
    assert stored.manifest.files == original.manifest.files  # nothing was trained anew


def test_other_settings_are_trained(finished: FinishedRun, budget: Workbench) -> None:
    tiny = finished.bench()
    seen: list[list[Path]] = []

    def train(folder: Path) -> CheckpointInfo:
        seen.append(list(folder.iterdir()))
        shutil.copytree(tiny.require("sft_checkpoint").path, folder, dirs_exist_ok=True)
        return read_info(folder)

    other = {**settings(budget), "seed": 1}
    train_checkpoint(budget, "sft_checkpoint", parents(tiny), other, train)
    train_checkpoint(budget, "sft_checkpoint", parents(tiny), settings(budget), train)
    assert seen == [[], []]  # the second time the experiment has a checkpoint: it trains anew
