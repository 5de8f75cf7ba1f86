"""The mean of trained models: its weights, its figures, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.modeling.tiny import experiment, problems
from trace_pipeline.experiment import Experiment, ExperimentError, experiment_from_dict
from trace_pipeline.modeling.base.base_models import BaseModel
from trace_pipeline.modeling.sft.averaging import average_checkpoints
from trace_pipeline.modeling.sft.finetuning import train_sft
from trace_pipeline.modeling.storage.checkpoints import WEIGHTS
from trace_pipeline.validation import InvalidInputError

MEAN = {"average": {"one": 3, "two": 1}, "evaluate_problems": 2}


@pytest.fixture(scope="module")
def trained(base: BaseModel, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same model after two trainings that differ in their order and rate."""
    folder = tmp_path_factory.mktemp("trained")
    for name, rate in (("one", 1e-3), ("two", 3e-3)):
        train_sft(_with({"learning_rate": rate}), base, problems(6), folder / name)
    return [folder / "one", folder / "two"]


def _with(sft: dict[str, object]) -> Experiment:
    return experiment(sft={"epochs": 2, "trainable": "all", **sft})


def test_weights_are_the_weighted_mean(
    base: BaseModel, trained: list[Path], tmp_path: Path
) -> None:
    told: list[dict[str, float]] = []
    info = average_checkpoints(
        _with(MEAN),
        base,
        [(trained[0], 3.0), (trained[1], 1.0)],
        tmp_path / "mean",
        lambda _, figures: told.append(figures),
        problems(4),
    )
    one, two, mean = (load_file(f / WEIGHTS) for f in (*trained, tmp_path / "mean"))
    for name, tensor in mean.items():
        torch.testing.assert_close(tensor, 0.75 * one[name] + 0.25 * two[name])
    assert any(not torch.equal(one[name], two[name]) for name in mean)
    assert told == [info.metrics]
    assert info.metrics["val_problems"] == 2
    assert info.metrics["val_loss"] > 0


def test_made_already_it_is_not_made_again(
    base: BaseModel, trained: list[Path], tmp_path: Path
) -> None:
    both = [(folder, 1.0) for folder in trained]
    first = average_checkpoints(_with(MEAN), base, both, tmp_path)
    again = average_checkpoints(_with(MEAN), base, both, tmp_path)
    assert (again.created, again.weights_sha256) == (first.created, first.weights_sha256)
    with pytest.raises(InvalidInputError, match="finished checkpoint of another run"):
        average_checkpoints(_with(MEAN), base, [both[0], (trained[1], 2.0)], tmp_path)


def test_it_refuses_one_model_and_models_that_do_not_match(
    base: BaseModel, trained: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match="two models or more"):
        average_checkpoints(_with(MEAN), base, [(trained[0], 1.0)], tmp_path)
    other = tmp_path / "other"
    train_sft(experiment(sft={"trainable": "last_layers", "layers": 1}), base, problems(4), other)
    with pytest.raises(InvalidInputError, match="trained last_layers"):
        average_checkpoints(_with(MEAN), base, [(trained[0], 1.0), (other, 1.0)], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_it_refuses_adapters(base: BaseModel, tmp_path: Path) -> None:
    for name in ("one", "two"):
        train_sft(experiment(sft={"trainable": "lora"}), base, problems(4), tmp_path / name)
    both = [(tmp_path / name, 1.0) for name in ("one", "two")]
    with pytest.raises(InvalidInputError, match="holds LoRA adapters"):
        average_checkpoints(experiment(sft={"trainable": "lora"}), base, both, tmp_path / "out")


@pytest.mark.parametrize("sft", [{"average": {"one": 1}}, {**MEAN, "continues": "one"}])
def test_settings_that_mean_nothing_are_refused(sft: dict[str, object]) -> None:
    with pytest.raises(ExperimentError, match=r"sft\.average: takes the place of training"):
        experiment_from_dict({"name": "mean", "sft": sft})
