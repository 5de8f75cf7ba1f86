"""YAML 1.2 core scalars, where YAML 1.1 surprises."""

from __future__ import annotations

import math

import pytest
import yaml

from trace_pipeline.yaml_core import load_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("010", 10),
        ("0o10", 8),
        ("0x10", 16),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2e-4", 0.0002),
        (".5", 0.5),
        ("-3", -3),
        ("2024-01-01", "2024-01-01"),
        ("~", None),
        ("", None),
        ("null", None),
        ("=", "="),
    ],
)
def test_a_scalar_means_what_the_core_schema_says(text: str, value: object) -> None:
    found = load_yaml(text)
    assert found == value
    assert type(found) is type(value)


def test_infinities_and_nan() -> None:
    assert load_yaml("-.inf") == -math.inf
    assert math.isnan(load_yaml(".nan"))


@pytest.mark.parametrize("text", ["{a: 1, a: 2}", "a: 1\nb: 2\na: 3", "{[1]: 2}", "!!python/x 1"])
def test_duplicate_or_compound_keys_and_tags_are_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        load_yaml(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: !!int abc", "'abc' cannot be read as int"),
        ("a: !!bool maybe", "'maybe' cannot be read as bool"),
        ("a: !!float ''", "'' cannot be read as float"),
        ("a: !!timestamp x", "'x' cannot be read as timestamp"),
        ("a: !!map x", "expected a mapping node"),
        pytest.param("a: " + "1" * 5000, "1' cannot be read as int", id="5000 digits"),
        pytest.param("[" * 3000, "nested too deeply", id="3000 deep"),
    ],
)
def test_what_cannot_be_constructed_is_an_error_of_yaml(text: str, problem: str) -> None:
    with pytest.raises(yaml.YAMLError, match=problem):
        load_yaml(text)
