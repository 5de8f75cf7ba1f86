"""Checkpoints: what another experiment has trained already is not trained again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from msgspec.structs import replace

from tests.pipeline.conftest import FinishedRun
from trace_pipeline.modeling.sft.finetuning import train_sft
from trace_pipeline.modeling.storage.checkpoints import INFO, WEIGHTS, CheckpointInfo, read_info
from trace_pipeline.modeling.storage.records import read_records
from trace_pipeline.pipeline.policies import (
    Check,
    Tell,
    _trained_before,
    _twin,
    open_base,
    require_rl_data,
    train_checkpoint,
    training_data,
)
from trace_pipeline.pipeline.resources import bench_of
from trace_pipeline.pipeline.unfinished import FILE
from trace_pipeline.pipeline.workbench import MissingUpstreamError, Workbench
from trace_pipeline.store import MANIFEST, Artifact, ArtifactStore, Manifest, write_json
from trace_pipeline.validation import InvalidInputError

SECTIONS = ("seed", "model", "prompt", "sft")


@pytest.fixture
def budget(finished: FinishedRun) -> Iterator[Workbench]:
    """An experiment that differs from ``tiny`` in decoding alone."""
    experiment = finished.folder / "experiments" / "budget.yaml"
    experiment.write_text("inherits: tiny\ndescription: Less room.\ndecoding: {max_tokens: 20}\n")
    yield bench_of("budget")
    experiment.unlink()
    shutil.rmtree(finished.folder / "artifacts" / "budget", ignore_errors=True)


def untold(_: int, __: dict[str, float]) -> None:
    """Figures of steps, for nobody."""


def checked(passed: bool) -> Check:
    return lambda *_: dg.AssetCheckResult(passed=passed, check_name="planted")


passing = checked(passed=True)


def key_of(manifest: Manifest | None) -> str | None:
    return manifest.key if manifest else None


def parents(tiny: Workbench) -> list[Artifact]:
    return [*tiny.partitions(), tiny.require("base_model"), tiny.require("gsm8k_problems")]


def trained(bench: Workbench, tiny: Workbench, settings: dict[str, object]) -> Artifact:
    """What is stored where training itself does nothing: it finds a finished folder or fails."""
    stored, _, _ = train_checkpoint(
        bench,
        "sft_checkpoint",
        parents(tiny),
        settings,
        lambda folder, _: read_info(folder),
        untold,
        passing,
    )
    return stored


def test_the_same_training_of_another_experiment_is_taken_over(
    finished: FinishedRun, budget: Workbench
) -> None:
    tiny = finished.bench()
    data = training_data(tiny, tiny.partitions())

    def train(folder: Path, tell: Tell) -> CheckpointInfo:
        assert (folder / "metrics.jsonl").stat().st_size > 0
        return train_sft(
            budget.experiment, open_base(tiny), data.train, folder, tell, validation=data.held_out()
        )

    told: dict[int, dict[str, float]] = {}
    stored, _, _ = train_checkpoint(
        budget,
        "sft_checkpoint",
        parents(tiny),
        budget.settings(*SECTIONS),
        train,
        told.__setitem__,
        passing,
    )
    records = read_records(stored.path / "metrics.jsonl")
    assert [(step, told[step]["loss"]) for step in told] == [
        (r["step"], r["loss"]) for r in records
    ]
    original = tiny.require("sft_checkpoint")
    assert stored.sha256 == original.sha256
    assert stored.manifest.files == original.manifest.files  # nothing was trained anew


def test_a_copy_that_a_kill_cut_short_is_no_finished_training(
    finished: FinishedRun, budget: Workbench
) -> None:
    tiny = finished.bench()
    original = tiny.require("sft_checkpoint")
    hashes = {parent.manifest.key: parent.sha256 for parent in parents(tiny)}
    settings = budget.settings(*SECTIONS)
    workspace = budget.store.workspace(
        budget.key("sft_checkpoint"), {"settings": settings, "parents": hashes}
    )
    shutil.copy(original.path / INFO, workspace)
    (workspace / WEIGHTS).write_bytes((original.path / WEIGHTS).read_bytes()[:1000])
    stored = trained(budget, tiny, settings)
    assert stored.manifest.files == original.manifest.files


def test_a_record_alone_is_not_taken_over(finished: FinishedRun, budget: Workbench) -> None:
    tiny = finished.bench()
    made, settings = tiny.require("sft_checkpoint"), budget.settings(*SECTIONS)

    def train(folder: Path, _: Tell) -> CheckpointInfo:
        shutil.rmtree(folder)
        shutil.copytree(made.path, folder, ignore=shutil.ignore_patterns(WEIGHTS, MANIFEST))
        info = replace(read_info(folder), elsewhere=True)
        write_json(folder / INFO, info)
        return info

    train_checkpoint(budget, "sft_checkpoint", parents(tiny), settings, train, untold, passing)
    hashes = {parent.manifest.key: parent.sha256 for parent in parents(tiny)}
    assert key_of(_twin(budget, "sft_checkpoint", settings, hashes)) == made.manifest.key
    # Nor does one that cannot be read hold up another experiment.
    (budget.store.read("budget/sft_checkpoint").path / MANIFEST).write_text("{")
    assert key_of(_twin(budget, "sft_checkpoint", settings, hashes)) == made.manifest.key


@pytest.fixture
def stopped(finished: FinishedRun, tmp_path: Path) -> Workbench:
    """The experiment as a chain finds it that goes on, in a copy of its artifacts."""
    bench = finished.bench()
    shutil.copytree(finished.folder / "artifacts", tmp_path / "artifacts")
    bench.store, bench.goes_on = ArtifactStore(str(tmp_path / "artifacts")), True
    note(bench, bench.store.manifest("tiny/sft_checkpoint").created)
    return bench


def note(bench: Workbench, began: str) -> None:
    write_json(bench.store.local_folder("tiny") / FILE, {"began": began})


def test_what_a_chain_trained_that_ended_early_is_taken_over(stopped: Workbench) -> None:
    made, settings = stopped.require("sft_checkpoint"), stopped.settings(*SECTIONS)
    hashes = {parent.manifest.key: parent.sha256 for parent in parents(stopped)}

    def taken(parent: str = "", **changed: object) -> str | None:
        others = {**hashes, **({"tiny/base_model": parent} if parent else {})}
        known = {**settings, **changed}
        place = stopped.store.workspace("tiny/sft_checkpoint", {"settings": known})
        return key_of(_trained_before(stopped, "sft_checkpoint", known, others, place))

    assert taken() == made.manifest.key
    assert taken(seed=1) is None
    assert taken(parent="0" * 64) is None
    note(stopped, "9999")
    assert taken() is None  # it began later
    note(stopped, made.manifest.created)
    stopped.goes_on = False
    assert taken() is None  # a person selected the asset
    stopped.goes_on = True
    (stopped.store.local_folder("tiny") / FILE).unlink()
    assert taken() is None  # the chain came to its end
    note(stopped, made.manifest.created)
    (made.path / MANIFEST).write_text("{")
    assert taken() is None


@pytest.mark.parametrize("left", ["nothing", "snapshots", "half a copy", "a torn copy"])
def test_what_is_taken_over_is_whole_whatever_a_kill_has_left(
    stopped: Workbench, left: str
) -> None:
    made, settings = stopped.require("sft_checkpoint"), stopped.settings(*SECTIONS)
    hashes = {parent.manifest.key: parent.sha256 for parent in parents(stopped)}
    identity = {"settings": settings, "parents": hashes}
    workspace = stopped.store.workspace("tiny/sft_checkpoint", identity)
    if left == "snapshots":
        (workspace / "snapshots").mkdir()
    elif left == "half a copy":
        shutil.copy(made.path / WEIGHTS, workspace)
    elif left == "a torn copy":
        shutil.copytree(made.path, workspace, dirs_exist_ok=True)
        (workspace / "metrics.jsonl").unlink()
    stored = trained(stopped, stopped, settings)
    assert stored.manifest.version == "0002"
    assert stopped.store.read("tiny/sft_checkpoint").manifest.files == made.manifest.files
    assert not list(workspace.parent.glob(".unfinished-*"))


@pytest.mark.parametrize("why", ["altered", "of other data"])
def test_what_cannot_be_taken_over_is_trained_anew(
    stopped: Workbench, why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made, settings = stopped.require("sft_checkpoint"), stopped.settings(*SECTIONS)
    good = shutil.copytree(made.path, tmp_path / "good")
    if why == "altered":
        (made.path / "metrics.jsonl").write_text("")

    def train(folder: Path, _: Tell) -> CheckpointInfo:
        if (folder / INFO).exists() and why != "altered":
            raise InvalidInputError("holds the finished checkpoint of another run")
        without = shutil.ignore_patterns(MANIFEST)
        shutil.copytree(good, folder, dirs_exist_ok=True, ignore=without)
        return read_info(folder)

    stored, _, _ = train_checkpoint(
        stopped, "sft_checkpoint", parents(stopped), settings, train, untold, passing
    )
    assert "tiny/sft_checkpoint is not taken over, and" in caplog.text
    assert stored.manifest.files == made.manifest.files


@pytest.mark.parametrize("asset", ["sft_checkpoint", "rl_checkpoint"])
def test_of_its_own_sft_checkpoint_the_record_is_enough(stopped: Workbench, asset: str) -> None:
    """The next stage needs the weights of the last, or none."""
    settings = stopped.settings(*SECTIONS)
    made = stopped.require("sft_checkpoint")
    seen: list[bool] = []

    def train(folder: Path, _: Tell) -> CheckpointInfo:
        seen.append((folder / INFO).exists())
        if not seen[-1]:
            ignored = shutil.ignore_patterns(WEIGHTS, MANIFEST)
            shutil.copytree(made.path, folder, ignore=ignored, dirs_exist_ok=True)
            write_json(folder / INFO, replace(read_info(folder), elsewhere=True))
        return read_info(folder)

    def made_now() -> Artifact:
        data = parents(stopped)
        stored, _, _ = train_checkpoint(stopped, asset, data, settings, train, untold, passing)
        return stored

    stopped.goes_on = False
    first = made_now()
    assert WEIGHTS not in first.manifest.files
    stopped.goes_on = True
    assert made_now().manifest.files == first.manifest.files
    assert seen == ([False, True, True] if asset == "sft_checkpoint" else [False, False])


def test_rl_without_its_problems_is_refused_before_sft(finished: FinishedRun) -> None:
    tiny = finished.bench()
    data = training_data(tiny, tiny.partitions())
    require_rl_data(tiny.experiment, data)
    real = replace(tiny.experiment, rl=replace(tiny.experiment.rl, source="real"))
    with pytest.raises(InvalidInputError, match=r"rl\.source: real needs real.*data\.gsm8k\.train"):
        require_rl_data(real, data)
    require_rl_data(replace(real, rl=replace(real.rl, iterations=0)), data)


def test_other_settings_are_trained(finished: FinishedRun, budget: Workbench) -> None:
    tiny = finished.bench()
    seen: list[list[Path]] = []

    def train(folder: Path, tell: Tell) -> CheckpointInfo:
        seen.append(list(folder.iterdir()))
        shutil.copytree(tiny.require("sft_checkpoint").path, folder, dirs_exist_ok=True)
        return read_info(folder)

    other = {**budget.settings(*SECTIONS), "seed": 1}
    for chosen in (other, budget.settings(*SECTIONS)):
        train_checkpoint(budget, "sft_checkpoint", parents(tiny), chosen, train, untold, passing)
    assert seen == [[], []]  # the second time the experiment has a checkpoint: it trains anew


def test_what_failed_its_check_is_kept_and_nobody_goes_on_from_it(
    finished: FinishedRun, budget: Workbench
) -> None:
    tiny = finished.bench()
    settings = {**budget.settings(*SECTIONS), "seed": 1}
    hashes = {parent.manifest.key: parent.sha256 for parent in parents(tiny)}

    def train(folder: Path, tell: Tell) -> CheckpointInfo:
        made = tiny.require("sft_checkpoint").path
        without = shutil.ignore_patterns(MANIFEST)
        shutil.copytree(made, folder, dirs_exist_ok=True, ignore=without)
        return read_info(folder)

    for passed in (False, True):
        stored, _, result = train_checkpoint(
            budget, "sft_checkpoint", parents(tiny), settings, train, untold, checked(passed)
        )
        assert result.passed == passed
        in_force = budget.store.manifest(budget.key("sft_checkpoint"))
        assert in_force.version == stored.manifest.version
        twin = _twin(budget, "sft_checkpoint", settings, hashes)
        assert key_of(twin) == (stored.manifest.key if passed else None)
        if not passed:
            with pytest.raises(MissingUpstreamError, match=r"sft_checkpoint failed planted, so"):
                budget.require("sft_checkpoint")
    assert budget.require("sft_checkpoint").manifest.failed == []
