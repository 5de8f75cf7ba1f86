"""What must stop a run stops it: each check is shown a defect and finds it."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest
from msgspec.structs import replace
from safetensors.torch import load_file, save_file

from tests.pipeline.conftest import FinishedRun
from trace_pipeline.definitions import defs
from trace_pipeline.experiment import EXPERTS, ExperimentError
from trace_pipeline.generation import Example, write_examples
from trace_pipeline.gsm8k import read_problem_set, write_problem_set
from trace_pipeline.gsm8k.coverage import ShapeCatalogue
from trace_pipeline.modeling.storage.checkpoints import WEIGHTS
from trace_pipeline.pipeline.assets import data as data_assets
from trace_pipeline.pipeline.assets import evaluation as evaluation_assets
from trace_pipeline.pipeline.assets import traces as trace_assets
from trace_pipeline.pipeline.assets.data import (
    audit_for,
    failures_through_solver,
    generate_partition,
    shared_questions,
    store_partition,
)
from trace_pipeline.pipeline.assets.evaluation import overlapping_examples
from trace_pipeline.pipeline.assets.models import _compared
from trace_pipeline.pipeline.blocking import failed
from trace_pipeline.pipeline.journal import StageLog
from trace_pipeline.pipeline.judging import stored_evaluation
from trace_pipeline.pipeline.policies import open_base, training_data
from trace_pipeline.pipeline.resources import bench_of, default_resources
from trace_pipeline.pipeline.running import failures
from trace_pipeline.pipeline.tracking import Tracking
from trace_pipeline.pipeline.workbench import MissingUpstreamError, Workbench
from trace_pipeline.store import ArtifactError


def materialise(selection: str, **options: object) -> dg.ExecuteInProcessResult:
    chosen = list(defs.resolve_asset_graph().get_all_asset_keys())
    assets = [defs.get_assets_def(key) for key in chosen]
    return dg.materialize(
        assets,
        selection=selection,
        resources=default_resources(),
        raise_on_error=False,
        **options,  # type: ignore[arg-type]
    )


def partition(bench: Workbench, expert: str = "percentage") -> dict[str, list[Example]]:
    return generate_partition(bench, expert)


def test_a_label_that_its_trace_does_not_give_is_found(finished: FinishedRun) -> None:
    bench = finished.bench()
    splits = partition(bench)
    assert failures_through_solver(bench.solver, {"percentage": splits}) == []
    splits["train"][0] = replace(splits["train"][0], answer=splits["train"][0].answer + 1)
    assert len(failures_through_solver(bench.solver, {"percentage": splits})) == 1


def test_a_trace_of_another_expert_is_found(finished: FinishedRun) -> None:
    bench = finished.bench()
    splits = partition(bench)
    splits["test"][0] = replace(splits["test"][0], expert="arithmetic")
    assert len(failures_through_solver(bench.solver, {"percentage": splits})) == 1


def test_a_question_in_two_splits_is_found(finished: FinishedRun) -> None:
    splits = partition(finished.bench())
    assert shared_questions({"percentage": splits}) == []
    splits["test"].append(splits["train"][0])
    assert shared_questions({"percentage": splits}) == [splits["train"][0].question]


@pytest.mark.parametrize(
    ("module", "finder", "asset", "options", "key", "check"),
    [
        (
            data_assets,
            "failures_through_solver",
            "synthetic_dataset",
            {"partition_key": "percentage"},
            "tiny/synthetic_dataset/percentage",
            "gold_through_solver",
        ),
        (
            trace_assets,
            "wrong_traces",
            "+gsm8k_train_traces",
            {},
            "tiny/gsm8k_train_traces",
            "gold_through_solver",
        ),
    ],
)
def test_a_failing_check_stops_everything_downstream(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    finder: str,
    asset: str,
    options: dict[str, object],
    key: str,
    check: str,
) -> None:
    """In the same run and in later ones, until it was made anew."""
    monkeypatch.setenv("TRACE_PIPELINE_EXPERIMENT", "tiny")
    bench = bench_of("tiny")
    required = key.removeprefix("tiny/").split("/")
    with monkeypatch.context() as patch:
        patch.setattr(module, finder, lambda *_: ["planted"])
        result = materialise(asset, **options)
        assert not result.success
        evaluations = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
        assert [name for name, passed in evaluations.items() if not passed] == [check]
    red = bench.store.read(key)
    with pytest.raises(MissingUpstreamError) as refused:
        bench.require(*required)
    assert str(refused.value).startswith(
        f"{key} failed {check}, so nothing is made from it; it is in {red.path}. Mend what the "
        "check names, and make it anew with\n  TRACE_PIPELINE_EXPERIMENT=tiny dagster asset "
        f"materialize --select {required[0]}"
    )
    assert materialise(asset, **options).success
    assert bench.require(*required).manifest.failed == []


def test_schemas_that_were_audited_and_did_not_pass_make_no_data(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACE_PIPELINE_EXPERIMENT", "tiny")
    bench = bench_of("tiny")
    bench.refuse_failed_audit()  # never audited

    def audited(sha256: str) -> None:
        with bench.store.write("tiny/schema_validation") as draft:
            draft.content_hash, draft.failed = sha256, ["audit_clean"]

    audited("0" * 64)
    bench.refuse_failed_audit()  # that were other schemas
    audited(bench.catalog_sha256)
    result = materialise("synthetic_dataset", partition_key="percentage")
    assert "tiny/schema_validation failed audit_clean" in failures(result)
    assert not bench.store.has("tiny/synthetic_dataset/percentage")


def test_weights_that_are_not_finite_fail_the_check(finished: FinishedRun, tmp_path: Path) -> None:
    bench = finished.bench()
    shutil.copytree(bench.require("sft_checkpoint").path, tmp_path / "made")
    weights = load_file(tmp_path / "made" / WEIGHTS)
    next(iter(weights.values())).fill_(float("nan"))
    save_file(weights, tmp_path / "made" / WEIGHTS)
    base = open_base(bench)
    result = _compared(tmp_path / "made", base, base, "")
    assert failed(result) == ["loads_and_differs_from_parent"]
    assert result.description == "holds weights that are not finite; train it again"


def test_a_trace_that_decoding_would_clip_stops_the_audit(finished: FinishedRun) -> None:
    bench = finished.bench()
    assert audit_for(bench, samples=1).ok
    short = replace(bench.experiment.decoding, max_tokens=20)
    bench.experiment = replace(bench.experiment, decoding=short)
    report = audit_for(bench, samples=1)
    assert not report.ok
    assert {kind for row in report.rows for kind in row.findings} == {"length"}


def test_test_questions_are_dropped_from_training_and_counted(finished: FinishedRun) -> None:
    bench = finished.bench()
    before = training_data(bench, bench.partitions())
    assert before.dropped.clean
    asked = before.train[3].question
    archive = bench.require("gsm8k_problems")
    problems = read_problem_set(archive.path / "problems.json")
    planted = replace(problems.problems[0], question=asked)
    with bench.store.write(archive.manifest.key) as draft:
        write_problem_set(draft.path / "problems.json", replace(problems, problems=(planted,)))
    after = training_data(bench, bench.partitions())
    assert overlapping_examples(bench, bench.partitions()) == 1
    with bench.store.write(archive.manifest.key) as draft:
        write_problem_set(draft.path / "problems.json", problems)
    assert overlapping_examples(bench, bench.partitions()) == 0
    assert len(after.dropped.train_indices) == 1
    assert after.left.clean
    assert asked not in {example.question for example in after.train}


def test_the_dataset_hash_does_not_depend_on_order_or_place(project: Path, tmp_path: Path) -> None:
    hashes = []
    for order in (EXPERTS, tuple(reversed(EXPERTS))):
        bench = bench_of("tiny")
        for expert in order:
            store_partition(bench, expert, generate_partition(bench, expert))
        hashes.append(bench.dataset_hash(bench.partitions()))
    assert hashes[0] == hashes[1]


def test_data_made_with_other_settings_is_refused(project: Path) -> None:
    bench = bench_of("tiny")
    for expert in EXPERTS:
        store_partition(bench, expert, generate_partition(bench, expert))
    path = project / "experiments" / "tiny.yaml"
    path.write_text(path.read_text().replace("train: 40", "train: 41"))
    with pytest.raises(MissingUpstreamError, match="made with other data settings"):
        bench_of("tiny").partitions()


def test_an_altered_dataset_is_refused(project: Path) -> None:
    bench = bench_of("tiny")
    artifact = store_partition(bench, "percentage", partition(bench))
    write_examples(artifact.path / "train.jsonl", [])
    with pytest.raises(ArtifactError, match=r"train\.jsonl: missing or altered"):
        bench.require("synthetic_dataset", "percentage")


def test_another_base_model_under_the_same_reference_is_refused(finished: FinishedRun) -> None:
    bench = finished.bench()
    recorded = bench.require("base_model")
    with bench.store.write(recorded.manifest.key) as draft:
        draft.summary = {"reference": "x", "sha256": "0" * 64}
    with pytest.raises(MissingUpstreamError, match="is not the base model that was recorded"):
        open_base(bench)
    with bench.store.write(recorded.manifest.key) as draft:
        draft.summary = recorded.manifest.summary
        draft.content_hash = recorded.sha256


def test_a_file_that_the_card_needs_is_missed_before_hours_of_answers(
    finished: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACE_PIPELINE_EXPERIMENT", "tiny")

    def gone(*_: object) -> None:
        raise ExperimentError("unknown experiment 'parent'")

    monkeypatch.setattr(evaluation_assets, "origin", gone)
    for answers in ("baseline", "few_shot_baseline", "judge"):
        monkeypatch.setattr(evaluation_assets, answers, lambda *_: pytest.fail("it was asked"))
    assert "unknown experiment 'parent'" in failures(materialise("gsm8k_eval"))


def test_figures_on_what_was_trained_on_are_kept_but_told_to_nobody(
    finished: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACE_PIPELINE_EXPERIMENT", "tiny")
    shutil.copytree(finished.folder, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    bench = bench_of("tiny")
    before = stored_evaluation(bench.require("gsm8k_eval").path)
    monkeypatch.setattr(evaluation_assets, "overlapping_examples", lambda *_: 3)
    monkeypatch.setattr(evaluation_assets, "judge", lambda *_: before)
    monkeypatch.setattr(evaluation_assets, "measure_forgetting", lambda *_: None)
    monkeypatch.setattr(evaluation_assets, "learnt_shapes", lambda _: ShapeCatalogue([]))
    monkeypatch.setattr(evaluation_assets, "write_report", lambda *_: None)
    monkeypatch.setattr(Tracking, "send", lambda *_: True)
    registered: list[object] = []
    monkeypatch.setattr(StageLog, "model", lambda *told: registered.append(told))
    assert not materialise("gsm8k_eval").success
    with pytest.raises(MissingUpstreamError, match="gsm8k_eval failed not_trained_on_these_prob"):
        bench.require("gsm8k_eval")
    assert stored_evaluation(bench.store.read("tiny/gsm8k_eval").path).total == before.total
    assert registered == []
