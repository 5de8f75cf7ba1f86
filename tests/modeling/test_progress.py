from __future__ import annotations

import logging
import sys

import pytest

from trace_pipeline.modeling import progress
from trace_pipeline.modeling.progress import Progress


def test_log_lines_come_at_a_calm_pace(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with caplog.at_level(logging.INFO), Progress("SFT", 100, "steps") as bar:
        for step in range(1, 101):
            clock[0] = step * 0.25
            bar.update(step, "loss 0.5")
    lines = [record.message for record in caplog.records]
    assert lines == [
        "SFT: 40/100 steps, 10 s, about 15 s left, loss 0.5",
        "SFT: 80/100 steps, 20 s, about 5 s left, loss 0.5",
        "SFT: 100/100 steps, 25 s, loss 0.5",
    ]


def test_a_terminal_gets_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Progress("decoding", 4, "problems") as bar:
        bar.update(2, "9 tokens")
    shown = capsys.readouterr().err
    assert "[############............] decoding: 2/4 problems" in shown
    assert shown.endswith("\n")


def test_the_end_is_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    with caplog.at_level("INFO", "trace_pipeline.progress"), Progress("RL", 1, "iterations") as bar:
        clock[0] = 20.0
        bar.update(1, "reward 1.00")
    assert [r.message for r in caplog.records] == ["RL: 1/1 iterations, 20 s, reward 1.00"]
