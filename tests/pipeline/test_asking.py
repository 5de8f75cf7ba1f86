"""Asking a tiny model that knows four problems by heart: greedily, and by a vote of samples."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.modeling.tiny import experiment, make_tiny_model, problems
from trace_pipeline.cli import cli
from trace_pipeline.modeling.base_models import resolve_base
from trace_pipeline.modeling.finetuning import train_sft
from trace_pipeline.store import ArtifactStore

ROOT = Path(__file__).parents[2]
EXPERIMENT = """\
model: {{reference: {base}, dtype: float32, device: cpu}}
prompt: {{system: none, template: plain}}
decoding: {{max_tokens: 200{decoding}}}
{rest}
"""
KNOWN = problems(1)[0].question
"""7 eggs, 2 eaten."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("asked")
    base = resolve_base(str(make_tiny_model(found / "base")))
    trained = found / "trained"
    train_sft(experiment(sft={"epochs": 60, "trainable": "all"}), base, problems(4), trained)
    (found / "experiments").mkdir()
    sampled = ", samples: 3, temperature: 0.01"
    for name, decoding, rest in (
        ("greedy", "", ""),
        ("voting", sampled, "eval: {answer: plausible}"),
    ):
        text = EXPERIMENT.format(base=base.folder, decoding=decoding, rest=rest)
        (found / "experiments" / f"{name}.yaml").write_text(text)
    for name in ("schemas", "vocab"):
        (found / name).symlink_to(ROOT / name)
    store = ArtifactStore(str(found / "artifacts"))
    for name in ("greedy", "voting"):
        with store.write(f"{name}/base_model") as draft:
            draft.summary = {"sha256": base.sha256}
        with store.write(f"{name}/rl_checkpoint") as draft:
            shutil.copytree(trained, draft.path, dirs_exist_ok=True)
    return found


@pytest.fixture
def project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRACE_PIPELINE_HOME", str(folder))
    monkeypatch.delenv("TRACE_PIPELINE_ARTIFACTS", raising=False)
    return folder


def ask(problem: str, name: str, *options: str) -> Result:
    return CliRunner().invoke(cli, ["ask", problem, "--experiment", name, *options])


@pytest.mark.parametrize(
    ("name", "options", "conclusion"),
    [
        ("greedy", (), "answer: 5\n"),
        ("greedy", ("--samples", "2"), "answer: 5 (2 of 2 traces agree)\n"),
        ("voting", (), "answer: 5 (3 of 3 traces agree)\n"),
        ("voting", ("--samples", "1"), "answer: 5\n"),
    ],
)
def test_one_trace_or_a_vote(
    project: Path, name: str, options: tuple[str, ...], conclusion: str
) -> None:
    if name == "greedy" and options:  # 0.7 would be too hot for certainty
        text = (project / "experiments" / "greedy.yaml").read_text()
        text = text.replace("max_tokens: 200", "max_tokens: 200, temperature: 0.01")
        (project / "experiments" / "warm.yaml").write_text(text)
        link = project / "artifacts" / "warm"
        if not link.exists():
            shutil.copytree(project / "artifacts" / "greedy", link)
        name = "warm"
    result = ask(KNOWN, name, *options)
    assert result.exit_code == 0, result.output
    assert result.output.endswith(conclusion)
    assert "doubtful" not in result.output


def test_what_speaks_against_the_answer_is_said(project: Path) -> None:
    from trace_pipeline.pipeline.asking import Asker
    from trace_pipeline.pipeline.resources import bench_of

    known = Asker(bench_of("greedy"))
    found = known.answer(KNOWN)
    assert (found.answer, found.doubts, found.samples, found.agreeing) == ("5", (), 1, 1)
    lost = known.answer("Sing me a song.")
    assert lost.agreeing == 0 or lost.solved


def test_doubts_name_what_is_wrong() -> None:
    from trace_pipeline.pipeline.asking import _read
    from trace_pipeline.solver import Solver
    from trace_pipeline.traces import render_trace

    trace = render_trace(problems(1)[0].trace)
    found = _read(f"{KNOWN} The basket holds 30.", trace, Solver())
    assert found.reasons == ("the answer does not depend on 30",)
    assert _read(KNOWN, "nothing", Solver()).problem


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--samples", "0"), "--samples"), (("--page", "--samples", "4"), "give either a PROBLEM")],
)
def test_options_that_make_no_sense(project: Path, options: tuple[str, ...], message: str) -> None:
    result = ask(KNOWN, "greedy", *options)
    assert result.exit_code == 2
    assert message in result.output
    alone = CliRunner().invoke(cli, ["ask", "--page", "--samples", "4"])
    assert "--samples goes with a PROBLEM" in alone.output
