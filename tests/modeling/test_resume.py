"""Killed with SIGKILL, training goes on to the weights of an undisturbed run, bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.modeling.interrupted import MOMENTS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.modeling.interrupted", str(tmp_path_factory.mktemp("runs"))],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(("stage", "steps"), [("sft", 10), ("rl", 6)])
def test_a_killed_run_goes_on_exactly(
    outcome: dict[str, Any], stage: str, steps: int, moment: str
) -> None:
    run = outcome["runs"][f"{stage} {moment}"]
    assert run["killed"] == -9
    assert run["resumed"] == 0
    assert run["same_weights"]
    assert run["same_records"]
    assert run["steps"] == steps
    rollouts = ["rollouts.parquet"] if stage == "rl" else []
    assert run["left"] == ["checkpoint.json", "metrics.jsonl", *rollouts, "weights.safetensors"]


def test_the_runs_learned_something(outcome: dict[str, Any]) -> None:
    assert outcome["rl_learned"]
