"""A chain that did not come to its end goes on: nothing is trained or decoded twice."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.pipeline.conftest import FinishedRun
from trace_pipeline.cli import cli
from trace_pipeline.definitions import defs
from trace_pipeline.modeling.rl import reinforcement
from trace_pipeline.pipeline import judging, running
from trace_pipeline.pipeline.resources import bench_of
from trace_pipeline.pipeline.running import PipelineError, run_pipeline
from trace_pipeline.pipeline.unfinished import FILE, begin, end
from trace_pipeline.store import ArtifactStore


def broken(*_: object, **__: object) -> None:
    raise RuntimeError("unforeseen")


def test_a_chain_that_broke_goes_on_and_trains_nothing_twice(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRACE_PIPELINE_EXPERIMENT", "tiny")  # the run sets it; so it is reset
    store = bench_of("tiny").store
    with monkeypatch.context() as patch:
        patch.setattr(reinforcement, "train_rl", broken)
        with pytest.raises(PipelineError, match=r"unforeseen\nAfter mending it, .* trains nothing"):
            run_pipeline("tiny", defs, 1, "rl_checkpoint")
    first = store.read("tiny/sft_checkpoint")
    capfd.readouterr()

    with monkeypatch.context() as patch:
        patch.setattr(judging, "score", broken)
        with pytest.raises(PipelineError, match="synthetic_eval failed"):
            run_pipeline("tiny", defs, 1, "synthetic_eval")
    told = capfd.readouterr().err
    assert "tiny/sft_checkpoint: trained already, by a run that ended early; `--retrain`" in told
    assert "tiny/rl_checkpoint: trained already" not in told
    # The records hold times, so what was trained anew has others.
    second = store.read("tiny/sft_checkpoint")
    assert second.manifest.version == "0002"
    assert second.manifest.files == first.manifest.files
    reinforced = store.read("tiny/rl_checkpoint")

    run_pipeline("tiny", defs, 1, "synthetic_eval")
    told = capfd.readouterr().err
    assert "tiny/rl_checkpoint: trained already" in told
    assert re.search(r"rl on synthetic.*: (\d+) of \1 completions are done", told)
    assert store.read("tiny/rl_checkpoint").manifest.files == reinforced.manifest.files
    assert (project / "artifacts" / "tiny" / FILE).exists()  # more of it is to come
    assert not list((project / "artifacts").glob("**/.unfinished-*"))


def test_a_chain_that_reached_its_end_leaves_nothing_to_go_on_with(finished: FinishedRun) -> None:
    assert not (finished.folder / "artifacts" / "tiny" / FILE).exists()
    assert not list((finished.folder / "artifacts").glob("**/.unfinished-*"))


@pytest.mark.parametrize("options", [[], ["--retrain"]])
def test_a_person_may_have_all_trained_anew(
    project: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    told: list[bool] = []
    monkeypatch.setattr(running, "run_pipeline", lambda *_, retrain, **__: told.append(retrain))
    assert CliRunner().invoke(cli, ["run", "--experiment", "tiny", *options]).exit_code == 0
    assert told == [bool(options)]


def test_a_chain_began_with_the_first_that_did_not_reach_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, path = ArtifactStore(str(tmp_path)), tmp_path / "tiny" / FILE
    times = iter(["1", "2", "3", "4", "5"])
    monkeypatch.setattr("trace_pipeline.pipeline.unfinished.utc_now", lambda: next(times))
    assert [begin(store, "tiny", False) for _ in range(2)] == ["1", "1"]
    assert begin(store, "other", False) == "2"
    assert begin(store, "tiny", True) == "3"
    assert json.loads(path.read_text()) == {"began": "3"}
    path.write_bytes(b"\xff{")
    assert begin(store, "tiny", False) == "4"
    for _ in range(2):
        end(store, "tiny")
        assert not path.exists()
    assert begin(store, "tiny", False) == "5"


def test_an_evaluation_that_was_killed_goes_on(
    finished: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    from trace_pipeline.evaluation import real_benchmark
    from trace_pipeline.gsm8k import load_problems
    from trace_pipeline.modeling.training.samples import KeptCompletions
    from trace_pipeline.pipeline.policies import open_policy

    bench = finished.bench()
    policy = open_policy(bench, bench.require("rl_checkpoint"))
    benchmark = real_benchmark(load_problems("builtin", "test")).first(5)
    config = judging.decoding_config(bench)
    whole = judging.judge(bench, policy, benchmark, config, "rl")
    add = KeptCompletions.add

    def killed(self: KeptCompletions, *given: Any) -> None:
        if len(self) == 2:
            raise KeyboardInterrupt
        add(self, *given)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(KeptCompletions, "add", killed)
        judging.judge(bench, policy, benchmark, config, "rl", folder=tmp_path)
    with caplog.at_level(logging.INFO, "trace_pipeline"):
        found = judging.judge(bench, policy, benchmark, config, "rl", folder=tmp_path)
    assert "2 of 5 completions are done" in caplog.text
    assert [p.completion for p in found.predictions] == [p.completion for p in whole.predictions]


def test_ctrl_c_in_a_terminal_ends_with_a_sentence_alone(project: Path) -> None:
    """A terminal sends it to every process of the run, Dagster's helpers included."""
    run = subprocess.Popen(
        [sys.executable, "-m", "trace_pipeline.cli", "run", "--experiment", "tiny"],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    told = ""
    assert run.stderr is not None
    while " started" not in told:
        line = run.stderr.readline()
        assert line, told
        told += line
    time.sleep(2)  # the helpers begin to listen beside the step
    os.killpg(run.pid, signal.SIGINT)
    told += run.communicate(timeout=120)[1]
    assert run.returncode == 130
    assert re.search(r"Error: interrupted in \w+; `trace-pipeline run --experiment tiny` ", told)
    assert "KeyboardInterrupt" not in told
    assert 'File "' not in told
