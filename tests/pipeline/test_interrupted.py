"""Runs that were killed do not go on for ever in the history, and living ones are left alone."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import dagster as dg
import pytest

from tests.pipeline.conftest import FinishedRun
from trace_pipeline.definitions import defs
from trace_pipeline.pipeline.interrupted import FOLDER, close_dead_runs, noted
from trace_pipeline.pipeline.running import PipelineError, run_pipeline

HERE = f"process 1 on {socket.gethostname()}\n"


@pytest.fixture
def instance(project: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as found:
        (Path(found.root_directory) / FOLDER).mkdir()
        yield found


def begun(instance: dg.DagsterInstance) -> str:
    run = dg.DagsterRun(job_name="full_pipeline", status=dg.DagsterRunStatus.STARTED)
    return str(instance.add_run(run).run_id)


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_a_run_whose_process_is_gone_is_marked_as_failed(instance: dg.DagsterInstance) -> None:
    run_id = begun(instance)
    with pytest.raises(KeyboardInterrupt), noted(instance, run_id):
        assert close_dead_runs(instance) == []  # it is at work
        assert status(instance, run_id) is dg.DagsterRunStatus.STARTED
        raise KeyboardInterrupt  # the lock is gone and the file is there, as after a kill
    assert close_dead_runs(instance) == [run_id]
    assert status(instance, run_id) is dg.DagsterRunStatus.FAILURE
    told = [entry.message for entry in instance.all_logs(run_id)]
    assert any(f"process {os.getpid()} on {socket.gethostname()} ended" in text for text in told)
    assert close_dead_runs(instance) == []


@pytest.mark.parametrize("holder", ["", "process 1 on elsewhere\n", HERE])
def test_a_run_that_may_be_alive_is_left_alone(
    instance: dg.DagsterInstance, holder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another host, about to begin, or, where this host's, on a disk without locks."""
    run_id = begun(instance)
    path = Path(instance.root_directory) / FOLDER / run_id
    path.write_text(holder)
    with monkeypatch.context() as patch:
        if holder == HERE:
            patch.setattr(fcntl, "flock", refuse)
        assert close_dead_runs(instance) == []
    assert status(instance, run_id) is dg.DagsterRunStatus.STARTED
    assert path.read_text() == holder


def test_who_looks_at_a_run_that_begins_does_not_stop_it(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock

    def held_for_a_moment(file: TextIO, how: int) -> None:
        if how & fcntl.LOCK_NB:
            raise BlockingIOError
        lock(file, how)  # whoever waits gets it

    monkeypatch.setattr(fcntl, "flock", held_for_a_moment)
    with noted(instance, "begins"):
        path = Path(instance.root_directory) / FOLDER / "begins"
        assert path.read_text() == f"process {os.getpid()} on {socket.gethostname()}\n"


def refuse(*_: object) -> None:
    raise OSError("no locks available")


def test_the_next_run_looks_for_those_before(instance: dg.DagsterInstance) -> None:
    run_id = begun(instance)
    (Path(instance.root_directory) / FOLDER / run_id).write_text(HERE)
    with pytest.raises(PipelineError, match="unknown asset"):
        run_pipeline("tiny", defs, 1, "nothing")  # refused before it is a run
    assert status(instance, run_id) is dg.DagsterRunStatus.STARTED
    run_pipeline("tiny", defs, 1, "gsm8k_problems")
    assert status(instance, run_id) is dg.DagsterRunStatus.FAILURE


def test_a_run_that_ended_by_itself_leaves_nothing(finished: FinishedRun) -> None:
    assert list((finished.folder / ".dagster" / FOLDER).iterdir()) == []
