from __future__ import annotations

import logging

import pytest

from trace_pipeline.experiment import CollapseConfig
from trace_pipeline.modeling.rl.collapse import CollapseWatch


def figures(parsed: float, entropy: float | None = 0.5) -> dict[str, float]:
    found = {"parsed": parsed, "rollouts": 100}
    return found if entropy is None else found | {"entropy": entropy}


def reasons(config: CollapseConfig, history: list[dict[str, float]]) -> list[str]:
    watch = CollapseWatch(config)
    return [watch.reason(number, metrics) for number, metrics in enumerate(history, 1)]


def test_patience_counts_iterations_in_a_row() -> None:
    config = CollapseConfig(parsed=0.1, patience=3)
    history = [figures(n) for n in (5, 5, 20, 5, 5, 5)]
    found = reasons(config, history)
    assert found[:5] == [""] * 5
    assert "5.0% of the completions are YAML traces (rl.collapse.parsed: 0.1)" in found[5]
    assert "in iteration 6, below the bound for 3 iterations in a row" in found[5]
    assert "train longer in SFT" in found[5]


def test_entropy_has_a_bound_of_its_own() -> None:
    config = CollapseConfig(parsed=0, entropy=0.01, patience=2)
    found = reasons(config, [figures(0, 0.001), figures(0, None), figures(0, 0.001)])
    assert found[:2] == ["", ""]
    assert "the entropy is 0.0010 nats per token" in found[2]


def test_no_bounds_never_stop() -> None:
    assert not any(reasons(CollapseConfig(parsed=0), [figures(0, 0.0)] * 20))


def test_a_count_goes_on_from_a_snapshot() -> None:
    config = CollapseConfig(parsed=0.1, patience=2)
    before = CollapseWatch(config)
    assert not before.reason(4, figures(0))
    assert CollapseWatch(config, before.below).reason(5, figures(0))


def test_a_policy_that_writes_no_traces_is_said_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        assert not CollapseWatch(CollapseConfig()).reason(1, figures(0))
    assert "no completion of the first iteration is a YAML trace" in caplog.text
