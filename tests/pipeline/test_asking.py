"""Asking a tiny model that knows four problems by heart: greedily, and by a vote of samples."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from markdown_it import MarkdownIt

from tests.knowing_project import make_knowing_project
from tests.modeling.tiny import problems
from trace_pipeline.cli import cli
from trace_pipeline.pipeline.ask_page.verbatim import verbatim

KNOWN = problems(1)[0].question
"""7 eggs, 2 eaten."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cold = "temperature: 0.01"  # so that a draw is as good as certain
    drawn = f"decoding: {{max_tokens: 200, samples: 3, {cold}}}"
    experiments = {
        "greedy": f"decoding: {{max_tokens: 200, {cold}}}",
        "short": f"decoding: {{max_tokens: 60, {cold}}}",
        "probable": f"{drawn}\neval: {{answer: probable}}",
        "voting": f"{drawn}\neval: {{answer: plausible}}",
    }
    return make_knowing_project(tmp_path_factory.mktemp("asked"), experiments)


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
        ("probable", (), "answer: 5 (3 of 3 traces agree)\n"),
        ("voting", ("--samples", "1"), "answer: 5\n"),
    ],
)
def test_one_trace_or_a_vote(
    project: Path, name: str, options: tuple[str, ...], conclusion: str
) -> None:
    result = ask(KNOWN, name, *options)
    assert result.exit_code == 0, result.output
    assert result.output.endswith(conclusion)
    assert "doubtful" not in result.output


@pytest.mark.parametrize(
    ("problem", "name", "said"),
    [
        (KNOWN, "short", r"no answer: the token limit \(decoding.max_tokens\) cut the trace: no_q"),
        ("  ", "greedy", "Error: the problem is empty"),
        ("caf\udce9", "greedy", "Error: the problem has bytes that are no UTF-8"),
    ],
)
def test_without_an_answer_the_reason_is_said(
    project: Path, problem: str, name: str, said: str
) -> None:
    result = ask(problem, name)
    assert result.exit_code == 1
    assert re.search(f"^{said}", result.output, re.MULTILINE)


def test_what_speaks_against_the_answer_is_said() -> None:
    from trace_pipeline.pipeline.asking import _read
    from trace_pipeline.solver import Solver
    from trace_pipeline.traces import render_trace

    trace = render_trace(problems(1)[0].trace)
    found = _read(f"{KNOWN} The basket holds 30.", trace, Solver())
    assert found.reasons == ("the answer does not depend on 30",)
    assert _read(KNOWN, trace, Solver()).reasons == ()
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


def test_an_evaluation_asks_how_likely_its_samples_are(project: Path) -> None:
    from trace_pipeline.evaluation import real_benchmark
    from trace_pipeline.gsm8k import load_problems
    from trace_pipeline.pipeline.judging import decoding_config, judge
    from trace_pipeline.pipeline.policies import open_policy
    from trace_pipeline.pipeline.resources import bench_of

    bench = bench_of("probable")
    policy = open_policy(bench, bench.require("rl_checkpoint"))
    benchmark = real_benchmark(load_problems("builtin", "test")).first(2)
    found = judge(bench, policy, benchmark, decoding_config(bench), "rl", "probable")
    assert found.sampled is not None
    assert len(found.sampled.probable) == 2
    assert "probable_at_3" in found.metrics()
    other = judge(bench, policy, benchmark, decoding_config(bench), "rl", "plausible")
    assert "probable_at_3" not in other.metrics()


@pytest.mark.parametrize(
    "problem",
    [
        "Tea is $3 and *cake* is $4; how much are 2_000 of each?",
        "1. Is `a` > b, or # [c](d) <e> a \\ :tea: ~~less~~ & more?",
    ],
)
def test_the_page_shows_a_problem_as_it_is(problem: str) -> None:
    assert MarkdownIt("commonmark").renderInline(verbatim(problem)) == escape(problem, quote=False)
    assert all(f"\\{sign}" in verbatim(problem) for sign in "$:" if sign in problem)
