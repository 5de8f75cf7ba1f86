"""The benchmark for a GPU runs on any machine, without the libraries of the pipeline."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.step import main as step_main

ROOT = Path(__file__).parents[1]


def test_it_runs_on_a_bare_host(tmp_path: Path) -> None:
    program = f"""
import sys
for name in ("dagster", "mlflow", "pandas", "matplotlib", "datasets", "pyarrow", "trl"):
    sys.modules[name] = None
from benchmarks.gpu import main
sys.exit(main(["--tiny", "--traces", "6", "--prompts", "3", "--max-tokens", "5", "--rounds", "1",
    "--batch-tokens", "2000", "--device", "cpu", "--dtype", "float32",
    "--out", {str(tmp_path / "gpu.json")!r}]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["device"] == "CPU"
    assert found["sft"]["tokens_per_second"] > 0
    assert found["sft"]["share_of_matmul"] > 0
    assert found["decoding"]["ratio"] > 0
    assert found["decoding"]["same_text_share"] == 1
    assert found["decoding"]["tokens"] == 15


def test_a_step_is_profiled(capsys: pytest.CaptureFixture[str]) -> None:
    assert step_main(["--tiny", "--tokens", "300", "--steps", "1", "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert "tokens/s" in printed
    assert "aten::mm" in printed
