"""The ``dagster`` command with this project as its default target.

Dagster's own CLI reads neither ``[tool.dagster]`` nor ``workspace.yaml`` for
``dagster asset ...`` and ``dagster job ...``, so that the command that everybody
types fails. This script fills the module in where no target was named and makes
the project's folder the instance's home, also in a folder inside the project, then
hands over to Dagster unchanged (docs/decisions/0002-dagster-command.md).
"""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

TARGET_FLAGS = (
    "-m",
    "--module-name",
    "-f",
    "--python-file",
    "-w",
    "--workspace",
    "--package-name",
    "--autoload-defs-module-name",
    "-d",
    "--working-directory",
    "-a",
    "--attribute",
)
"""Flags with which a user names a target; then nothing is filled in."""

MODULE_COMMANDS = ("ASSET_MATERIALIZE", "ASSET_LIST", "ASSET_WIPE", "JOB_EXECUTE", "JOB_LIST")
"""Commands that need a module and do not look for one."""


def project_module(folder: Path) -> str | None:
    """``module_name`` under ``[tool.dagster]`` in ``folder``'s pyproject.toml, if any."""
    path = folder / "pyproject.toml"
    if not path.is_file():
        return None
    table = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("dagster", {})
    name = table.get("module_name")
    return name if isinstance(name, str) else None


def project_folder(folder: Path) -> Path:
    """The project that ``folder`` is in: itself or the nearest above that says what is loaded.

    Whatever project that is, the search ends there; ``folder`` itself if there is none.
    """
    for candidate in (folder, *folder.parents):
        if any((candidate / name).is_file() for name in ("pyproject.toml", "workspace.yaml")):
            return candidate
    return folder


def default_environment(arguments: list[str], folder: Path) -> dict[str, str]:
    """Variables that make ``folder``'s project the target of ``dagster <arguments>``.

    Where a target is named, ``folder`` alone counts and not what is above it.
    """
    named = any(a.split("=", 1)[0] in TARGET_FLAGS for a in arguments)
    project = folder if named else project_folder(folder)
    module = project_module(project)
    if module is None:
        return {}
    filled = {"DAGSTER_HOME": str(project)} if (project / "dagster.yaml").is_file() else {}
    if named:
        return filled
    for command in MODULE_COMMANDS:
        filled[f"DAGSTER_CLI_{command}_MODULE_NAME"] = module
        if project != folder:  # the module is found as if the command were typed there
            filled[f"DAGSTER_CLI_{command}_WORKING_DIRECTORY"] = str(project)
    if project != folder and (project / "schemas").is_dir():
        filled["TRACE_PIPELINE_HOME"] = str(project)  # where outputs go, like the history
    return filled


def main() -> None:
    """Run Dagster's CLI."""
    for name, value in default_environment(sys.argv[1:], Path.cwd()).items():
        if not os.environ.get(name):  # set to nothing it means nothing
            os.environ[name] = value
    from dagster._cli import main as dagster_main

    dagster_main()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
