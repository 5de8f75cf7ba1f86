"""What the guides show is what there is."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from trace_pipeline.cli import cli
from trace_pipeline.experiment import available_experiments, differences, load_experiment

ROOT = Path(__file__).parents[2]
GUIDES = ("guide.md", "experiments.md")


def test_the_guides_experiment_asks_the_question_that_it_names(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "guide.md").read_text()
    name, body = re.findall(r"```yaml\n# experiments/(\w+)\.yaml\n(.*?)```", text, re.DOTALL)[0]
    for path in (ROOT / "experiments").glob("*.yaml"):
        shutil.copy(path, tmp_path)
    (tmp_path / f"{name}.yaml").write_text(body)
    written = load_experiment(name, tmp_path).parameters()
    preset = load_experiment("small_all_phrasings", tmp_path).parameters()
    assert differences(written, preset) == []


@pytest.mark.parametrize("guide", GUIDES)
def test_every_command_of_a_guide_exists_with_its_options(guide: str) -> None:
    lines = re.findall(
        r"^\$ (?:\w+=\S+ )?trace-pipeline (.*)$", (ROOT / "docs" / guide).read_text(), re.M
    )
    assert lines
    for line in lines:
        command, *rest = line.split("#")[0].split()
        shown = CliRunner().invoke(cli, [command, "--help"])
        assert shown.exit_code == 0, line
        for option in (word for word in rest if word.startswith("--")):
            assert option in shown.output, line


@pytest.mark.parametrize("guide", GUIDES)
def test_presets_that_a_guide_compares_exist(guide: str) -> None:
    known = set(available_experiments(ROOT / "experiments"))
    text = (ROOT / "docs" / guide).read_text()
    named = re.findall(r"\b(small_[a-z]\w+|run_\d\d\w*)", text)
    assert {name for name in named if not name.endswith("_")} <= known
