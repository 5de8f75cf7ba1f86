"""Training on another host: what is packed trains there, and what comes back is taken over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from tests.pipeline.conftest import ROOT, FinishedRun
from trace_pipeline.cli import cli
from trace_pipeline.evaluation import Header, publish_completions, real_benchmark
from trace_pipeline.gsm8k import load_problems
from trace_pipeline.modeling.checkpoints import read_info
from trace_pipeline.pipeline.policies import brought
from trace_pipeline.pipeline.resources import bench_of
from trace_pipeline.solver import Solver


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_what_another_host_trains_is_taken_over(project: Path, tmp_path: Path) -> None:
    (project / "experiments" / "further.yaml").write_text(
        "inherits: tiny\ndescription: More of the same.\nrl: {iterations: 0}\n"
        "sft: {continues: tiny, learning_rate: 2e-3}\n"
    )
    folder = tmp_path / "packed"
    packed = run("pack", str(folder), "--experiment", "further")
    assert packed.exit_code == 0, packed.output
    assert "further, 40 examples to train on" in packed.output
    assert "before that tiny, 40 examples to train on" in packed.output
    python = Path(sys.executable).parent
    host = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{python}:{os.environ['PATH']}"}
    subprocess.run(["sh", str(folder / "run.sh")], check=True, env=host, cwd=tmp_path)
    first = folder / "parents" / "tiny"
    questions = (first / "questions.jsonl").read_text().splitlines()
    for answered in (folder, first):
        completions = (answered / "completions.jsonl").read_text().splitlines()
        assert [json.loads(line)["question"] for line in completions] == [
            json.loads(line)["question"] for line in questions
        ]
    assert "answer" not in questions[0]
    there = {
        ("tiny", "sft"): read_info(first / "sft"),
        ("tiny", "rl"): read_info(first / "rl"),
        ("further", "sft"): read_info(folder / "sft"),
    }
    parent = there["tiny", "rl"]
    assert there["further", "sft"].parent == parent.weights_sha256

    told = run("bring", str(folder), "--experiment", "further")
    assert told.exit_code == 0, told.output
    assert (
        "at hand: sft_checkpoint and rl_checkpoint of tiny; sft_checkpoint of further; trace-"
        in (told.output)
    )
    result = run("run", "--experiment", "further", "--until", "rl_checkpoint")
    assert result.exit_code == 0, result.output
    for (name, stage), info in there.items():
        bench = bench_of(name)
        here = read_info(bench.require(f"{stage}_checkpoint").path)
        assert (here.weights_sha256, here.created) == (info.weights_sha256, info.created)
        assert not brought(bench, f"{stage}_checkpoint").exists()  # its place is in the store now
    bench = bench_of("further")
    trained = bench_of("tiny").require("rl_checkpoint")
    made = bench.require("sft_checkpoint")
    assert made.manifest.parents["tiny/rl_checkpoint"] == trained.sha256
    assert bench.require("rl_checkpoint").sha256 == made.sha256  # no iterations

    # What is trained here already is copied.
    again = run("pack", str(tmp_path / "again"), "--experiment", "further")
    assert again.exit_code == 0, again.output
    assert read_info(tmp_path / "again" / "start").weights_sha256 == parent.weights_sha256
    assert "--out sft --start start\n" in (tmp_path / "again" / "run.sh").read_text()
    assert not (tmp_path / "again" / "parents").exists()
    # An artifact's own folder can be brought as well; its manifest stays where it belongs.
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact" / "sft").symlink_to(bench_of("tiny").require("sft_checkpoint").path)
    (project / "experiments" / "alike.yaml").write_text("inherits: tiny\ndescription: Alike.\n")
    assert run("bring", str(tmp_path / "artifact"), "--experiment", "alike").exit_code == 0
    result = run("run", "--experiment", "alike", "--until", "sft_checkpoint")
    assert result.exit_code == 0, result.output
    taken = read_info(bench_of("alike").require("sft_checkpoint").path)
    assert taken.run == there["tiny", "sft"].run
    target = tmp_path / "outputs.jsonl.gz"
    written = run(
        "outputs", str(target), "--experiment", "tiny_with_another_seed",
        "--completions", str(first / "completions.jsonl"), "--checkpoint", str(first / "rl"),
    )  # fmt: skip
    assert written.exit_code == 0, written.output
    assert run("rescore", str(target)).exit_code == 0
    other = project / "experiments" / "other.yaml"
    other.write_text("inherits: tiny\ndescription: Another rate.\nsft: {learning_rate: 0.003}\n")
    assert run("bring", str(first), "--experiment", "other").exit_code == 0
    refused = run("run", "--experiment", "other", "--until", "sft_checkpoint")
    assert refused.exit_code != 0
    assert not bench_of("other").store.has("other/sft_checkpoint")


def test_rescoring_samples_shows_the_majority(tmp_path: Path) -> None:
    benchmark = real_benchmark(load_problems("builtin", "test"))
    record = {"text": "no trace", "tokens": 1, "clipped": False}
    lines = [
        msgspec.json.encode({"question": item.question, **record})
        for item in benchmark.items
        for _ in range(2)
    ]
    (tmp_path / "c.jsonl").write_bytes(b"\n".join(lines))
    header = Header(
        model="x", benchmark="", problems=0, fingerprint="", checkpoint="c", revision="r"
    )
    target = tmp_path / "o.jsonl.gz"
    publish_completions(target, tmp_path / "c.jsonl", benchmark, Solver(), header)
    result = run("rescore", str(target), "--gsm8k", "builtin")
    assert result.exit_code == 0, result.output
    assert "x, of 2 samples: pass@1 0.0 %, pass@2 0.0 %, majority@2 0 of 60" in result.output
    one = tmp_path / "one.jsonl.gz"
    (tmp_path / "c.jsonl").write_bytes(b"\n".join(lines[::2]))
    publish_completions(one, tmp_path / "c.jsonl", benchmark, Solver(), replace(header, model="y"))
    votes = ("--answer", "majority", "--answer", "plausible")
    voted = run("rescore", str(one), str(target), "--gsm8k", "builtin", *votes)
    assert voted.exit_code == 0, voted.output
    heads = [line.split("  ")[0] for line in voted.output.splitlines()[2:5]]
    assert heads == ["y", "x, majority@2", "x, plausible@2"]  # of one completion there is no vote
    assert voted.output.count("pass@1") == 1
    assert voted.output.count("On the same 60 problems") == 2
    unknown = run("rescore", str(target), "--gsm8k", "builtin", "--answer", "probable")
    assert unknown.exit_code != 0
    assert "trace_pipeline.modeling.likelihoods" in unknown.output + str(unknown.exception)
    likely = [msgspec.json.encode(msgspec.json.decode(li) | {"log_likelihood": -1}) for li in lines]
    (tmp_path / "c.jsonl").write_bytes(b"\n".join(likely))
    publish_completions(target, tmp_path / "c.jsonl", benchmark, Solver(), header)
    known = run("rescore", str(target), "--gsm8k", "builtin", "--answer", "probable")
    assert known.exit_code == 0, known.output
    assert "x, probable@2" in known.output
    assert "probable@2 0 of 60" in known.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bring", "."], "holds no finished checkpoint (sft/checkpoint.json, rl/checkpoint.json)"),
        (["pack", "."], "exists; name a folder that does not"),
        (["outputs", "x.gz", "--completions", "y"], "--completions and --checkpoint go together"),
        (["outputs", "x.gz", "--part", "validation"], "--part goes with --completions"),
    ],
)
def test_what_cannot_be_used_is_refused(
    finished: FinishedRun, arguments: list[str], message: str
) -> None:
    result = run(*arguments, "--experiment", "tiny")
    assert result.exit_code != 0
    assert message in result.output + str(result.exception)
