"""An experiment that goes on from the trained model of another one."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from trace_pipeline.cli import cli
from trace_pipeline.experiment import differences
from trace_pipeline.modeling.storage.checkpoints import WEIGHTS
from trace_pipeline.pipeline.comparing import settings_of
from trace_pipeline.pipeline.policies import sft_settings
from trace_pipeline.pipeline.resources import bench_of
from trace_pipeline.pipeline.workbench import MissingUpstreamError
from trace_pipeline.store import file_sha256

FURTHER = """\
inherits: tiny
description: More of the same.
sft: {continues: tiny, learning_rate: 2e-3}
rl: {iterations: 0}
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_a_mean_is_not_packed(project: Path, tmp_path: Path) -> None:
    mean = "inherits: tiny\ndescription: A mean.\nsft: {average: {tiny: 1, alike: 1}}\n"
    (project / "experiments" / "mean.yaml").write_text(mean)
    (project / "experiments" / "alike.yaml").write_text("inherits: tiny\ndescription: Alike.\n")
    refused = run("pack", str(tmp_path / "packed"), "--experiment", "mean")
    assert refused.exit_code != 0
    assert "sft.average of mean: a mean of trained models needs no other host" in refused.output
    assert not (tmp_path / "packed").exists()
    assert not bench_of("mean").store.has("mean/base_model")


def test_an_asset_whose_start_is_missing_names_the_command_that_makes_it(project: Path) -> None:
    (project / "experiments" / "further.yaml").write_text(FURTHER)
    with pytest.raises(MissingUpstreamError) as refused:
        bench_of("further").started_from()
    assert str(refused.value) == (
        "sft.continues: tiny has no trained model yet; make it with\n"
        "  trace-pipeline run --experiment tiny --until rl_checkpoint"
    )


def test_no_experiment_goes_on_from_itself(project: Path) -> None:
    (project / "experiments" / "loop.yaml").write_text(FURTHER.replace("tiny, l", "loop, l"))
    result = run("run", "--experiment", "loop", "--until", "sft_checkpoint")
    assert result.exit_code != 0
    assert "loop goes on from loop: change sft.continues" in result.output


def test_what_it_goes_on_from_is_trained_first(project: Path) -> None:
    (project / "experiments" / "further.yaml").write_text(FURTHER)
    mean = FURTHER.replace(
        "{continues: tiny, learning_rate: 2e-3}", "{average: {further: 3, tiny: 1}}"
    )
    (project / "experiments" / "mean.yaml").write_text(mean)
    data = run("run", "--experiment", "mean", "--until", "gsm8k_train_traces")
    assert data.exit_code == 0, data.output
    assert "goes on from" not in data.output  # data need no model
    result = run("run", "--experiment", "mean", "--until", "rl_checkpoint")
    assert result.exit_code == 0, result.output
    told = [line for line in result.output.splitlines() if " goes on from " in line]
    assert [line.split(", which")[0] for line in told] == [
        "mean goes on from tiny",
        "mean goes on from further",
    ]
    assert "as it was trained" not in result.output
    # The same model decoded in another way: nothing is trained, and that is no failure.
    (project / "experiments" / "strict.yaml").write_text(
        "inherits: further\ndescription: Strict.\nsft: {continues: further, epochs: 0}\n"
        "decoding: {constrained: true}\n"
    )
    strict = run("run", "--experiment", "strict", "--until", "rl_checkpoint")
    assert strict.exit_code == 0, strict.output
    files = [bench_of(e).require("rl_checkpoint").path / WEIGHTS for e in ("further", "strict")]
    assert file_sha256(files[0]) == file_sha256(files[1])
    tiny = project / "experiments" / "tiny.yaml"
    tiny.write_text(tiny.read_text().replace("learning_rate: 1e-3", "learning_rate: 3e-3"))
    again = run("run", "--experiment", "mean", "--until", "rl_checkpoint")
    assert again.exit_code == 0, again.output
    assert "which has no trained model" not in again.output
    assert (
        "goes on from tiny as it was trained, with sft.learning_rate 0.001 (now 0.003); to train "
        "it anew: trace-pipeline run --experiment tiny --until rl_checkpoint"
    ) in again.output
    assert again.output.count("as it was trained") == 1  # further has a rate of its own


def test_the_settings_of_a_result_say_where_it_began_and_what_real_problems_it_had(
    project: Path,
) -> None:
    (project / "experiments" / "further.yaml").write_text(
        FURTHER + "data: {train: 6, gsm8k: {train: 20, contrasts: 2}}\n"
    )
    store = bench_of("further").store
    for key, config, parents in (
        ("further/synthetic_dataset/arithmetic", {"data": {"train": 6}, "seed": 0}, {}),
        ("further/gsm8k_train_traces", {"gsm8k": {"train": 20, "contrasts": 2}}, {}),
        ("further/sft_checkpoint", {"sft": {}}, {"tiny/rl_checkpoint": "0" * 64}),
    ):
        with store.write(key) as draft:
            draft.config, draft.content_hash = config, "0" * 64
            draft.parents |= parents
    settings = settings_of(store, "further")
    assert settings["sft.continues"] == "tiny"
    assert settings["data.gsm8k.contrasts"] == "2"
    assert settings["data.train"] == "6"


def test_the_settings_of_a_result_are_those_of_its_file_however_it_was_judged(
    project: Path,
) -> None:
    (project / "experiments" / "best.yaml").write_text(
        "inherits: tiny\ndescription: x.\nsft: {select: best, evaluate_problems: 2}\n"
    )
    bench = bench_of("best")
    made = sft_settings(bench)
    assert "judged" in made
    for asset, config in (
        ("synthetic_dataset/arithmetic", bench.data_config),
        ("sft_checkpoint", made),
        ("gsm8k_eval", bench.settings("decoding", "eval", "solver")),
    ):
        with bench.store.write(f"best/{asset}") as draft:
            draft.config = config
    apart = {
        d.field
        for d in differences(settings_of(bench.store, "best"), bench.experiment.parameters())
    }
    assert {field.partition(".")[0] for field in apart} <= {"rl"}  # which was not recorded


def test_the_mean_of_two_models_is_a_model(project: Path, tmp_path: Path) -> None:
    (project / "experiments" / "further.yaml").write_text(FURTHER)
    mean = FURTHER.replace(
        "{continues: tiny, learning_rate: 2e-3}", "{average: {tiny: 1, further: 3}}"
    )
    (project / "experiments" / "mean.yaml").write_text(mean)
    for name in ("tiny", "further"):
        assert run("run", "--experiment", name, "--until", "rl_checkpoint").exit_code == 0
    result = run("run", "--experiment", "mean", "--until", "rl_checkpoint")
    assert result.exit_code == 0, result.output
    made = bench_of("mean").require("sft_checkpoint")
    parents = {f"{name}/rl_checkpoint" for name in ("tiny", "further")}
    assert parents <= made.manifest.parents.keys()
    settings = settings_of(bench_of("mean").store, "mean")
    assert settings["sft.average.further"] == "3"
    assert not settings.get("sft.continues")
    packed = run("pack", str(tmp_path / "packed"), "--experiment", "mean")
    assert packed.exit_code != 0
    assert "needs no other host" in packed.output
