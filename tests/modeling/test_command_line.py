from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.modeling.tiny import experiment, problems
from trace_pipeline.modeling import command_line
from trace_pipeline.modeling.base.base_models import BaseModel
from trace_pipeline.modeling.command_line import (
    decode_main,
    likelihoods_main,
    rl_main,
    sft_main,
)
from trace_pipeline.modeling.decoding.decoder import Completion
from trace_pipeline.modeling.training.samples import KeptCompletions
from trace_pipeline.traces import number_to_json, render_trace


def write_data(path: Path, count: int) -> Path:
    records = [
        {
            "question": p.question,
            "trace": render_trace(p.trace),
            "answer": number_to_json(p.answer),
            "expert": p.expert,
            "schema": "arithmetic/eggs",
            "index": index,
            "split": "train",
        }
        for index, p in enumerate(problems(count))
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_the_stages_run_from_files(
    base: BaseModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rl = {"iterations": 1, "prompts": 1, "max_tokens": 5, "evaluate_problems": 1}
    settings = experiment(rl=rl, decoding={"max_tokens": 5}).to_dict()
    (tmp_path / "tiny.json").write_text(json.dumps(settings))
    data = write_data(tmp_path / "data.jsonl", 3)
    common = ["--experiment", str(tmp_path / "tiny.json"), "--data", str(data)]
    sft, out = str(tmp_path / "sft"), str(tmp_path / "out.jsonl")
    assert sft_main([*common, "--base", str(base.folder), "--out", sft]) == 0
    assert rl_main([*common, "--checkpoint", sft, "--validation", str(data),
                    "--out", str(tmp_path / "rl")]) == 0  # fmt: skip
    assert decode_main([*common, "--checkpoint", str(tmp_path / "rl"), "--out", out]) == 0
    assert "rl checkpoint; reward" in capsys.readouterr().out
    lines = [json.loads(line) for line in Path(out).read_text().splitlines()]
    assert [line["question"] for line in lines] == [p.question for p in problems(3)]
    assert all(line["tokens"] == 5 and line["clipped"] for line in lines)
    settings["decoding"] |= {"samples": 2, "temperature": 1.0}
    (tmp_path / "tiny.json").write_text(json.dumps(settings))
    assert decode_main([*common, "--checkpoint", str(tmp_path / "rl"), "--out", out]) == 0
    lines = [json.loads(line) for line in Path(out).read_text().splitlines()]
    assert [line["question"] for line in lines] == [p.question for p in problems(3) for _ in "12"]
    assert lines[0]["text"] != lines[1]["text"]
    likely = ["--experiment", str(tmp_path / "tiny.json"), "--checkpoint", str(tmp_path / "rl")]
    added = tmp_path / "likely.jsonl"
    assert likelihoods_main([*likely, "--data", out, "--out", str(added)]) == 0
    known = [json.loads(line) for line in added.read_text().splitlines()]
    assert [line | {"log_likelihood": 0} for line in known] == [
        line | {"log_likelihood": 0} for line in lines
    ]
    assert all(line["log_likelihood"] < 0 for line in known)
    settings["eval"]["answer"] = "probable"  # decode adds them by itself
    (tmp_path / "tiny.json").write_text(json.dumps(settings))
    assert decode_main([*common, "--checkpoint", str(tmp_path / "rl"), "--out", out]) == 0
    again = [json.loads(line) for line in Path(out).read_text().splitlines()]
    assert [line["log_likelihood"] for line in again] == [line["log_likelihood"] for line in known]
    (tmp_path / "bare.jsonl").write_text('{"question": "How many?"}\n')
    bare = str(tmp_path / "bare.jsonl")
    assert likelihoods_main([*likely, "--data", bare, "--out", out]) == 1
    assert "line 1: the field 'text' (text) is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("experiment_text", "data_text", "message"),
    [
        (None, "", "no such experiment file"),
        ("{", "", "not JSON"),
        ('{"name": "x", "sft": {"layerz": 3}}', "", r"\$.sft: unknown field 'layerz'"),
        ('{"name": "x"}', '{"question": 3}\n', "line 1: the field 'question'"),
        ('{"name": "x"}', "nonsense\n", "line 1: not JSON"),
        ('{"name": "x"}', "", "no questions"),
        ('{"name": "\xe9"}', "", r"x\.json: not JSON: 'utf-8' codec"),
        ("[]", "", r"x\.json: expected an object of an experiment's sections"),
        pytest.param("[" * 10**5, "", r"x\.json: not JSON: maximum recursion", id="deep settings"),
        ('{"name": "x"}', '{"question": "\xe9"}\n', "line 1: not JSON: 'utf-8' codec"),
        pytest.param(
            '{"name": "x"}', "[" * 10**5, "1: not JSON: maximum recursion", id="deep data"
        ),
    ],
)
def test_bad_input_gets_one_clear_line(
    experiment_text: str | None,
    data_text: str,
    message: str,
    base: BaseModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, data = tmp_path / "x.json", tmp_path / "data.jsonl"
    if experiment_text is not None:
        path.write_text(experiment_text, encoding="latin-1")
    data.write_text(data_text, encoding="latin-1")
    options = ["--experiment", str(path), "--data", str(data), "--base", str(base.folder)]
    assert decode_main([*options, "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert re.search(message, error)
    assert not (tmp_path / "out").exists()


def test_the_time_of_a_fast_card_is_not_rounded_away() -> None:
    completion = Completion("x", 1, False, 0.00037912, 0.0, [], [])
    assert command_line._record("How many?", completion)["seconds"] == 0.000379


@pytest.mark.parametrize("name", ["y.yml", "y.JSON", "y"])
def test_a_file_of_another_kind_is_not_taken_for_the_one_beside_it(
    name: str, base: BaseModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "y.yaml").write_text("name: y\n")
    (tmp_path / name).write_text("name: other\n")
    (tmp_path / "data.jsonl").write_text('{"question": "How many?"}\n')
    files = ["--experiment", str(tmp_path / name), "--data", str(tmp_path / "data.jsonl")]
    out = str(tmp_path / "out")
    assert decode_main([*files, "--base", base.reference, "--out", out]) == 1
    assert f"{name}: expected a name ending in .yaml or .json" in capsys.readouterr().err


def test_a_folder_as_the_file_to_write_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--experiment", str(tmp_path / "none.json"), "--data", str(tmp_path / "none.jsonl")]
    assert decode_main([*files, "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}: is a folder; name a file\n"


def test_a_killed_decode_goes_on_with_the_same_work_alone(
    base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = experiment(decoding={"max_tokens": 5}).to_dict()
    (tmp_path / "tiny.json").write_text(json.dumps(settings))
    out = tmp_path / "out.jsonl"
    options = ["--experiment", str(tmp_path / "tiny.json"), "--base", str(base.folder)]
    options += ["--data", str(write_data(tmp_path / "data.jsonl", 4)), "--out", str(out)]
    add, done = KeptCompletions.add, list[int]()

    def killed(self: KeptCompletions, *given: Any) -> None:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(1)
        add(self, *given)

    monkeypatch.setattr(KeptCompletions, "add", killed)
    assert decode_main(options) == 130
    assert not out.exists()
    done.clear()
    settings["decoding"]["max_tokens"] = 6
    (tmp_path / "tiny.json").write_text(json.dumps(settings))
    assert decode_main(options) == 130  # other work: it has three of its own now
    done.clear()
    assert decode_main(options) == 0
    assert len(done) == 1
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["question"] for line in lines] == [p.question for p in problems(4)]
    assert [line["tokens"] for line in lines] == [6] * 4
    # What the first left is there for whoever goes on with it; its own is gone.
    assert len(list(tmp_path.glob(".out.jsonl.*"))) == 1


@pytest.mark.parametrize(
    ("command", "work", "told"),
    [
        (sft_main, "_run_sft", "the same command goes on from the last snapshot"),
        (decode_main, "_run_decode", "the same command goes on with what is decoded already"),
        (likelihoods_main, "_run_likelihoods", "nothing was written"),
    ],
)
def test_an_interruption_says_what_is_left(
    command: Callable[[Sequence[str]], int],
    work: str,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, work, interrupted)
    arguments = ["--experiment", "x.json", "--data", "x.jsonl", "--out", "x", "--checkpoint", "x"]
    assert command(arguments[: 6 if command is sft_main else 8]) == 130
    assert capsys.readouterr().err == f"interrupted; {told}\n"


def test_the_commands_need_nothing_of_the_pipeline() -> None:
    program = """
import runpy, sys
for name in ("dagster", "mlflow", "pandas", "matplotlib", "datasets", "pyarrow"):
    sys.modules[name] = None
sys.argv = ["x", "--help"]
for module in ("sft", "rl", "decode"):
    try:
        runpy.run_module("trace_pipeline.modeling." + module, run_name="__main__")
    except SystemExit as end:
        assert end.code == 0
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("--experiment") >= 3


def test_a_mean_of_models_is_not_trained_in_silence(
    base: BaseModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_data(tmp_path / "data.jsonl", 2)
    settings = experiment(sft={"average": {"one": 1, "two": 1}}).to_dict()
    (tmp_path / "tiny.json").write_text(json.dumps(settings))
    out = tmp_path / "out"
    files = ["--data", str(data), "--out", str(out), "--base", base.reference]
    assert sft_main(["--experiment", str(tmp_path / "tiny.json"), *files]) == 1
    assert "sft.average: there is nothing to train" in capsys.readouterr().err
    assert not out.exists()


def test_a_start_and_the_setting_that_names_it_go_together(
    base: BaseModel, sft_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_data(tmp_path / "data.jsonl", 2)
    common = ["--base", base.reference, "--data", str(data), "--out", str(tmp_path / "out")]
    for name, start in (("", ["--start", str(sft_folder)]), ("other", [])):
        settings = experiment(sft={"trainable": "all", "continues": name}).to_dict()
        (tmp_path / "tiny.json").write_text(json.dumps(settings))
        assert sft_main(["--experiment", str(tmp_path / "tiny.json"), *common, *start]) == 1
        assert "--start and sft.continues go together" in capsys.readouterr().err
