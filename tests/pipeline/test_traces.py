"""Real problems in the pipeline: the two assets, their checks, and the seam to training."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from tests.modeling.tiny import problems
from trace_pipeline.cli import cli
from trace_pipeline.definitions import defs
from trace_pipeline.experiment import EXPERTS
from trace_pipeline.generation import read_examples, write_examples
from trace_pipeline.gsm8k import load_problems, load_training_problems
from trace_pipeline.gsm8k.conversion import read_conversions
from trace_pipeline.gsm8k.loading import FOLDER_VARIABLE
from trace_pipeline.gsm8k.training import training_traces
from trace_pipeline.modeling.sft.finetuning import train_sft
from trace_pipeline.pipeline.assets.data import generate_partition, store_partition
from trace_pipeline.pipeline.assets.traces import questions_of, wrong_traces
from trace_pipeline.pipeline.judging import read_shots
from trace_pipeline.pipeline.policies import open_base, training_data
from trace_pipeline.pipeline.resources import bench_of, default_resources
from trace_pipeline.pipeline.workbench import MissingUpstreamError
from trace_pipeline.traces import render_trace
from trace_pipeline.validation import InvalidInputError

EXPERIMENT = """\
inherits: tiny
description: Real problems beside a few templates.
data: {train: 6, gsm8k: {train: 20, variants: 2}}
eval: {gsm8k: folder}
"""
BAD_LINES = [
    '{"question": "Only a question?"}',
    '{"question": "No gold?", "answer": "none"}',
    '{"question": "Words?", "answer": "#### many"}',
    '{"question": "Broken?", "answer": "<<1+=2>>\\n#### 2"}',
    "{",
]


def sample(name: str) -> list[str]:
    text = (resources.files("trace_pipeline.gsm8k") / "data" / name).read_text()
    return text.splitlines()


@pytest.fixture
def real(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose GSM-8K folder holds problems of our own, a repeated and five bad lines."""
    folder = project / "gsm8k"
    folder.mkdir()
    train = sample("builtin_test.jsonl")
    (folder / "train.jsonl").write_text("\n".join([*train, *BAD_LINES, train[0]]) + "\n")
    test = sample("builtin_few_shot.jsonl")
    (folder / "test.jsonl").write_text("\n".join([*test, train[7]]) + "\n")
    (project / "experiments" / "real.yaml").write_text(EXPERIMENT)
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    monkeypatch.setenv("TRACE_PIPELINE_EXPERIMENT", "real")
    return project


def materialise(*assets: str) -> dg.ExecuteInProcessResult:
    keys = list(defs.resolve_asset_graph().get_all_asset_keys())
    return dg.materialize(
        [defs.get_assets_def(key) for key in keys if key.to_user_string() != "schema_files"],
        selection=list(assets),
        resources=default_resources(),
        run_config={"ops": {"schema_validation": {"config": {"samples": 1}}}}
        if "schema_validation" in assets
        else {},
        raise_on_error=False,
    )


def metadata_of(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, str]:
    (event,) = result.asset_materializations_for_node(asset)
    return {name: str(value.value) for name, value in event.metadata.items()}


def test_the_assets_on_a_folder_of_problems(real: Path) -> None:
    result = materialise(
        "gsm8k_problems", "schema_validation", "gsm8k_train_traces", "gsm8k_coverage"
    )
    assert result.success
    checks = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    assert checks == {
        "audit_clean": True,
        "gold_through_solver": True,
        "no_test_question_left": True,
        "parts_disjoint": True,
        "every_line_usable": False,  # a warning: it stops nothing
    }

    shown = metadata_of(result, "gsm8k_train_traces")
    assert "| rejected lines | 6 |" in shown["yield"]
    assert "| dropped: overlap with a test question | 1 |" in shown["yield"]
    for line in ("61", "62", "63", "64", "65", "66"):
        assert f"| {line} | " in shown["rejected_lines"]
    assert "the question of line 1 again" in shown["rejected_lines"]
    assert "implausible" in shown["failures"]
    assert "too unlikely: co" in shown["first_failures"]  # cost or confidence
    assert shown["trained_on"].endswith(
        " variants, 0 contrasts, 0 intermediate questions, 0 word problems, 0 variants of these"
    )
    assert "gsm8k/variant" in shown["sample_variants"]

    covered = metadata_of(result, "gsm8k_coverage")
    assert "| FULL | " in covered["coverage"]
    assert "a schema computes the same" in covered["coverage"]
    assert "| 3+ inits | " in covered["gaps"]
    assert {"chain_lengths", "nearest_schemas", "uncovered_shapes"} <= set(covered)

    bench = bench_of("real")
    stored = bench.require("gsm8k_train_traces")
    assert (
        len(read_conversions(stored.path / "traces.jsonl")) == stored.manifest.summary["converted"]
    )
    assert set(stored.manifest.parents) == {"real/gsm8k_problems"}
    coverage = bench.require("gsm8k_coverage")
    assert set(coverage.manifest.parents) == {"real/gsm8k_train_traces", "real/schema_validation"}
    assert sum(coverage.manifest.summary.values()) == stored.manifest.summary["converted"]
    assert len(read_shots(stored, 3)) == 3
    with pytest.raises(InvalidInputError, match=r"eval\.baseline\.shots: 9 solved problems"):
        read_shots(stored, 9)

    for expert in EXPERTS:
        store_partition(bench, expert, generate_partition(bench, expert))
    data = training_data(bench, bench.partitions())
    assert len(data.train) == 6
    assert len(data.real) == stored.manifest.summary["train"] + stored.manifest.summary["variants"]
    assert len(data.real_validation) == stored.manifest.summary["validation"] > 0
    assert data.left.clean

    without = bench.dataset_hash([])
    path = real / "experiments" / "real.yaml"
    path.write_text(path.read_text().replace("variants: 2", "variants: 1"))
    changed = bench_of("real")
    with pytest.raises(MissingUpstreamError, match=r"made with other settings of data\.gsm8k"):
        training_data(changed, changed.partitions())
    assert changed.data_config == bench.data_config
    path.write_text(path.read_text().replace("train: 20, variants: 1", "train: 0"))
    unused = bench_of("real")
    assert training_data(unused, unused.partitions()).real == []
    assert unused.dataset_hash([]) != without


def test_a_test_question_that_came_later_is_dropped_from_the_real_part_too(real: Path) -> None:
    assert materialise("gsm8k_problems", "gsm8k_train_traces").success
    bench = bench_of("real")
    before = training_data(bench, [])
    asked = before.real[0].question
    file = real / "gsm8k" / "test.jsonl"
    file.write_text(file.read_text() + json.dumps({"question": asked, "answer": "#### 1"}) + "\n")
    assert materialise("gsm8k_problems").success
    after = training_data(bench, [])
    assert asked in {example.question for example in before.real}
    assert asked not in {example.question for example in after.real}
    assert len(after.dropped.train_indices) >= 1
    assert after.left.clean


def test_an_answer_that_a_trace_does_not_give_is_found(real: Path) -> None:
    config = bench_of("real").experiment.data.gsm8k
    made = training_traces(load_training_problems("folder"), [], config)
    solver = bench_of("real").solver
    assert wrong_traces(solver, made) == []
    bad = replace(made.train[0], answer=made.train[0].answer + 1)
    (found,) = wrong_traces(solver, replace(made, train=(bad, *made.train[1:])))
    assert found.startswith("gsm8k/original")


def test_the_overlap_check_looks_at_originals_variants_and_prompts(real: Path) -> None:
    config = bench_of("real").experiment.data.gsm8k
    made = training_traces(load_training_problems("folder"), [], config)
    questions = set(questions_of(made))
    for kept in (made.train, made.variants, made.validation, made.shots):
        assert kept
        assert {item.question for item in kept} <= questions


def test_the_built_in_examples_do_where_there_is_no_gsm8k(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACE_PIPELINE_EXPERIMENT", "tiny")
    result = materialise(
        "gsm8k_problems", "schema_validation", "gsm8k_train_traces", "gsm8k_coverage"
    )
    assert result.success
    shown = metadata_of(result, "gsm8k_train_traces")
    assert shown["source"].startswith("built-in examples")
    assert shown["trained_on"] == "nothing: data.gsm8k.train is 0"
    stored = bench_of("tiny").require("gsm8k_train_traces")
    assert read_examples(stored.path / "train.jsonl") == []
    scored = {problem.question for problem in load_problems("builtin").problems}
    traces = read_conversions(stored.path / "traces.jsonl")
    assert scored.isdisjoint(trace.question for trace in traces)


def test_an_altered_trace_file_is_refused(real: Path) -> None:
    assert materialise("gsm8k_problems", "gsm8k_train_traces").success
    bench = bench_of("real")
    write_examples(bench.require("gsm8k_train_traces").path / "train.jsonl", [])
    with pytest.raises(Exception, match=r"train\.jsonl: missing or altered"):
        bench.real_traces()


def test_completions_of_the_held_out_problems_are_judged_and_say_what_fails(
    real: Path, tmp_path: Path
) -> None:
    materialise("base_model", "gsm8k_problems", "gsm8k_train_traces")
    bench = bench_of("real")
    held_out = read_examples(bench.require("gsm8k_train_traces").path / "validation.jsonl")
    right = render_trace(held_out[0].trace)
    lines = [
        json.dumps({"question": e.question, "text": right, "tokens": 9, "clipped": False})
        for e in held_out
    ]
    (tmp_path / "c.jsonl").write_text("\n".join(lines))
    train_sft(bench.experiment, open_base(bench), problems(2), tmp_path / "sft")
    target = tmp_path / "o.jsonl.gz"
    wrote = CliRunner().invoke(
        cli,
        ["outputs", str(target), "--experiment", "real", "--completions", str(tmp_path / "c.jsonl"),
         "--checkpoint", str(tmp_path / "sft"), "--part", "validation"],
    )  # fmt: skip
    assert wrote.exit_code == 0, wrote.output
    judged = CliRunner().invoke(
        cli, ["rescore", str(target), "--gsm8k", "folder", "--part", "validation", "--diagnose"]
    )
    assert judged.exit_code == 0, judged.output
    assert f"1 of {len(held_out)}" in judged.output
    _, _, table = judged.output.partition("computations that fail most often:")
    wrong = [int(re.split(r"  +", row)[2]) for row in table.strip().splitlines()[1:]]
    assert wrong == sorted(wrong, reverse=True)
    assert sum(wrong) == len(held_out) - 1
    about_test = CliRunner().invoke(cli, ["rescore", str(target), "--gsm8k", "folder"])
    assert about_test.exit_code == 1
    assert "answers problem" in about_test.output
