"""Training on another host: what is packed trains there, and what comes back is taken over."""

from __future__ import annotations

import json
import os
import shutil
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
from trace_pipeline.modeling.storage.checkpoints import WEIGHTS, read_info
from trace_pipeline.pipeline.lineage import trained_model
from trace_pipeline.pipeline.policies import brought
from trace_pipeline.pipeline.resources import bench_of
from trace_pipeline.solver import Solver
from trace_pipeline.store import file_sha256
from trace_pipeline.validation import InvalidInputError


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_what_another_host_trains_is_taken_over(project: Path, tmp_path: Path) -> None:
    """A model, one that goes on from it with RL, and that one as it is."""
    for name, text in {
        "root": "inherits: tiny\nrl: {iterations: 0}\n",
        "further": "inherits: tiny\nsft: {continues: root, learning_rate: 2e-3}\n",
        "strict": "inherits: root\nsft: {continues: further, epochs: 0}\ndecoding: {drafts: 0}\n",
    }.items():
        (project / "experiments" / f"{name}.yaml").write_text(f"{text}description: One.\n")
    folder = tmp_path / "packed"
    packed = run("pack", str(folder), "--experiment", "strict")
    assert packed.exit_code == 0, packed.output
    assert (
        "strict, 40 examples to train on, 8 to choose by; before that further, 40 examples to "
        "train on, 8 to choose by; before that root, 40 examples to train on, 8 to choose by, and "
    ) in packed.output
    python = Path(sys.executable).parent
    host = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{python}:{os.environ['PATH']}"}
    subprocess.run(["sh", str(folder / "run.sh")], check=True, env=host, cwd=tmp_path)
    questions = (folder / "questions.jsonl").read_text().splitlines()
    completions = (folder / "completions.jsonl").read_text().splitlines()
    assert [json.loads(line)["question"] for line in completions] == [
        json.loads(line)["question"] for line in questions
    ]
    assert "answer" not in questions[0]
    parents = folder / "parents"
    there = {
        ("root", "sft"): read_info(parents / "root" / "sft"),
        ("further", "sft"): read_info(parents / "further" / "sft"),
        ("further", "rl"): read_info(parents / "further" / "rl"),
        ("strict", "sft"): read_info(folder / "sft"),
    }
    assert there["further", "sft"].parent == there["root", "sft"].weights_sha256
    assert there["strict", "sft"].parent == there["further", "rl"].weights_sha256

    # What did not arrive whole is refused, and nothing of the rest is kept.
    half = shutil.copytree(folder, tmp_path / "half")
    (half / "sft" / WEIGHTS).write_bytes(b"")
    torn = run("bring", str(half), "--experiment", "strict")
    assert torn.exit_code != 0
    assert "missing or altered" in torn.output
    assert not brought(bench_of("root"), "sft_checkpoint").exists()
    # Of what it goes on from the record is enough; later the weights can be brought too.
    light = shutil.copytree(folder, tmp_path / "light")
    (light / "parents" / "root" / "sft" / WEIGHTS).unlink()
    told = run("bring", str(light), "--experiment", "strict")
    assert told.exit_code == 0, told.output
    assert (
        "at hand: sft_checkpoint of root (its record, no weights), sft_checkpoint of further, "
        "rl_checkpoint of further, sft_checkpoint of strict; trace-pipeline run --experiment "
        "strict takes over\n"
    ) in told.output
    result = run("run", "--experiment", "strict", "--until", "rl_checkpoint")
    assert result.exit_code == 0, result.output
    recorded = bench_of("root").require("rl_checkpoint").path
    assert read_info(recorded).elsewhere
    assert not (recorded / WEIGHTS).exists()
    with pytest.raises(InvalidInputError, match="only its record is here"):
        trained_model(bench_of("root"))  # before the hours that the untuned base takes
    for command, name in (("export", "root"), ("pack", "further")):
        lacking = run(command, str(tmp_path / "lacking"), "--experiment", name)
        assert "stayed where it was trained, only its record is here" in lacking.output
        assert not (tmp_path / "lacking").exists()
    assert run("bring", str(parents / "root"), "--experiment", "root").exit_code == 0
    result = run("run", "--experiment", "root", "--until", "rl_checkpoint")
    assert result.exit_code == 0, result.output
    for (name, stage), info in there.items():
        bench = bench_of(name)
        here = bench.require(f"{stage}_checkpoint").path
        assert read_info(here).created == info.created
        assert file_sha256(here / WEIGHTS) == info.weights_sha256
        assert not brought(bench, f"{stage}_checkpoint").exists()  # its place is in the store now
    strict, further = (bench_of(name).require("rl_checkpoint") for name in ("strict", "further"))
    assert file_sha256(strict.path / WEIGHTS) == file_sha256(further.path / WEIGHTS)
    made = bench_of("strict").require("sft_checkpoint")
    assert made.manifest.parents["further/rl_checkpoint"] == further.sha256

    # What is trained here already is copied, and training from the copy gives the same model.
    begun = tmp_path / "begun"
    assert run("pack", str(begun), "--experiment", "further").exit_code == 0
    script = (begun / "run.sh").read_text()
    (sft,) = [line for line in script.splitlines() if " trace_pipeline.modeling.sft " in line]
    assert sft.endswith("--out sft --start start")
    subprocess.run(["sh", "-c", sft], check=True, env=host, cwd=begun)
    trained = read_info(begun / "sft")
    assert trained.run == there["further", "sft"].run
    assert trained.parent == there["root", "sft"].weights_sha256
    assert file_sha256(begun / "sft" / WEIGHTS) == there["further", "sft"].weights_sha256

    # Where its file has changed since, that is said.
    changed = project / "experiments" / "further.yaml"
    changed.write_text(changed.read_text().replace("2e-3", "4e-3"))
    again = run("pack", str(tmp_path / "again"), "--experiment", "strict")
    assert again.exit_code == 0, again.output
    assert "NOTE: goes on from further as it was trained, with sft.learning_rate 0.002" in (
        again.output
    )
    assert not (tmp_path / "again" / "parents").exists()
    late = run("bring", str(folder), "--experiment", "strict")
    assert "not taken, unfinished there or trained here: further, root" in late.output
    # An artifact's own folder can be brought as well; its manifest stays where it belongs.
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact" / "sft").symlink_to(bench_of("root").require("sft_checkpoint").path)
    (project / "experiments" / "alike.yaml").write_text("inherits: root\ndescription: Alike.\n")
    assert run("bring", str(tmp_path / "artifact"), "--experiment", "alike").exit_code == 0
    result = run("run", "--experiment", "alike", "--until", "sft_checkpoint")
    assert result.exit_code == 0, result.output
    taken = read_info(bench_of("alike").require("sft_checkpoint").path)
    assert taken.run == there["root", "sft"].run
    target = tmp_path / "outputs.jsonl.gz"
    written = run(
        "outputs", str(target), "--experiment", "tiny_with_another_seed",
        "--completions", str(folder / "completions.jsonl"), "--checkpoint", str(folder / "sft"),
    )  # fmt: skip
    assert written.exit_code == 0, written.output
    assert run("rescore", str(target)).exit_code == 0
    # Weights that are here already are not lost to a record of them.
    (parents / "further" / "sft" / WEIGHTS).unlink()
    once_more = run("bring", str(parents / "further"), "--experiment", "further")
    assert "at hand: sft_checkpoint of further, rl_checkpoint of further;" in once_more.output
    assert (brought(bench_of("further"), "sft_checkpoint") / WEIGHTS).is_file()
    other = project / "experiments" / "other.yaml"
    other.write_text("inherits: tiny\ndescription: Another rate.\nsft: {learning_rate: 0.003}\n")
    assert run("bring", str(parents / "root"), "--experiment", "other").exit_code == 0
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
    rows = "pass@1 0.0 %, pass@2 0.0 %, majority@2 0 of 60"
    assert f"o.jsonl.gz, 2 samples of each problem: {rows}" in result.output
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
