"""Published completions are judged anew to the same figures, or refused."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from trace_pipeline.cli import cli
from trace_pipeline.evaluation import (
    Benchmark,
    Evaluation,
    Header,
    Output,
    publish_completions,
    read_outputs,
    real_benchmark,
    rescore,
    rescore_each,
    score,
    write_outputs,
)
from trace_pipeline.gsm8k import load_problems
from trace_pipeline.gsm8k.conversion import convert_problem
from trace_pipeline.solver import Solver
from trace_pipeline.validation import InvalidInputError

RIGHT = """\
expert: arithmetic
trace:
- {op: init, var: gold, value: %s}
- {op: init, var: two, value: 2}
- {op: compute, compute_op: mul, args: [gold, two], var: step1}
- {op: compute, compute_op: div, args: [step1, two], var: result}
- {op: query, var: result}
"""


@pytest.fixture(scope="module")
def benchmark() -> Benchmark:
    return real_benchmark(load_problems("builtin", "test")).first(12)


@pytest.fixture(scope="module")
def evaluation(benchmark: Benchmark) -> Evaluation:
    written = [
        Output(index=i.index, text="no trace" if i.index % 3 else RIGHT % i.gold, tokens=4)
        for i in benchmark.items
    ]
    return score(benchmark, written, Solver(allow_short_circuit=True), "model")


def header_of(evaluation: Evaluation, **fields: Any) -> Header:
    known: dict[str, Any] = {
        "model": "x, rl",
        "benchmark": evaluation.benchmark,
        "problems": evaluation.total,
        "fingerprint": evaluation.fingerprint,
        "checkpoint": "c" * 64,
        "revision": "r" * 40,
    }
    return Header(**known | fields)


def test_the_same_figures_from_the_published_file(
    benchmark: Benchmark, evaluation: Evaluation, tmp_path: Path
) -> None:
    path = tmp_path / "outputs.jsonl.gz"
    write_outputs(path, evaluation, header_of(evaluation))
    again = rescore(path, benchmark, Solver(allow_short_circuit=True))
    assert evaluation.correct.count == 4
    assert again.correct == evaluation.correct
    assert [p.kind for p in again.predictions] == [p.kind for p in evaluation.predictions]
    assert again.model == "x, rl"


def test_the_file_holds_no_question_and_is_the_same_each_time(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    first, second = tmp_path / "1.gz", tmp_path / "2.gz"
    for path in (first, second):
        write_outputs(path, evaluation, header_of(evaluation))
    assert first.read_bytes() == second.read_bytes()
    text = gzip.decompress(first.read_bytes()).decode()
    assert not any(p.question[:40] in text for p in evaluation.predictions)


@pytest.mark.parametrize("samples", [1, 3])
def test_what_the_bare_command_wrote_is_published(
    benchmark: Benchmark, tmp_path: Path, samples: int
) -> None:
    written = [
        {"question": i.question, "text": RIGHT % i.gold if k == 1 or i.index % 3 == 0 else "no",
         "tokens": 4, "clipped": False, "seconds": 1.0}
        for i in benchmark.items
        for k in range(samples)
    ]  # fmt: skip
    (tmp_path / "c.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, written)) + b"\n")
    header = Header(
        model="x, sft", benchmark="", problems=0, fingerprint="", checkpoint="c", revision="r"
    )
    path, solver = tmp_path / "o.gz", Solver(allow_short_circuit=True)
    found = publish_completions(path, tmp_path / "c.jsonl", benchmark, solver, header)
    again = rescore(path, benchmark, solver)
    assert again.correct == found.correct
    assert found.correct.count == 4  # the first sample of each
    if samples > 1:
        assert again.sampled is not None
        assert again.sampled.samples == samples
        assert again.sampled.pass_at(samples) == 1
        assert again.sampled.greedy == ()
        voted = rescore(path, benchmark, solver, "majority")  # "no" has no vote
        assert voted.correct.count == voted.total == 12
        greedy = [line | {"greedy": True} if n % samples == 0 else line
                  for n, line in enumerate(written)]  # fmt: skip
        (tmp_path / "g.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, greedy)))
        publish_completions(tmp_path / "g.gz", tmp_path / "g.jsonl", benchmark, solver, header)
        both = rescore(tmp_path / "g.gz", benchmark, solver)
        assert both.sampled is not None
        assert both.sampled.greedy == tuple(p.correct for p in again.predictions)
        assert both.sampled.samples == samples - 1
    for wrong in (written[1:], [*written[1:], written[0]]):
        (tmp_path / "c.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, wrong)))
        with pytest.raises(InvalidInputError, match="not as many of each of the 12 questions"):
            publish_completions(path, tmp_path / "c.jsonl", benchmark, solver, header)


def test_other_problems_are_refused(
    benchmark: Benchmark, evaluation: Evaluation, tmp_path: Path
) -> None:
    path = tmp_path / "outputs.jsonl.gz"
    write_outputs(path, evaluation, header_of(evaluation))
    changed = tuple(replace(i, question=i.question + " Or not?") for i in benchmark.items)
    with pytest.raises(InvalidInputError, match=r"answers other problems.*TRACE_PIPELINE_GSM8K"):
        rescore(path, replace(benchmark, items=changed), Solver())
    with pytest.raises(
        InvalidInputError, match=r"problem 4, which built-in sample.*TRACE_PIPELINE_GSM8K; .*--part"
    ):
        rescore(path, benchmark.first(4), Solver())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "cannot be read"),
        (b"plain", "cannot be read"),
        (gzip.compress(b"", mtime=0), "not a file of a model's outputs"),
        (gzip.compress(b'{"model": 1}\n', mtime=0), "not a file of a model's outputs"),
        (gzip.compress(b"{}", mtime=0)[:-9], "not a file of a model's outputs"),
        (gzip.compress(b"{}" * 99, mtime=0)[:10] + b"\xff" * 20, "not a file of a model's outputs"),
        (gzip.compress(b'{"x": ' + b"[" * 5000, mtime=0), "not a file of a model's outputs"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, data: bytes | None, reason: str) -> None:
    path = tmp_path / "x.gz"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InvalidInputError, match=reason):
        read_outputs(path)


def test_an_empty_file_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(b"")
    with pytest.raises(InvalidInputError, match="Input data was truncated"):
        read_outputs(tmp_path / "x.gz")


def test_a_torn_file_and_another_format_are_refused(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    write_outputs(path, evaluation, header_of(evaluation, problems=13))
    with pytest.raises(InvalidInputError, match="says 13 completions, 12 are there"):
        read_outputs(path)
    write_outputs(path, evaluation, header_of(evaluation, format=2))
    with pytest.raises(InvalidInputError, match="format 2, this version reads 1"):
        read_outputs(path)
    for counts in ({"samples": 0}, {"samples": -1, "problems": -12}):
        write_outputs(path, evaluation, header_of(evaluation, **counts))
        with pytest.raises(InvalidInputError, match="not a file of a model's outputs"):
            read_outputs(path)


@pytest.mark.parametrize(
    ("problems", "samples", "of"), [([0, 1, 2, 2], 1, 2), ([0, 0, 1, 0], 2, 1), ([3, 3] * 2, 2, 3)]
)
def test_a_completion_is_never_judged_as_another_problems(
    evaluation: Evaluation, tmp_path: Path, problems: list[int], samples: int, of: int
) -> None:
    chosen = tuple(evaluation.predictions[index] for index in problems)
    header = header_of(evaluation, problems=len(chosen) // samples, samples=samples)
    write_outputs(tmp_path / "x.gz", replace(evaluation, predictions=chosen), header)
    with pytest.raises(InvalidInputError, match=f"torn: .* those of problem {of} beside another's"):
        read_outputs(tmp_path / "x.gz")


def test_one_completion_a_problem_leaves_nothing_to_choose(
    benchmark: Benchmark, evaluation: Evaluation, tmp_path: Path
) -> None:
    path, solver = tmp_path / "x.gz", Solver(allow_short_circuit=True)
    write_outputs(path, evaluation, header_of(evaluation))
    (found,) = rescore_each(path, benchmark, solver, ["probable", "majority"])
    assert found == rescore(path, benchmark, solver, "probable") == rescore(path, benchmark, solver)
    assert found.model == "x, rl"


def test_only_what_was_answered_is_converted_for_a_diagnosis(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, converted = tmp_path / "x.gz", []
    write_outputs(path, evaluation, header_of(evaluation))
    convert = convert_problem
    monkeypatch.setattr(
        "trace_pipeline.evaluation.benchmark.convert_problem",
        lambda problem: converted.append(problem.index) or convert(problem),
    )
    done = CliRunner().invoke(cli, ["rescore", str(path), "--gsm8k", "builtin", "--diagnose"])
    assert done.exit_code == 0, done.output
    assert converted == [p.index for p in evaluation.predictions]


def test_accuracies_are_drawn(evaluation: Evaluation, tmp_path: Path) -> None:
    path, target = tmp_path / "x.gz", tmp_path / "accuracy.svg"
    write_outputs(path, evaluation, header_of(evaluation))
    told = {
        "accuracy.jpg": "ends in .png or .svg",
        "nowhere/accuracy.png": "there is no folder",
        "accuracy.svg": f"{target}: 1 accuracies",
    }
    for name, message in told.items():
        arguments = ["rescore", str(path), "--gsm8k", "builtin", "--figure", str(tmp_path / name)]
        assert message in CliRunner().invoke(cli, arguments).output
    assert b"x, rl" in target.read_bytes()


def test_completions_that_are_no_text_are_refused(benchmark: Benchmark, tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_bytes(
        b'{"question": "a", "text": "", "tokens": 1, "clipped": false}\n{"question": "\xff"}\n'
    )
    header = Header(
        model="x, sft", benchmark="", problems=0, fingerprint="", checkpoint="c", revision="r"
    )
    with pytest.raises(InvalidInputError, match="line 2: not a completion of a question"):
        publish_completions(tmp_path / "o.gz", tmp_path / "c.jsonl", benchmark, Solver(), header)
    assert not (tmp_path / "o.gz").exists()
