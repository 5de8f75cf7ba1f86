"""The ``dagster`` command finds this project, and stays out of the way elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from trace_pipeline.dagster_cli import default_environment, project_module

ROOT = Path(__file__).parents[1]
VARIABLE = "DAGSTER_CLI_ASSET_MATERIALIZE_MODULE_NAME"


def test_the_project_is_the_default_target() -> None:
    filled = default_environment(["asset", "materialize", "--select", "gsm8k_eval"], ROOT)
    assert filled[VARIABLE] == "trace_pipeline.definitions"
    assert filled["DAGSTER_HOME"] == str(ROOT)


@pytest.mark.parametrize("flag", ["-m", "--module-name=other", "-f", "-w", "--python-file"])
def test_a_target_that_the_user_names_is_left_alone(flag: str) -> None:
    assert VARIABLE not in default_environment(["asset", "list", flag, "x"], ROOT)


def test_outside_a_project_nothing_is_filled_in(tmp_path: Path) -> None:
    assert default_environment(["asset", "list"], tmp_path) == {}
    (tmp_path / "pyproject.toml").write_text("[tool.dagster]\nmodule_name = 3\n")
    assert project_module(tmp_path) is None
