from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trace_pipeline.modeling.training.best_weights import BestWeights
from trace_pipeline.modeling.training.run import TrainingError


def weight(model: torch.nn.Linear, value: float | None = None) -> float:
    """The one weight of ``model``, set to ``value`` first."""
    if value is not None:
        with torch.no_grad():
            model.weight.fill_(value)
    return float(model.weight.detach())


@pytest.fixture
def model() -> torch.nn.Linear:
    return torch.nn.Linear(1, 1, bias=False)


def offer(weights: BestWeights, model: torch.nn.Linear, step: int, score: float) -> None:
    weight(model, step)
    weights.offer(step, score)


def test_the_first_of_the_best_is_restored(model: torch.nn.Linear, tmp_path: Path) -> None:
    weights = BestWeights(tmp_path, model, ("weight",))
    for step, score in enumerate((0.1, 0.7, 0.7, 0.3)):
        offer(weights, model, step, score)
    weights.restore()
    assert weight(model) == 1
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["best-00000004.safetensors", "best.safetensors"])
def test_what_a_snapshot_names_outlives_what_a_killed_run_found_better(
    model: torch.nn.Linear, tmp_path: Path, name: str
) -> None:
    weights = BestWeights(tmp_path, model, ("weight",))
    offer(weights, model, 4, 0.5)
    named = weights.best
    weights.saved()
    (tmp_path / "best-00000004.safetensors").rename(tmp_path / name)  # as it was called before
    resumed = BestWeights(tmp_path, model, ("weight",), named)
    offer(resumed, model, 6, 0.6)  # and is killed before the next snapshot
    again = BestWeights(tmp_path, model, ("weight",), named)
    offer(again, model, 6, 0.4)  # sums in another order
    again.restore()
    assert weight(model) == 4
    offer(again, model, 8, 0.9)
    again.saved()
    assert [path.name for path in tmp_path.iterdir()] == ["best-00000008.safetensors"]
    again.restore()
    assert weight(model) == 8


def test_altered_weights_are_told(model: torch.nn.Linear, tmp_path: Path) -> None:
    weights = BestWeights(tmp_path, model, ("weight",))
    offer(weights, model, 4, 0.5)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"#")
    with pytest.raises(TrainingError, match="those of step 4, are missing or were altered"):
        weights.restore()
