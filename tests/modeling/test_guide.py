"""The guide defines every figure that training logs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.modeling.tiny import experiment, problems
from trace_pipeline.modeling import train_rl
from trace_pipeline.modeling.base.base_models import BaseModel
from trace_pipeline.modeling.storage.records import read_records

GUIDE = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
QUICK: dict[str, Any] = {
    "iterations": 1,
    "prompts": 2,
    "samples": 2,
    "max_tokens": 6,
    "source": "mix",
    "evaluate_problems": 1,
    "select": "best",
    "curriculum": 0.5,
}


def documented() -> set[str]:
    """Names in the first column of the guide's tables."""
    rows = [line.split("|")[1] for line in GUIDE.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize(
    "settings",
    [
        {"estimator": "reinforce", "kl_coefficient": 0.1, "updates": 2},
        {"estimator": "grpo", "resample": 1},
        {"method": "expert_iteration"},
    ],
)
def test_every_logged_metric_is_defined(
    settings: dict[str, Any], base: BaseModel, sft_folder: Path, tmp_path: Path
) -> None:
    real = problems(6)[4:]
    whole = experiment(rl=QUICK | settings, sft={"trainable": "all"})
    info = train_rl(
        whole, sft_folder, problems(2), problems(2), tmp_path, base,
        real=real, real_validation=real,
    )  # fmt: skip
    logged = {name for record in read_records(tmp_path / "metrics.jsonl") for name in record}
    names = {re.sub(r"yield_\d+_steps", "yield_N_steps", name) for name in logged | {*info.metrics}}
    assert names - documented() == set()


def test_the_guide_answers_the_most_frequent_question() -> None:
    answer = GUIDE.split("## Reward 0: is it broken?")[1].split("\n## ")[0]
    known = documented() | set(experiment().parameters())
    spoken_of = set(re.findall(r"`([a-z_.]+)`", answer)) - {"rollouts.parquet", "binary", "graded"}
    spoken_of -= {"rl_checkpoint"}
    assert spoken_of <= known
