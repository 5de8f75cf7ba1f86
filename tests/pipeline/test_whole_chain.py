"""The whole chain on a tiny model: what is there when it has ended."""

from __future__ import annotations

import re

import dagster as dg
import msgspec
import pytest
from mlflow import MlflowClient
from msgspec.structs import replace

from tests.pipeline.conftest import FinishedRun
from trace_pipeline.evaluation import Forgetting
from trace_pipeline.experiment import EXPERTS
from trace_pipeline.generation import read_examples
from trace_pipeline.modeling.base import devices
from trace_pipeline.modeling.storage import checkpoints
from trace_pipeline.pipeline.forgetting import before_training
from trace_pipeline.pipeline.journal import open_journals
from trace_pipeline.pipeline.judging import stored_evaluation
from trace_pipeline.pipeline.metadata import MLFLOW_SECONDS
from trace_pipeline.pipeline.policies import open_base
from trace_pipeline.pipeline.workbench import Workbench

ASSETS = (
    "schema_validation",
    "base_model",
    "gsm8k_problems",
    "gsm8k_train_traces",
    "gsm8k_coverage",
    "sft_checkpoint",
    "rl_checkpoint",
    "synthetic_eval",
    "gsm8k_eval",
)


def test_every_asset_is_stored_under_its_experiment(finished: FinishedRun) -> None:
    keys = finished.bench().store.keys("tiny")
    assert keys == sorted(
        [f"tiny/{name}" for name in ASSETS] + [f"tiny/synthetic_dataset/{e}" for e in EXPERTS]
    )


def test_manifests_name_settings_parents_and_versions(finished: FinishedRun) -> None:
    bench = finished.bench()
    rl = bench.store.manifest("tiny/rl_checkpoint")
    assert rl.parents["tiny/sft_checkpoint"] == bench.store.manifest("tiny/sft_checkpoint").sha256
    assert rl.config["rl"]["iterations"] == 2
    assert rl.seed == 0
    assert rl.libraries["torch"]


def test_partitions_have_the_sizes_of_the_mix(finished: FinishedRun) -> None:
    sizes = {
        expert: len(
            read_examples(
                finished.bench().require("synthetic_dataset", expert).path / "train.jsonl"
            )
        )
        for expert in EXPERTS
    }
    assert sizes == {
        "arithmetic": 12,
        "comparison": 6,
        "composition": 6,
        "entity_track": 8,
        "percentage": 4,
        "rate_equation": 4,
    }


def test_the_report_holds_trained_and_untuned_figures(finished: FinishedRun) -> None:
    folder = finished.bench().require("gsm8k_eval").path
    text = (folder / "report.md").read_text()
    assert "built-in sample" in text
    assert "GSM-8K" not in text
    assert (folder / "report.html").stat().st_size > 10_000
    assert stored_evaluation(folder).total == 8
    assert "How predictions fail" in text
    assert stored_evaluation(folder / "base").total == 4
    assert stored_evaluation(folder / "base_few_shot").total == 3
    assert "base, 2-shot" in text


def test_predictions_keep_diagnosis_reference_and_coverage(finished: FinishedRun) -> None:
    for asset in ("gsm8k_eval", "synthetic_eval"):
        predictions = stored_evaluation(finished.bench().require(asset).path).predictions
        wrong = [p for p in predictions if not p.correct]
        assert wrong
        assert all(p.diagnosis and p.explanation for p in wrong if p.kind != "wrong_answer")
        assert all(p.reference_trace for p in predictions if p.coverage)
    real = stored_evaluation(finished.bench().require("gsm8k_eval").path)
    assert {p.coverage for p in real.predictions} <= {"full", "structural", "partial", "none", None}
    assert any(p.coverage for p in real.predictions)


def test_what_training_cost_elsewhere_is_measured_once_for_the_base(
    finished: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = finished.bench()
    stored = bench.require("gsm8k_eval")
    found = msgspec.json.decode((stored.path / "forgetting.json").read_bytes(), type=Forgetting)
    assert found.chat is not None
    assert found.text.change == pytest.approx(
        stored.manifest.summary["forgetting.text_loss_change"]
    )
    assert found.text.change != 0
    (key,) = bench.store.keys("_forgetting")
    assert bench.store.manifest(key).summary["text"] == found.text.before
    assert "What training cost elsewhere" in (stored.path / "report.md").read_text()
    # Where auto means the same precision, nothing is measured anew.
    model = replace(bench.experiment.model, dtype="auto")
    other = replace(bench.experiment, model=model)
    again = Workbench(other, bench.root, bench.store, bench.tracking, bench.solver)
    monkeypatch.setattr(devices, "_cpu_flags", set)
    monkeypatch.setattr(checkpoints, "load_base_policy", None)
    assert before_training(again, open_base(again)).text == found.text.before


def test_synthetic_problems_have_a_report_of_their_own(finished: FinishedRun) -> None:
    folder = finished.bench().require("synthetic_eval").path
    text = (folder / "report.md").read_text()
    assert "# tiny" in text
    assert "rl on synthetic test" in text
    assert "Held-out synthetic problems" not in text  # the report is about them
    assert "figures/sft_checkpoint.png" in text
    assert str((folder / "report.html").resolve()) in finished.closing


def test_the_page_of_an_evaluation_is_linked_from_its_asset(finished: FinishedRun) -> None:
    with dg.DagsterInstance.get() as instance:
        for asset in ("gsm8k_eval", "synthetic_eval"):
            event = instance.get_latest_materialization_event(dg.AssetKey(asset))
            shown = event.asset_materialization.metadata["report"]
            assert shown == dg.MetadataValue.path(
                str(finished.bench().require(asset).path / "report.html")
            )


def test_the_closing_table_says_what_and_where(finished: FinishedRun) -> None:
    for part in (
        "synthetic test",
        "rate_equation",
        "untuned base",
        "few-shot",
        "report.html",
        "make mlflow",
    ):
        assert part in finished.closing


def test_the_closing_line_says_what_telling_mlflow_cost(finished: FinishedRun) -> None:
    found = re.search(r"; (\d+\.\d) s of them \((\d+\.\d) %\) went into", finished.closing)
    assert found is not None
    assert float(found[1]) > 0
    assert 0 < float(found[2]) < 100
    with dg.DagsterInstance.get() as instance:
        for asset in ("sft_checkpoint", "rl_checkpoint", "synthetic_eval", "gsm8k_eval"):
            event = instance.get_latest_materialization_event(dg.AssetKey(asset))
            spent = event.asset_materialization.metadata[MLFLOW_SECONDS]
            assert isinstance(spent, dg.FloatMetadataValue)
            assert (spent.value or 0) > 0


def test_dagster_remembers_the_run_and_its_checks(finished: FinishedRun) -> None:
    with dg.DagsterInstance.get() as instance:
        runs = instance.get_runs(dg.RunsFilter(tags={"experiment": "tiny"}))
        assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS]
        partitions = instance.get_materialized_partitions(dg.AssetKey("synthetic_dataset"))
        assert partitions == set(EXPERTS)
        events = instance.all_logs(runs[0].run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    checks = {e.get_dagster_event().asset_check_evaluation_data.check_name for e in events}
    assert checks == {
        "audit_clean",
        "gold_through_solver",
        "splits_disjoint",
        "no_test_question_left",
        "parts_disjoint",
        "every_line_usable",
        "no_test_question_in_training",
        "no_example_truncated",
        "loads_and_differs_from_parent",
        "not_trained_on_these_problems",
        "enough_problems",
        "reasoning_beyond_format",
    }


def test_mlflow_has_one_parent_with_parameters_figures_and_nested_stages(
    finished: FinishedRun,
) -> None:
    (journal,) = open_journals(finished.folder / "artifacts" / "tiny" / "tracking")
    assert journal.unsent(journal.sent()) == []
    client = MlflowClient(tracking_uri=f"sqlite:///{finished.folder}/mlruns/mlflow.db")
    parent = client.get_run(journal.sent().parent)
    assert parent.info.status == "FINISHED"
    assert parent.data.params["sft.trainable"] == "all"
    assert {
        "gsm8k.accuracy",
        "gsm8k.failure_parse_fail",
        "gsm8k_base.accuracy",
        "gsm8k_base_few_shot.accuracy",
        "synthetic.parsed",
        "forgetting.text_loss",
        "synthetic.failure_wrong_wiring",
    } <= set(parent.data.metrics)
    names = {client.get_run(run).info.run_name for run in journal.sent().runs.values()}
    assert names == {"sft", "rl", "synthetic_eval", "gsm8k_eval"}
    for name in ("gsm8k_eval", "synthetic_eval"):
        run = next(run for stage, run in journal.sent().runs.items() if stage.startswith(name))
        files = {f.path for f in client.list_artifacts(run, "report")}
        assert files == {"report/report.md", "report/report.html", "report/predictions.parquet"}


@pytest.mark.parametrize("stage", ["sft", "rl"])
def test_no_half_trained_folder_is_left(finished: FinishedRun, stage: str) -> None:
    folder = finished.folder / "artifacts" / "tiny" / f"{stage}_checkpoint"
    assert sorted(p.name for p in folder.iterdir()) == ["0001", "current.json"]
    assert msgspec.json.decode((folder / "current.json").read_bytes()) == {"version": "0001"}
