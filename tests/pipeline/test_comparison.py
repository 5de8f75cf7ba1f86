"""Comparison of finished experiments, the notebook's runs in MLflow, results collected."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient
from msgspec.structs import replace

from tests.pipeline.conftest import FinishedRun
from trace_pipeline.cli import cli
from trace_pipeline.evaluation.reference import load_reference
from trace_pipeline.gsm8k import load_problems
from trace_pipeline.pipeline import collecting
from trace_pipeline.pipeline.collecting import asks_other_problems, collect
from trace_pipeline.pipeline.comparing import choose
from trace_pipeline.pipeline.reference import publish_reference
from trace_pipeline.pipeline.resources import ArtifactsResource, TrackingResource, bench_of
from trace_pipeline.pipeline.tracking import Tracking
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.validation import InvalidInputError

PRESETS = Path(__file__).parents[2] / "experiments"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tracking]:
    """A server with the notebook's last three runs."""
    folder = tmp_path_factory.mktemp("published")
    tracking = Tracking(f"sqlite:///{folder / 'mlflow.db'}", folder)
    assert publish(folder, tracking) == (3, 0)
    return folder, tracking


def publish(folder: Path, tracking: Tracking) -> tuple[int, int]:
    reference = load_reference()
    last = replace(reference, runs=reference.runs[-3:])
    return publish_reference(last, folder / "tracking", PRESETS, tracking)


def notebook_runs(tracking: Tracking) -> list:
    client = MlflowClient(tracking_uri=tracking.uri)
    (experiment,) = client.search_experiments(filter_string="name = 'trace_pipeline'")
    return client.search_runs([experiment.experiment_id], "tags.source = 'notebook'")


def test_published_runs_carry_figures_settings_and_source(published) -> None:
    runs = {found.info.run_name: found for found in notebook_runs(published[1])}
    assert len(runs) == 3
    best = runs["run_23 (notebook)"]
    assert best.info.status == "FINISHED"
    assert best.data.metrics["gsm8k.correct"] == 8
    assert best.data.params["model.reference"] == "meta-llama/Llama-3.2-3B-Instruct"
    assert best.data.params["sft.layers"] == "6"
    assert best.data.tags["experiment"] == "run_23"
    assert best.data.tags["stage"] == "reference"
    client = MlflowClient(tracking_uri=published[1].uri)
    assert [f.path for f in client.list_artifacts(best.info.run_id)] == ["published.json"]


def test_publishing_again_adds_nothing(published) -> None:
    folder, tracking = published
    before = {found.info.run_id for found in notebook_runs(tracking)}
    assert publish(folder, tracking) == (3, 0)
    assert {found.info.run_id for found in notebook_runs(tracking)} == before


def test_what_was_deleted_from_the_server_is_made_again(published) -> None:
    folder, tracking = published
    gone = notebook_runs(tracking)[0]
    MlflowClient(tracking_uri=tracking.uri).delete_run(gone.info.run_id)
    publish(folder, tracking)
    again = [r for r in notebook_runs(tracking) if r.info.run_name == gone.info.run_name]
    assert [r.data.metrics for r in again] == [gone.data.metrics]


def test_the_whole_chain_ends_with_the_comparison(finished: FinishedRun) -> None:
    stored = finished.bench().store.read("_shared/run_comparison")
    text = (stored.path / "comparison.md").read_text()
    assert "| tiny |" in text
    assert "| notebook:run_18 |" in text


def test_compare_prints_the_table_of_all(finished: FinishedRun) -> None:
    result = run("compare")
    assert result.exit_code == 0, result.output
    for part in ("1 finished experiments, 25 published runs", "tiny", "notebook:run_25"):
        assert part in result.output


@pytest.fixture
def twin(finished: FinishedRun) -> Iterator[str]:
    """Another experiment, whose results are those of ``tiny``."""
    experiment = finished.folder / "experiments" / "twin.yaml"
    experiment.write_text("inherits: tiny\ndescription: The same again.\n")
    source, target = (finished.folder / "artifacts" / name for name in ("tiny", "twin"))
    shutil.copytree(source, target)
    for path in target.rglob("manifest.json"):
        path.write_text(path.read_text().replace("tiny/", "twin/"))
    yield "twin"
    experiment.unlink()
    shutil.rmtree(target)


def test_two_runs_are_compared_problem_by_problem(
    finished: FinishedRun, twin: str, tmp_path: Path
) -> None:
    out = tmp_path / "comparison.md"
    result = run("compare", "tiny", twin, "--out", str(out))
    assert result.exit_code == 0, result.output
    text = out.read_text()
    assert "## twin against tiny" in text
    assert "On the same 12 problems twin solves" in text
    assert "On the same 8 problems twin solves" in text


def test_every_run_is_compared_with_what_it_inherits_from(finished: FinishedRun, twin: str) -> None:
    assert "twin against tiny" in run("compare").output


def test_an_evaluation_that_failed_a_blocking_check_is_no_figure(
    finished: FinishedRun, twin: str, tmp_path: Path
) -> None:
    folder = bench_of(twin).require("gsm8k_eval").path
    red = folder / "manifest.json"
    red.write_text(red.read_text().replace('"failed": []', '"failed": ["not_trained"]'))
    named = run("compare", "tiny", twin)
    assert named.exit_code == 1
    assert (
        "not compared: twin/gsm8k_eval, which failed not_trained; make it anew with\n"
        "  trace-pipeline run --experiment twin"
    ) in named.output
    everything = run("compare")
    assert everything.exit_code == 0, everything.output
    assert "Left out: twin/gsm8k_eval, which failed not_trained." in everything.output
    assert "On the same 8 problems" not in everything.output
    assert collect(ArtifactsResource().store(), [twin]) == []
    for command, *arguments in (
        ["report"],
        ["export", str(tmp_path / "model")],
        ["outputs", str(tmp_path / "outputs.jsonl.gz")],
    ):
        refused = run(command, *arguments, "--experiment", twin)
        assert refused.exit_code == 1
        assert "twin/gsm8k_eval failed not_trained, so nothing is made from it" in refused.output
    assert list(tmp_path.iterdir()) == []
    # Of another model than the one in force it says nothing.
    weights = bench_of(twin).require("rl_checkpoint").sha256
    red.write_text(red.read_text().replace(weights, "0" * 64))
    exported = run("export", str(tmp_path / "model"), "--experiment", twin)
    assert "without a card: this checkpoint was not evaluated yet" in exported.output


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tinny", "unknown run or experiment 'tinny'; did you mean 'tiny'?"),
        ("notebook:run_81", "unknown run of the notebook 'notebook:run_81'; did you mean"),
        ("later", "trace-pipeline run --experiment later"),
    ],
)
def test_what_is_missing_is_named(finished: FinishedRun, name: str, message: str) -> None:
    later = finished.folder / "experiments" / "later.yaml"
    later.write_text("inherits: tiny\ndescription: Not run yet.\n")
    try:
        result = run("compare", "tiny", name)
    finally:
        later.unlink()
    assert result.exit_code == 1
    assert message in result.output


def test_a_missing_mlflow_run_is_named_with_the_command(
    finished: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, tracking = ArtifactsResource().store(), TrackingResource().tracking()
    (ours,) = choose(store, tracking, ["tiny"]).runs
    assert len(ours.tracked) == 8
    monkeypatch.setattr(Tracking, "missing", lambda self, runs: list(runs))
    (ours,) = choose(store, tracking, ["tiny"]).runs
    assert ours.tracked == "missing; trace-pipeline sync"


def test_results_are_collected_from_finished_experiments(finished: FinishedRun) -> None:
    bench = finished.bench()
    (result,) = collect(bench.store, ["nowhere", "tiny"])
    assert len(result.evaluations["synthetic"].correct) == 12
    assert len(result.evaluations["gsm8k_base"].correct) == 4
    assert result.settings["sft.trainable"] == "all"
    assert [r.rollouts for r in result.rollouts] == [2, 2]
    assert not asks_other_problems(bench, result)
    reseeded = Workbench(
        replace(bench.experiment, seed=1), bench.root, bench.store, bench.tracking, bench.solver
    )
    assert asks_other_problems(reseeded, result)


def test_the_builtin_sample_is_left_once_gsm8k_is_at_hand(
    finished: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = finished.bench()
    (result,) = collect(bench.store, ["tiny"])
    sample = load_problems("builtin", "test")
    for real, others, expected in ((True, 10, True), (True, 0, False), (False, 10, False)):
        there = replace(sample, problems=sample.problems[others:], is_gsm8k=real)
        monkeypatch.setattr(collecting, "load_problems", lambda *_, there=there: there)
        assert asks_other_problems(bench, result) is expected


def test_an_unsent_run_is_named(finished: FinishedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trace_pipeline.pipeline.comparing.open_journals", lambda folder: [])
    store, tracking = ArtifactsResource().store(), TrackingResource().tracking()
    assert choose(store, tracking, ["tiny"]).runs[0].tracked == "not sent; trace-pipeline sync"


def test_claims_are_written_into_the_project(finished: FinishedRun) -> None:
    result = run("claims", "--collect")
    assert result.exit_code == 0, result.output
    assert "0 of 10 claims measured" in result.output
    assert "# Claims" in (finished.folder / "docs" / "claims.md").read_text()


def test_an_unknown_choice_is_an_error_for_a_person(finished: FinishedRun) -> None:
    with pytest.raises(InvalidInputError, match="unknown run"):
        choose(ArtifactsResource().store(), TrackingResource().tracking(), ["x"])
