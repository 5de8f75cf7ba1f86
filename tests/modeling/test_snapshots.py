from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from trace_pipeline.modeling.base import weights
from trace_pipeline.modeling.storage import snapshots as module
from trace_pipeline.modeling.storage.records import RecordFile, read_records
from trace_pipeline.modeling.storage.snapshots import KEPT, MOST, Snapshot, Snapshots
from trace_pipeline.validation import InvalidInputError


def snapshot(step: int) -> Snapshot:
    return Snapshot({"step": step}, {"weight": torch.full((64,), float(step))})


@pytest.fixture
def snapshots(tmp_path: Path) -> Snapshots:
    stored = Snapshots(tmp_path / "snapshots", "run-a")
    for step in (10, 20, 30):
        stored.save(step, snapshot(step))
    return stored


def test_the_newest_is_used_and_old_ones_are_dropped(snapshots: Snapshots) -> None:
    latest = snapshots.latest()
    assert latest is not None
    assert latest.counters == {"step": 30}
    assert torch.equal(latest.tensors["weight"], torch.full((64,), 30.0))
    assert len(list(snapshots.folder.iterdir())) == KEPT


@pytest.mark.parametrize("name", ["state.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["cut", "altered", "gone"])
def test_a_torn_snapshot_is_passed_over(
    snapshots: Snapshots, name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = snapshots.folder / "step-00000030" / name
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "altered":
        path.write_bytes(data[:-9] + b"#" + data[-8:])
    else:
        path.unlink()
    with caplog.at_level(logging.WARNING):
        latest = snapshots.latest()
    assert latest is not None
    assert latest.counters == {"step": 20}
    assert "step-00000030 is torn" in caplog.text


def test_a_run_with_other_settings_starts_anew(
    snapshots: Snapshots, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert Snapshots(snapshots.folder, "run-b").latest() is None
    assert "other settings; starting anew" in caplog.text


def test_nothing_stored(tmp_path: Path) -> None:
    assert Snapshots(tmp_path / "none", "run").latest() is None


class Clock:
    """Seconds that pass only when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.mark.parametrize("cost", [0.02, 0.5, 3.0])
@pytest.mark.parametrize("step", [0.1, 2.0, 60.0])
def test_saving_takes_no_more_than_its_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: float, cost: float
) -> None:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module, "BYTES_PER_SECOND", 256 / cost)
    written = weights.write_tensors

    def slow(*arguments: Any) -> None:
        written(*arguments)
        clock.now += cost

    monkeypatch.setattr(module, "write_tensors", slow)
    stored, saved = Snapshots(tmp_path / "snapshots", "run-a"), 0
    for number in range(1, 301):
        clock.now += step
        if stored.affordable(snapshot(number).tensors):
            stored.save(number, snapshot(number))
            saved += 1
            assert stored.share <= MOST
    # As often as the share allows, and no step is left out without need.
    assert saved >= min(300, int(MOST * clock.now / (cost + MOST * step)) - 1)


def test_a_first_snapshot_that_took_longer_than_thought_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    stored = Snapshots(tmp_path / "snapshots", "run-a")
    clock.now = 10.0
    assert stored.affordable(snapshot(1).tensors)
    monkeypatch.setattr(module, "write_json", lambda *_: setattr(clock, "now", clock.now + 1))
    stored.save(1, snapshot(1))
    clock.now = 78.0
    assert not stored.affordable(snapshot(2).tensors)
    clock.now = 79.5
    assert stored.affordable(snapshot(2).tensors)


def test_records_are_cut_back_to_the_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    records = RecordFile(path)
    records.append({"step": 1})
    size = records.sync()
    records.append({"step": 2})
    records.close()
    path.write_bytes(path.read_bytes() + b'{"step":')  # a kill in the middle of a line
    assert read_records(path) == [{"step": 1}, {"step": 2}]
    records = RecordFile(path, size)
    records.append({"step": 5})
    records.close()
    assert read_records(path) == [{"step": 1}, {"step": 5}]


def test_records_that_are_gone_are_not_made_up(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step":1}\n')
    with pytest.raises(InvalidInputError, match="9 of 20 bytes of the interrupted run's records"):
        RecordFile(path, 20)
    assert path.read_bytes() == b'{"step":1}\n'
