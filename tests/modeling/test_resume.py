"""Killed with SIGKILL, training goes on to the weights of an undisturbed run, bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.modeling.interrupted import MOMENTS, STAGES

KILLS = int(os.environ.get("TRACE_PIPELINE_KILLS", "3"))
"""At random moments, of each stage; ``make soak`` asks for more."""
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.modeling.interrupted",
            str(tmp_path_factory.mktemp("runs")),
            str(KILLS),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600 + 60 * KILLS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


STEPS = {"sft": 10, "sft-adapters": 20, "rl": 6}


def assert_undisturbed(run: dict[str, Any], stage: str) -> None:
    """As if nothing had happened: weights, records, and no file left over."""
    assert run["resumed"] == 0
    assert run["same_weights"]
    assert run["same_records"]
    assert run["steps"] == STEPS[stage]
    rollouts = ["rollouts.parquet"] if stage == "rl" else []
    assert run["left"] == ["checkpoint.json", "metrics.jsonl", *rollouts, "weights.safetensors"]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("stage", ["sft", "rl"])
def test_a_killed_run_goes_on_exactly(outcome: dict[str, Any], stage: str, moment: str) -> None:
    run = outcome["runs"][f"{stage} {moment}"]
    assert run["killed"] == -9
    assert_undisturbed(run, stage)


@pytest.mark.parametrize("stage", STAGES)
def test_kills_at_random_moments_leave_no_trace(outcome: dict[str, Any], stage: str) -> None:
    run = outcome["runs"][f"{stage} at random"]
    assert run["killed"] == KILLS
    assert_undisturbed(run, stage)


@pytest.mark.parametrize("stage", ["sft", "rl"])
def test_a_full_disk_is_told_and_the_snapshot_before_is_used(
    outcome: dict[str, Any], stage: str
) -> None:
    run = outcome["runs"][f"{stage} full disk"]
    assert run["killed"] == 28  # it stopped with the remedy
    assert_undisturbed(run, stage)


def test_the_runs_learned_something(outcome: dict[str, Any]) -> None:
    assert outcome["rl_learned"]
