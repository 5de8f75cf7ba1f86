"""Nothing is told of a trained model under settings or parents that it does not have."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import shutil
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pytest
from msgspec.structs import replace

from tests.pipeline.conftest import ROOT, FinishedRun
from trace_pipeline.evaluation import real_benchmark
from trace_pipeline.experiment import RewardConfig
from trace_pipeline.gsm8k import find_overlaps, read_problem_set
from trace_pipeline.pipeline import judging
from trace_pipeline.pipeline.assets import models
from trace_pipeline.pipeline.judging import baseline
from trace_pipeline.pipeline.lineage import changed_since_trained, fine_tuned_model, trained_model
from trace_pipeline.pipeline.locking import alone, in_turn
from trace_pipeline.pipeline.policies import TrainingData, open_base, training_data
from trace_pipeline.pipeline.resources import ExperimentResource, bench_of, default_resources
from trace_pipeline.pipeline.workbench import MissingUpstreamError, Workbench
from trace_pipeline.store import Artifact, object_sha256
from trace_pipeline.validation import InvalidInputError


def changed(bench: Workbench, section: str, **fields: object) -> Workbench:
    inner = replace(getattr(bench.experiment, section), **fields)
    bench.experiment = replace(bench.experiment, **{section: inner})
    return bench


def test_a_model_is_what_the_file_says(finished: FinishedRun) -> None:
    bench = finished.bench()
    assert trained_model(bench).manifest.key == "tiny/rl_checkpoint"
    assert fine_tuned_model(bench).manifest.key == "tiny/sft_checkpoint"
    for section, fields, told in (
        ("sft", {"learning_rate": 3e-3}, r"sft\.learning_rate 0\.001 \(now 0\.003\)"),
        ("rl", {"prompts": 3}, r"rl\.prompts 2 \(now 3\)"),
        ("rl", {"rewards": RewardConfig(correct=2.0)}, r"rl\.rewards graded \(now –\)"),
        ("sft", {"average": {"a": 1.0, "b": 2.0}}, r"sft\.average\.a – \(now 1\)"),
        ("prompt", {"template": "chat"}, r"prompt\.template plain \(now chat\)"),
    ):
        with pytest.raises(MissingUpstreamError, match=f"{told}.*Put them\n?.*back"):
            trained_model(changed(finished.bench(), section, **fields))
    with pytest.raises(MissingUpstreamError, match=r"sft_checkpoint was trained with other"):
        fine_tuned_model(changed(finished.bench(), "sft", learning_rate=3e-3))


def test_what_changes_no_weights_may_change(finished: FinishedRun) -> None:
    for section, fields in (
        ("sft", {"save_every": 7}),
        ("rl", {"save_every": 9}),
        ("decoding", {"samples": 4, "temperature": 0.5}),
        ("eval", {"problems": 3}),
        ("model", {"device": "cuda:1"}),
    ):
        trained_model(changed(finished.bench(), section, **fields))


@pytest.fixture
def copied(finished: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """A finished project that may be changed."""
    shutil.copytree(finished.folder, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    return bench_of("tiny")


def test_a_model_of_an_earlier_fine_tuning_is_refused(copied: Workbench) -> None:
    trained_model(copied)
    before = copied.require("sft_checkpoint")
    with copied.store.write(before.manifest.key) as draft:
        (draft.path / "metrics.jsonl").write_text("")
        draft.config = before.manifest.config
        draft.content_hash = "0" * 64
    with pytest.raises(MissingUpstreamError, match=r"made of an earlier version of tiny/sft"):
        trained_model(copied)


def hold(path: Path, held: object, done: object) -> None:
    with alone(path, "tiny/sft_checkpoint"):
        held.set()  # type: ignore[attr-defined]
        done.wait(60)  # type: ignore[attr-defined]


def test_two_processes_do_not_train_the_same(project: Path) -> None:
    bench, context = bench_of("tiny"), multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    path = bench.store.local_folder("tiny/locks") / "sft_checkpoint"
    other = context.Process(target=hold, args=(path, held, done))
    other.start()
    try:
        assert held.wait(60)
        told = rf"tiny/sft_checkpoint is being made by process {other.pid} on .*; wait until"
        with pytest.raises(InvalidInputError, match=told), bench.alone("sft_checkpoint"):
            pass
        with bench.alone("rl_checkpoint"):
            pass
    finally:
        done.set()
        other.join()
    with bench.alone("sft_checkpoint"):
        pass


def test_a_test_question_among_the_data_is_told_by_its_check(
    finished: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is trained then, and the check does not keep its last, green result."""

    def planted(bench: Workbench, partitions: Sequence[Artifact]) -> TrainingData:
        data = training_data(bench, partitions)
        asked = [data.train[0].question]
        return replace(data, left=find_overlaps(asked, asked))

    monkeypatch.setattr(models, "training_data", planted)
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            [models.sft_checkpoint],
            instance=instance,
            raise_on_error=False,
            resources={**default_resources(), "experiment": ExperimentResource(name="tiny")},
        )
        assert not done.success
        key = dg.AssetCheckKey(dg.AssetKey("sft_checkpoint"), "no_test_question_in_training")
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert record.evaluation is not None
    assert not record.evaluation.passed


def test_a_disk_without_locks_is_worked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with alone(tmp_path / "one", "x"), in_turn(tmp_path / "two"):
        pass
    assert caplog.text.count("this disk has no locks; run one process at a time") == 2


def test_a_model_of_earlier_data_is_refused(copied: Workbench) -> None:
    before = copied.require("synthetic_dataset", "percentage")
    with copied.store.write(before.manifest.key) as draft:
        for name in ("train", "validation", "test"):
            (draft.path / f"{name}.jsonl").write_bytes((before.path / f"{name}.jsonl").read_bytes())
        (draft.path / "train.jsonl").write_text("")
        draft.config = before.manifest.config
    told = "was trained on an earlier version of tiny/synthetic_dataset/percentage; train anew"
    for look in (fine_tuned_model, trained_model):
        with pytest.raises(MissingUpstreamError, match=told):
            look(copied)


def test_it_is_said_what_changed_behind_a_model_that_is_gone_on_from(copied: Workbench) -> None:
    root, store = copied.root, copied.store
    (root / "experiments" / "further.yaml").write_text(
        "inherits: tiny\ndescription: More.\nsft: {continues: tiny}\n"
    )

    def told() -> list[str]:
        return changed_since_trained(bench_of("further"))

    def sentence(change: str) -> list[str]:
        command = "trace-pipeline run --experiment tiny --until rl_checkpoint"
        return [f"goes on from tiny as it was trained, {change}; to train it anew: {command}"]

    assert told() == []
    (root / "vocab").unlink()
    shutil.copytree(ROOT / "vocab", root / "vocab")
    (root / "vocab" / "more.json").write_text("[]")
    assert told() == sentence("before schemas/ or vocab/ changed")
    (root / "vocab" / "more.json").unlink()
    assert told() == []

    # The same model, as if it had been trained on word problems too.
    collection = root / "word_problems" / "own"
    collection.mkdir(parents=True)
    (collection / "a.txt").write_text("Two and three apples. How many?\n2+3=5\n")
    file = root / "experiments" / "tiny.yaml"
    file.write_text(
        file.read_text().replace("data: {", "data: {gsm8k: {word_problems: [own]}, ", 1)
    )
    trained = copied.require("rl_checkpoint")
    with store.write("tiny/gsm8k_train_traces") as traces:
        traces.config = bench_of("tiny").real_config
    with store.write("tiny/rl_checkpoint") as draft:
        draft.config, draft.content_hash = trained.manifest.config, trained.sha256
        draft.parents = dict(trained.manifest.parents)
        draft.derive_from(traces.stored)
    assert told() == []
    (collection / "a.txt").write_text("Two and four apples. How many?\n2+4=6\n")
    assert told() == sentence("before its word problems changed")
    shutil.rmtree(collection)
    assert told() == sentence("before its word problems changed")

    with store.write("tiny/synthetic_dataset/percentage") as anew:
        anew.content_hash = "0" * 64
        anew.config = bench_of("tiny").data_config
    assert told() == sentence("on earlier data than it has now")


def test_a_baseline_that_was_timed_otherwise_is_scored_anew(
    copied: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its seconds would stand in one column with those of the trained model."""
    problems = read_problem_set(copied.require("gsm8k_problems").path / "problems.json")
    base, benchmark = open_base(copied), real_benchmark(problems)
    known = baseline(copied, base, benchmark)
    assert known is not None
    judged: list[str] = []
    monkeypatch.setattr(judging, "judge", lambda *given, **_: judged.append(given[-1]) or known)
    assert baseline(copied, base, benchmark) == known
    assert judged == []  # it was kept
    for key in copied.store.keys("_baselines"):
        identity = dict(copied.store.manifest(key).config)
        identity.pop("seconds", None)
        earlier = f"_baselines/{object_sha256(identity)[:16]}"
        copied.store.local_folder(key).rename(copied.store.local_folder(earlier))
    assert baseline(copied, base, benchmark) == known
    assert judged == ["base"]
