"""Families of experiments: lineage, differences, what is printed of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from trace_pipeline.experiment import (
    Difference,
    ExperimentError,
    differences,
    differences_from_parent,
    lineage,
    load_experiment,
    parent_of,
)
from trace_pipeline.experiment.listing import described, difference_text, listing


@pytest.fixture
def family(tmp_path: Path) -> Path:
    files = {
        "base": "description: Below.\ndepartures: [of the base]\ndata: {schemas: [a/x, a/y]}",
        "middle": "inherits: base\ndescription: Between.\ndata: {train: 10}",
        "top": "inherits: middle\ndescription: Above.\ndata: {schemas: [a/y, a/z]}",
        "other": "description: Apart.",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def test_lineage_is_nearest_first(family: Path) -> None:
    assert lineage("top", family) == ["top", "middle", "base"]
    assert parent_of("base", family) is None


def test_only_settings_count_as_differences(family: Path) -> None:
    first, second = (load_experiment(n, family).parameters() for n in ("base", "middle"))
    assert differences(first, second) == [Difference("data.train", "1500", "10")]
    assert differences(first, first) == []


def test_of_lists_only_what_the_other_lacks_is_shown(family: Path) -> None:
    (found,) = differences_from_parent("top", family)
    assert (found.first, found.second) == ("2 entries, -a/x", "2 entries, +a/z")


def test_without_a_parent_the_defaults_are_below(family: Path) -> None:
    assert [d.field for d in differences_from_parent("base", family)] == ["data.schemas"]


def test_departures_and_descriptions_belong_to_their_file_alone(family: Path) -> None:
    experiment = load_experiment("middle", family)
    assert (experiment.description, experiment.departures) == ("Between.", [])


def test_the_list_is_grouped_by_what_experiments_go_back_to(family: Path) -> None:
    text = listing(family)
    groups = text.split("\n\n")
    assert [group.splitlines()[0] for group in groups] == ["base, 3 experiments", "other"]
    assert "  top     Above. [from middle]" in groups[0]


def test_one_experiment_is_shown_with_its_changes_and_all_departures(family: Path) -> None:
    text = described("top", family)
    for part in ("top: Above.", "inherits from middle <- base", "+a/z", "- of the base"):
        assert part in text


def test_two_experiments_are_told_apart(family: Path) -> None:
    assert difference_text("base", "middle", family).splitlines() == [
        "setting     base  middle",
        "data.train  1500  10",
    ]
    assert difference_text("base", "base", family) == "base and base have the same settings"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inherits: top", r"top\.yaml: \$\.inherits: a cycle, top -> base -> top"),
        ("inherits: gone", r"base\.yaml: \$\.inherits: no such file .*gone\.yaml; unknown exp"),
        ("inherits: [top]", r"base\.yaml: \$\.inherits: expected a name, found \['top'\]"),
    ],
)
def test_a_list_that_goes_back_to_nothing_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "base.yaml").write_text(text)
    (tmp_path / "top.yaml").write_text("inherits: base")
    with pytest.raises(ExperimentError, match=message):
        lineage("top", tmp_path)
    with pytest.raises(ExperimentError, match=r"\$\.inherits"):
        listing(tmp_path)


def test_an_unknown_name_is_refused(family: Path) -> None:
    with pytest.raises(ExperimentError, match="did you mean 'middle'"):
        difference_text("base", "midle", family)
