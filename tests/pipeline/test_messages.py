"""What a failed run says at its end: which step, why, and what to do."""

from __future__ import annotations

import errno
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from trace_pipeline.cli import cli
from trace_pipeline.definitions import defs
from trace_pipeline.experiment import EXPERTS
from trace_pipeline.pipeline import console
from trace_pipeline.pipeline.assets import problems
from trace_pipeline.pipeline.resources import bench_of
from trace_pipeline.pipeline.running import PipelineError, _how_to_go_on, failures, run_pipeline
from trace_pipeline.pipeline.workbench import MissingUpstreamError
from trace_pipeline.store import ArtifactError, MissingArtifactError
from trace_pipeline.validation import InvalidInputError

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/disk/model.safetensors")


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def failed(*errors: Exception) -> dg.ExecuteInProcessResult:
    """A run of which a step fails with each of the ``errors``."""

    def asset(number: int, error: Exception) -> dg.AssetsDefinition:
        @dg.asset(name=f"step_{number}")
        def fail() -> None:
            raise error

        return fail

    assets = [asset(number, error) for number, error in enumerate(errors)]
    return dg.materialize(assets, raise_on_error=False)


PLAIN: list[tuple[Exception, str]] = [
    (InvalidInputError("x.yaml: $.a: expected 1\nor 2"), "x.yaml: $.a: expected 1\nor 2"),
    (MissingUpstreamError("never made: make it"), "never made: make it"),
    (ArtifactError("x: altered; make it anew"), "x: altered; make it anew"),
    (MissingArtifactError("nothing is stored"), "nothing is stored"),
    (caused(ArtifactError("no room"), OSError(28, "full")), "no room"),
    (dg.Failure("test questions would be trained on: 2"), "test questions would be trained on: 2"),
    (FULL, "[Errno 28] No space left on device: '/disk/model.safetensors'"),
    (RuntimeError("I/O error: No space left (os error 28)"), "I/O error: No space left (os err"),
]


@pytest.mark.parametrize(("error", "message"), PLAIN)
def test_an_error_that_says_all_is_told_whole_and_without_its_stack(
    error: Exception, message: str
) -> None:
    result = failed(error)
    assert failures(result).startswith(f"step_0 failed: {message}")
    (event,) = [event for event in result.all_events if event.is_step_failure]
    assert f"step_0 failed: {console.root_error(event)}" == failures(result)
    assert 'File "' not in failures(result)


def test_of_an_unforeseen_error_the_end_tells_the_first_line_and_the_log_the_stack() -> None:
    result = failed(caused(ValueError("outer"), RuntimeError("first line\nsecond line")))
    assert failures(result) == "step_0 failed: RuntimeError: first line"
    (event,) = [event for event in result.all_events if event.is_step_failure]
    assert "second line" in console.root_error(event)
    caught = failed(ValueError("[Errno 2] No such file"))
    (event,) = [event for event in caught.all_events if event.is_step_failure]
    assert 'File "' in console.root_error(event)


def test_every_step_that_failed_has_its_line() -> None:
    told = failures(failed(InvalidInputError("one"), KeyError("two")))
    assert sorted(told.splitlines()) == ["step_0 failed: one", "step_1 failed: KeyError: 'two'"]


def test_a_blocking_check_that_failed_is_named() -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("clean", asset="data", blocking=True)])
    def data() -> dg.MaterializeResult:
        found = dg.AssetCheckResult(passed=False, check_name="clean")
        return dg.MaterializeResult(check_results=[found])

    told = failures(dg.materialize([data], raise_on_error=False))
    assert told.startswith("data failed: 1 blocking asset check failed")
    assert told.endswith("data: clean")


def test_a_run_that_failed_before_any_step_tells_why() -> None:
    @dg.resource
    def broken() -> None:
        raise InvalidInputError("TRACE_PIPELINE_X: no")

    @dg.asset(required_resource_keys={"broken"})
    def data() -> None: ...

    result = dg.materialize([data], resources={"broken": broken}, raise_on_error=False)
    assert failures(result) == "the run failed: TRACE_PIPELINE_X: no"


def test_errors_with_a_message_for_the_reader_are_shown_without_stack() -> None:
    known = [InvalidInputError, ArtifactError]
    for kind in known:
        known += kind.__subclasses__()
    named = {kind.__name__ for kind in known if not issubclass(kind, PipelineError)}
    assert named <= set(console._PLAIN_ERRORS)


def test_a_run_ends_with_the_cause(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACE_PIPELINE_EXPERIMENT", "tiny")  # the run sets it; so it is reset
    (project / "artifacts").write_text("a file where a folder should be")
    with pytest.raises(PipelineError) as ended:
        run_pipeline("tiny", defs, 1, "gsm8k_problems")
    assert str(ended.value) == (
        f"gsm8k_problems failed: {project}/artifacts: artifacts cannot be stored here, not a "
        "directory; mend that or set TRACE_PIPELINE_ARTIFACTS to another folder\n"
        "After mending it, `trace-pipeline run --experiment tiny` goes on; what has passed "
        "its checks is not trained again with the same settings on the same data"
    )


def test_a_run_that_broke_ends_with_the_name_of_the_error(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("unforeseen\nand long")

    monkeypatch.setenv("TRACE_PIPELINE_EXPERIMENT", "tiny")
    monkeypatch.setattr(problems, "open_workbench", broken)
    with pytest.raises(PipelineError) as ended:
        run_pipeline("tiny", defs, 1, "gsm8k_problems")
    assert str(ended.value).startswith("gsm8k_problems failed: RuntimeError: unforeseen\nAfter")


def test_a_run_that_was_stopped_says_how_to_go_on(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)

    monkeypatch.setenv("TRACE_PIPELINE_EXPERIMENT", "tiny")
    monkeypatch.setattr(problems, "open_workbench", stopped)
    arguments = ["run", "--experiment", "tiny", "--processes", "2", "--until", "gsm8k_problems"]
    ended = CliRunner().invoke(cli, arguments)
    assert ended.exit_code == 130
    assert ended.stderr.endswith(
        "Error: interrupted in gsm8k_problems; `trace-pipeline run --experiment tiny --processes 2 "
        "--until gsm8k_problems` goes on; what is trained and decoded is not done again\n"
    )
    assert 'File "' not in ended.stderr + capfd.readouterr().err


@pytest.mark.parametrize(
    ("step", "advice"),
    [
        ("sft_checkpoint", "`again` goes on from the last snapshot, if there is one"),
        ("rl_checkpoint", "`again` goes on from the last snapshot, if there is one"),
        ("gsm8k_eval", "`again` goes on; what is trained and decoded is not done again"),
    ],
)
def test_where_a_stopped_run_goes_on(step: str, advice: str) -> None:
    @dg.asset(name=step)
    def stopped() -> None:
        raise KeyboardInterrupt

    result = dg.materialize([stopped], raise_on_error=False)
    assert _how_to_go_on(result, "again") == f"interrupted in {step}; {advice}"


def test_the_command_for_missing_partitions_makes_all_of_them(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACE_PIPELINE_EXPERIMENT", "")
    with pytest.raises(MissingUpstreamError) as missing:
        bench_of("tiny").partitions()
    command = str(missing.value).splitlines()[1].strip()
    setting, program, *arguments = shlex.split(command)
    assert (setting, program) == ("TRACE_PIPELINE_EXPERIMENT=tiny", "dagster")
    name, _, value = setting.partition("=")
    done = subprocess.run(
        [sys.executable, "-m", "trace_pipeline.dagster_cli", *arguments],
        env={**os.environ, name: value},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert len(bench_of("tiny").partitions()) == len(EXPERTS)
