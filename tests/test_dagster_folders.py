"""The ``dagster`` command finds the project from a folder inside it, and no other one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trace_pipeline.dagster_cli import MODULE_COMMANDS, default_environment, main

ROOT = Path(__file__).parents[1]
INSIDE = "docs/results"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a folder inside; what its commands write stays there."""
    folder = tmp_path / "project"
    (folder / INSIDE).mkdir(parents=True)
    for name in ("schemas", "vocab", "experiments", "dagster.yaml", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def test_a_folder_of_the_project_is_as_good_as_its_root(project: Path) -> None:
    root = default_environment(["asset", "list"], project)
    inside = default_environment(["asset", "list"], project / INSIDE)
    assert root.items() <= inside.items()
    assert root["DAGSTER_HOME"] == str(project)
    added = {f"DAGSTER_CLI_{name}_WORKING_DIRECTORY" for name in MODULE_COMMANDS}
    assert {name: inside[name] for name in inside.keys() - root.keys()} == dict.fromkeys(
        added | {"TRACE_PIPELINE_HOME"}, str(project)
    )


@pytest.mark.parametrize(
    "named",
    [
        ["-m", "other"],
        ["--module-name=other"],
        ["-f", "defs.py"],
        ["-w", "w.yaml"],
        ["--autoload-defs-module-name", "other"],
    ],
)
def test_a_target_that_the_user_names_in_a_folder_is_left_alone(
    project: Path, named: list[str]
) -> None:
    assert default_environment(["asset", "list", *named], project / INSIDE) == {}
    assert default_environment(["asset", "list", *named], project) == {"DAGSTER_HOME": str(project)}


@pytest.mark.parametrize("of_another", ["pyproject.toml", "workspace.yaml"])
def test_another_project_inside_is_not_taken_for_this_one(project: Path, of_another: str) -> None:
    (project / "docs" / of_another).write_text("")
    assert default_environment(["asset", "list"], project / INSIDE) == {}


def test_assets_are_listed_from_a_folder_of_the_project(project: Path) -> None:
    ours = ("DAGSTER_", "TRACE_PIPELINE_")
    done = subprocess.run(
        [sys.executable, "-m", "trace_pipeline.dagster_cli", "asset", "list"],
        cwd=project / INSIDE,
        env={name: value for name, value in os.environ.items() if not name.startswith(ours)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "gsm8k_eval" in done.stdout.split()


def test_a_variable_set_to_nothing_is_filled_in(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = default_environment([], project)
    for name in filled:
        monkeypatch.setenv(name, "")
    monkeypatch.setattr("dagster._cli.main", lambda: None)
    monkeypatch.setattr(sys, "argv", ["dagster"])
    monkeypatch.chdir(project)
    main()
    assert {name: os.environ[name] for name in filled} == filled
