"""A new setting changes the identity of no result that does not use it."""

from __future__ import annotations

from typing import Any

import pytest

from trace_pipeline.experiment import as_before_choices, experiment_from_dict
from trace_pipeline.experiment.choices import BEFORE

CHOSEN: dict[str, dict[str, Any]] = {
    "sft": {
        "order": 1,
        "average": {"a": 1.0, "b": 1.0},
        "matmul": "int8",
        "compile": "always",
    },
    "decoding": {"sensible": True, "greedy_first": True},
}
NAMES = [(section, name) for section, names in CHOSEN.items() for name in names]


def settings(**sections: dict[str, Any]) -> dict[str, Any]:
    return as_before_choices(experiment_from_dict({"name": "x", **sections}).to_dict())


def test_each_later_setting_is_tested() -> None:
    assert {s: set(names) for s, names in CHOSEN.items()} == {s: set(n) for s, n in BEFORE.items()}


@pytest.mark.parametrize(("section", "name"), NAMES)
def test_a_default_is_as_if_there_were_no_choice(section: str, name: str) -> None:
    plain = settings()
    assert name not in plain[section]
    assert settings(**{section: {name: BEFORE[section][name]}}) == plain


@pytest.mark.parametrize(("section", "name"), NAMES)
def test_a_choice_counts(section: str, name: str) -> None:
    needs = {"greedy_first": {"samples": 2, "temperature": 0.7}, "sensible": {"constrained": True}}
    chosen = {name: CHOSEN[section][name], **needs.get(name, {})}
    assert settings(**{section: chosen})[section][name] == CHOSEN[section][name]


def test_other_sections_are_as_they_were() -> None:
    whole = experiment_from_dict({"name": "x"}).to_dict()
    before = as_before_choices(whole)
    assert {n: s for n, s in before.items() if n not in BEFORE} == {
        n: s for n, s in whole.items() if n not in BEFORE
    }
    assert "matmul" in whole["sft"]  # what was given stays
