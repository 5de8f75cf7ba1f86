"""Rollouts and batches are dealt out to processes; what is learned does not depend on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.modeling.rl_processes import METHODS, main
from trace_pipeline.modeling.base.base_models import BaseModel
from trace_pipeline.modeling.rl.kept_rollouts import read_rollouts
from trace_pipeline.modeling.storage.records import read_records

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def runs(
    base: BaseModel, sft_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """The same runs by one process and by two."""
    alone, together = tmp_path_factory.mktemp("alone"), tmp_path_factory.mktemp("together")
    main(base.folder, sft_folder, alone)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
    command += ["--master_addr=127.0.0.1", "--standalone", "-m", "tests.modeling.rl_processes"]
    done = subprocess.run(
        [*command, str(base.folder), str(sft_folder), str(together)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return alone, together


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_do_what_one_does(runs: tuple[Path, Path], method: str) -> None:
    one, two = (read_records(folder / method / "metrics.jsonl") for folder in runs)
    assert [record["iteration"] for record in one] == [record["iteration"] for record in two]
    for mine, theirs in zip(one, two, strict=True):
        assert mine.keys() == theirs.keys()
        for name in mine:
            if "second" not in name:
                assert theirs[name] == pytest.approx(mine[name], rel=1e-3, abs=1e-4), name
    texts = [[r["text"] for r in read_rollouts(folder / method)] for folder in runs]
    assert texts[0] == texts[1]
    left = [sorted(path.name for path in (folder / method).iterdir()) for folder in runs]
    assert left[0] == left[1]
