"""A chain that did not come to its end goes on."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from tests.pipeline.conftest import FinishedRun
from trace_pipeline.cli import cli
from trace_pipeline.definitions import defs
from trace_pipeline.evaluation import real_benchmark
from trace_pipeline.experiment import load_experiment
from trace_pipeline.gsm8k import load_problems
from trace_pipeline.modeling.base import devices
from trace_pipeline.modeling.rl import reinforcement
from trace_pipeline.modeling.training.samples import KeptCompletions
from trace_pipeline.pipeline import judging, running
from trace_pipeline.pipeline.locking import alone, in_turn
from trace_pipeline.pipeline.policies import open_policy
from trace_pipeline.pipeline.resources import bench_of
from trace_pipeline.pipeline.running import PipelineError, run_pipeline
from trace_pipeline.pipeline.unfinished import FILE, began, begin, end
from trace_pipeline.solver import Solver
from trace_pipeline.store import ArtifactStore
from trace_pipeline.validation import InvalidInputError


def broken(*_: object, **__: object) -> None:
    raise RuntimeError("unforeseen")


def test_a_chain_that_broke_goes_on_and_trains_nothing_twice(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRACE_PIPELINE_EXPERIMENT", "tiny")  # the run sets it; so it is reset
    store = bench_of("tiny").store
    with monkeypatch.context() as patch:
        patch.setattr(reinforcement, "train_rl", broken)
        with pytest.raises(PipelineError, match=r"unforeseen\nAfter mending it, .* goes on"):
            run_pipeline("tiny", defs, 1, "rl_checkpoint")
    first = store.read("tiny/sft_checkpoint")
    capfd.readouterr()

    with monkeypatch.context() as patch:
        patch.setattr(judging, "score", broken)
        with pytest.raises(PipelineError, match="synthetic_eval failed"):
            run_pipeline("tiny", defs, 1, "synthetic_eval")
    told = capfd.readouterr().err
    assert "tiny/sft_checkpoint: trained already, at 20" in told
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
    # More of the chain is to come, which keeps what was decoded till then.
    assert (project / "artifacts" / "tiny" / FILE).exists()
    left = [path.parent.name for path in (project / "artifacts").glob("**/.unfinished-*")]
    assert left == ["synthetic_eval"]


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


def test_a_chain_goes_on_until_one_reaches_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, path = ArtifactStore(str(tmp_path)), tmp_path / "tiny" / FILE
    times = iter(["1", "2", "3", "4", "5"])
    monkeypatch.setattr("trace_pipeline.pipeline.unfinished.utc_now", lambda: next(times))

    def begun(experiment: str = "tiny", retrain: bool = False) -> str:
        begin(store, experiment, retrain)
        return began(store, experiment)

    assert began(store, "tiny") == ""
    assert [begun(), begun()] == ["1", "1"]
    assert begun("other") == "2"
    path.write_bytes(b"\xff{")
    assert [began(store, "tiny"), begun()] == ["", "3"]
    left = [store.workspace(f"tiny/{asset}", {}) for asset in ("rl_checkpoint", "gsm8k_eval")]
    stored = store.local_folder("tiny/gsm8k_eval/0001")
    assert begun() == "3"
    assert [folder.is_dir() for folder in left] == [True, True]
    for _ in range(2):
        end(store, "tiny")  # of training that a person began by itself it knows nothing
        assert [folder.is_dir() for folder in left] == [True, False]
        assert began(store, "tiny") == ""
    assert begun() == "4"
    assert begun(retrain=True) == "5"
    assert [folder.is_dir() for folder in left] == [False, False]
    assert stored.is_dir()


def test_what_another_process_is_at_work_on_is_not_discarded(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    folder = store.workspace("tiny/sft_checkpoint", {})
    lock = tmp_path / "tiny" / "locks" / "sft_checkpoint"
    with alone(lock, "it"), pytest.raises(InvalidInputError, match="tiny/sft_checkpoint is being"):
        begin(store, "tiny", True)
    assert folder.is_dir()


def test_what_cannot_be_discarded_is_told_and_holds_up_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtifactStore(str(tmp_path))
    begin(store, "tiny", False)
    folder = store.workspace("tiny/gsm8k_eval", {})

    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", refused)
        with pytest.raises(InvalidInputError) as told:
            begin(store, "tiny", True)
        assert str(told.value) == f"{folder}: cannot be removed, permission denied"
        end(store, "tiny")
    assert began(store, "tiny") == ""
    assert folder.is_dir()


def test_a_run_that_trains_nothing_is_no_chain(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACE_PIPELINE_EXPERIMENT", "tiny")
    run_pipeline("tiny", defs, 1, "gsm8k_problems")
    assert not (project / "artifacts" / "tiny" / FILE).exists()


def test_whoever_waits_for_another_process_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lock = fcntl.flock

    def held_for_a_moment(file: Any, how: int) -> None:
        if how & fcntl.LOCK_NB:
            raise BlockingIOError
        lock(file, how)

    with caplog.at_level(logging.INFO, "trace_pipeline"):
        with in_turn(tmp_path / "free", "what is free"):
            pass
        assert not caplog.text
        monkeypatch.setattr(fcntl, "flock", held_for_a_moment)
        with in_turn(tmp_path / "held", "what is held"):
            assert "waiting for another process, which makes what is held" in caplog.text


CHANGES = {
    "weights": "",
    "problems": "",
    "rules": "",
    "precision": "model: {dtype: bfloat16}",
    "seed": "seed: 1",
    "length": "decoding: {max_tokens: 20}",
    "constraint": "decoding: {max_tokens: 1000, constrained: true}",
    "samples": "decoding: {max_tokens: 1000, samples: 2, temperature: 1.0}",
    "prompt": "prompt: {system: one_line}",
}


def test_an_evaluation_of_anything_else_begins_anew(
    finished: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = real_benchmark(load_problems("builtin", "test"))
    asked: list[Path] = []

    def place(change: str = "") -> Path:
        bench = finished.bench()
        bench.store = ArtifactStore(str(tmp_path))
        if CHANGES.get(change):
            text = f"inherits: tiny\ndescription: Other.\n{CHANGES[change]}\n"
            file = tmp_path / "experiments" / "tiny2.yaml"
            file.write_text(text)
            bench.experiment = replace(load_experiment("tiny2", file.parent), name="tiny")
        bench.solver = Solver(allow_short_circuit=change == "rules")
        checkpoint = finished.bench().require(
            "sft_checkpoint" if change == "weights" else "base_model"
        )
        problems = benchmark.first(5 if change == "problems" else 6)
        with judging.unfinished(bench, "gsm8k_eval", checkpoint, problems) as folder:
            assert folder.is_dir()
        asked.append(folder)
        return folder

    shutil.copytree(finished.folder / "experiments", tmp_path / "experiments")
    assert place() == place()
    assert not asked[0].exists()
    for change in CHANGES:
        place(change)
    for meant in ("float32", "bfloat16"):  # the same setting means either, by the device
        monkeypatch.setattr(devices, "precision", lambda _, meant=meant: meant)
        place("precision")
    assert len({*asked}) == len(CHANGES) + 2  # one of them as named before


def test_a_chain_keeps_what_it_decoded_for_itself_alone(
    finished: FinishedRun, tmp_path: Path
) -> None:
    bench, benchmark = finished.bench(), real_benchmark(load_problems("builtin", "test"))
    checkpoint = bench.require("rl_checkpoint")
    bench.store, bench.goes_on = ArtifactStore(str(tmp_path)), True

    def place() -> Path:
        with judging.unfinished(bench, "gsm8k_eval", checkpoint, benchmark) as folder:
            return folder

    begin(bench.store, "tiny", False)
    of_chain = place()
    assert place() == of_chain
    assert of_chain.is_dir()
    bench.goes_on = False  # a person selects the asset meanwhile
    assert place() != of_chain
    end(bench.store, "tiny")
    bench.goes_on = True  # the configuration of the chain, executed again from the UI
    assert place() != of_chain
    assert not list(tmp_path.glob("tiny/gsm8k_eval/.unfinished-*"))


def test_an_evaluation_that_was_killed_goes_on(
    finished: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
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
