"""Published outputs in MLflow, beside the pipeline's runs."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from msgspec.structs import replace

from trace_pipeline.cli import cli
from trace_pipeline.evaluation import (
    Answering,
    Header,
    Output,
    publish_completions,
    read_outputs,
    real_benchmark,
    score,
    write_evaluation,
)
from trace_pipeline.evaluation.outputs import rescore as judge_anew
from trace_pipeline.gsm8k import load_problems
from trace_pipeline.pipeline.judging import PREDICTIONS
from trace_pipeline.pipeline.publishing import publish_outputs
from trace_pipeline.solver import Solver

ANSWER = (
    "expert: arithmetic\ntrace:\n- {op: init, var: a, value: 9}\n- {op: init, var: b, value: 2}\n"
)
ANSWER += "- {op: compute, compute_op: mul, args: [a, b], var: c}\n- {op: query, var: c}\n"


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two samples of each built-in problem; the tracking database is in the same folder."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("TRACE_PIPELINE_ARTIFACTS", str(tmp_path / "artifacts"))
    benchmark = real_benchmark(load_problems("builtin", "test"))
    answers = [
        {"question": item.question, "text": ANSWER, "tokens": 40, "clipped": False}
        for item in benchmark.items
        for _ in range(2)
    ]
    completions = tmp_path / "completions.jsonl"
    completions.write_text("\n".join(map(json.dumps, answers)) + "\n")
    header = Header(
        model="gsm8k_real, sft",
        benchmark="",
        problems=0,
        fingerprint="",
        checkpoint="0" * 64,
        revision="r",
    )
    target = tmp_path / "outputs.jsonl.gz"
    publish_completions(target, completions, benchmark, Solver(), header)
    return target


def rescore(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["rescore", "--gsm8k", "builtin", "--mlflow", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_each_way_to_answer_is_a_run_with_settings_figures_and_the_file(
    outputs: Path, tmp_path: Path
) -> None:
    printed = rescore(str(outputs), "--answer", "first", "--answer", "majority")
    assert "2 runs are in MLflow" in printed
    runs = published(tmp_path)
    assert set(runs) == {
        "gsm8k_real, sft, first of 2 (published)",
        "gsm8k_real, sft, majority@2 (published)",
    }
    run = runs["gsm8k_real, sft, first of 2 (published)"]
    assert run.info.status == "FINISHED"
    judged = judge_anew(outputs, real_benchmark(load_problems("builtin", "test")), Solver())
    assert run.data.metrics["gsm8k.problems"] == judged.total
    assert run.data.metrics["gsm8k.correct"] == judged.correct.count
    assert run.data.metrics["gsm8k.valid"] == 1
    assert run.data.tags["preset.sft.epochs"] == "3"
    assert run.data.tags["dataset_hash"] == "unpublished"
    assert run.data.tags["source"] == "outputs.jsonl.gz"


def test_a_second_time_adds_nothing(outputs: Path, tmp_path: Path) -> None:
    rescore(str(outputs))
    before = {run.info.run_id for run in published(tmp_path).values()}
    rescore(str(outputs))
    assert {run.info.run_id for run in published(tmp_path).values()} == before


def test_a_server_that_is_down_is_said_and_made_up_for(
    outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    done = CliRunner().invoke(cli, ["rescore", "--gsm8k", "builtin", "--mlflow", str(outputs)])
    assert done.exit_code == 1
    assert "did not take 1 of the 1 runs" in done.output
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    assert CliRunner().invoke(cli, ["sync"]).exit_code == 0  # what the message says to do
    assert len(published(tmp_path)) == 1


@pytest.mark.parametrize(
    ("answering", "model"), [("first", "x, rl, first of 2"), ("plausible", "x, rl, plausible@2")]
)
@pytest.mark.parametrize("earlier", [False, True])
def test_what_a_vote_chose_is_not_published_as_a_greedy_trace(
    tmp_path: Path, answering: Answering, model: str, earlier: bool
) -> None:
    """What was stored by earlier versions does not say of itself how it was chosen."""
    benchmark = real_benchmark(load_problems("builtin", "test")).first(3)
    written = [Output(index=0, text=text, tokens=1) for text in ("no", ANSWER)] * 3
    judged = score(benchmark, written, Solver(), "rl", 2, answering)
    judged = replace(judged, model="rl") if earlier else judged
    write_evaluation(tmp_path / PREDICTIONS, judged)
    config = {"eval": {"answer": answering}}
    manifest = SimpleNamespace(config=config, parents={"x/rl_checkpoint": "0" * 64})
    bench = SimpleNamespace(
        experiment=SimpleNamespace(name="x"),
        require=lambda _: SimpleNamespace(path=tmp_path, manifest=manifest),
        key=lambda asset: f"x/{asset}",
    )
    publish_outputs(bench, tmp_path / "o.gz")
    assert read_outputs(tmp_path / "o.gz")[0].model == model


def published(folder: Path) -> dict:
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'trace_pipeline'")
    runs = client.search_runs([experiment.experiment_id], "tags.stage = 'published'")
    return {run.info.run_name: run for run in runs}
