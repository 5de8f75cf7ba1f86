"""The commands that people type, as they type them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click import ClickException
from click.testing import CliRunner, Result

from tests.pipeline.conftest import FinishedRun
from trace_pipeline.cli import cli, told
from trace_pipeline.store import write_atomic

TRACE = """\
expert: arithmetic
trace:
- {op: init, var: eggs, value: 16}
- {op: init, var: eaten, value: 3}
- {op: compute, compute_op: sub, args: [eggs, eaten], var: result}
- {op: query, var: result}
"""


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, arguments, input=text)


def dagster(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trace_pipeline.dagster_cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_solve_shows_the_steps_and_the_answer(tmp_path: Path) -> None:
    (tmp_path / "trace.yaml").write_text(TRACE)
    result = run("solve", str(tmp_path / "trace.yaml"))
    assert result.exit_code == 0
    assert "16 - 3 = 13" in result.output
    assert result.output.endswith("answer: 13\n")


def test_solve_says_what_is_wrong_with_a_trace(tmp_path: Path) -> None:
    (tmp_path / "trace.yaml").write_text(TRACE.replace("[eggs, eaten]", "[eggs, drunk]"))
    result = run("solve", str(tmp_path / "trace.yaml"))
    assert result.exit_code == 1
    assert "drunk" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", ["solve", "verify"])
def test_a_file_that_is_not_there_is_named_with_what_to_do(command: str, tmp_path: Path) -> None:
    result = run(command, str(tmp_path / "nothere"))
    assert result.exit_code == 1
    assert f"{tmp_path / 'nothere'}: no such file; name one, or give -" in result.output
    folder = run(command, str(tmp_path))
    assert folder.exit_code == 1
    assert folder.output == f"Error: {tmp_path}: is a directory\n"


def test_of_what_cannot_be_replaced_the_name_is_told_that_was_given(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as refused:
        write_atomic(tmp_path, b"")
    assert told(refused.value) == f"{tmp_path}: is a directory"


def test_standard_input_that_is_no_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # As Python opens it in the locale C: bytes that are no text pass.
    stdin = io.TextIOWrapper(io.BytesIO(b"expert: \xff"), "utf-8", "surrogateescape")
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(ClickException, match="-: not UTF-8 text"):
        cli.main(["solve", "-"], standalone_mode=False)


def test_verify_judges_each_line_in_order() -> None:
    lines = [
        {"text": TRACE, "answer": 13, "id": "ignored"},
        {"text": TRACE, "answer": 12.5},
        {"text": "no trace", "answer": 1},
        {"text": TRACE, "answer": 13, "expert": "comparison"},
    ]
    result = run("verify", "-", text="\n".join(map(json.dumps, lines)))
    assert result.exit_code == 0
    found = [json.loads(line) for line in result.output.splitlines()]
    assert [f["kind"] for f in found] == ["correct", "wrong_answer", "parse_fail", "wrong_expert"]
    assert set(found[0]) == {"kind", "reason", "reward", "answer", "message"}
    assert [f["answer"] for f in found[:2]] == [13, 13]


def test_verify_reads_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps({"text": TRACE, "answer": 13}) + "\n", encoding="utf-8-sig")
    assert json.loads(run("verify", str(path)).output)["kind"] == "correct"


def test_verify_writes_a_repeating_fraction_as_text() -> None:
    trace = TRACE.replace("sub", "div").replace("16", "1")
    result = run("verify", "-", text=json.dumps({"text": trace, "answer": 5}))
    assert json.loads(result.output)["answer"] == "1/3"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON"),
        ("[1]", "line 2: expected an object, found list"),
        ('{"answer": 1}', r"line 2: $.text: expected a string, found None"),
        ('{"text": "x"}', "line 2: $.answer is missing"),
        ('{"text": "x", "answer": "many"}', "line 2: $.answer:"),
        ('{"text": "x", "answer": 1, "expert": 3}', "line 2: $.expert: expected a string"),
        ('{"text": "x", "answer": 1, "expert": "aritmetic"}', "did you mean 'arithmetic'?"),
        ('{"text": "x", "answer": 1, "expert": "\\ud800"}', "unknown expert '\\ud800'"),
        (f'{{"text": "x", "answer": 1e{"9" * 20}}}', "line 2: expected smaller exponents"),
        pytest.param("[" * 100_000, "line 2: nested too deeply", id="deep"),
        pytest.param(
            '{"text": "x", "answer": ' + "1" * 5000 + "}", "line 2: $.answer: the gold", id="huge"
        ),
    ],
)
def test_verify_refuses_a_bad_line_before_it_judges_any(line: str, message: str) -> None:
    result = run("verify", "-", text='{"text": "x", "answer": 1}\n' + line)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert message in result.output
    assert "parse_fail" not in result.output


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_generate_writes_exactly_n(tmp_path: Path, suffix: str) -> None:
    from trace_pipeline.generation import read_examples

    out = tmp_path / f"data.{suffix}"
    result = run("generate", "--n", "20", "--seed", "3", "--out", str(out))
    assert result.exit_code == 0, result.output
    examples = read_examples(out)
    assert len(examples) == 20
    assert {e.split for e in examples} == {"train"}


def test_generate_one_schema_or_one_expert(tmp_path: Path) -> None:
    out = tmp_path / "data.jsonl"
    run("generate", "--n", "5", "--schema", "percent_off", "--out", str(out))
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert {r["schema"] for r in records} == {"percentage/percent_off"}
    assert list(records[0]) == [
        "question", "trace", "answer", "expert", "schema", "index", "split",
    ]  # fmt: skip
    run("generate", "--n", "5", "--expert", "comparison", "--out", str(out))
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert (len(records), {r["expert"] for r in records}) == (5, {"comparison"})


def test_generate_takes_the_ablations_and_a_shard(tmp_path: Path) -> None:
    from trace_pipeline.generation import read_examples

    out = tmp_path / "data.jsonl"
    result = run(
        *("generate", "--n", "60", "--mix", "run_3", "--shard", "1/3", "--wording", "varied"),
        *("--naming", "semantic", "--phrasings", "1", "--out", str(out)),
    )
    assert result.exit_code == 0, result.output
    examples = read_examples(out)
    assert len(examples) == 20
    assert "composition" not in {e.expert for e in examples}
    assert "var: result}" not in "".join(
        json.loads(line)["trace"] for line in out.read_text().splitlines()
        if "arithmetic" in line
    )  # fmt: skip


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--shard", "3/3", "expected K/OF with K from 0 to OF - 1"),
        ("--shard", "half", "expected K/OF"),
        ("--phrasings", "0", "expected a number from 1 on, or all"),
        ("--mix", "run_1", "'run_1' is not one of"),
        ("--interleaved-ratio", "2", "2 is not in the range"),
        ("--processes", "0", "0 is not in the range"),
    ],
)
def test_generate_refuses_options_out_of_range(
    tmp_path: Path, option: str, value: str, message: str
) -> None:
    result = run("generate", "--n", "5", option, value, "--out", str(tmp_path / "x.jsonl"))
    assert result.exit_code == 2
    assert message in result.output.replace("2.0", "2")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--expert", "arithmetic", "--composition-share", "0.5"), "exclude each other; give one"),
        (
            ("--expert", "arithmetic", "--schema", "percent_off"),
            "mix: the chosen schemas are of percentage, which has no weight in the mix",
        ),
    ],
)
def test_options_that_contradict_each_other(
    tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    result = run("generate", "--n", "5", *options, "--out", str(tmp_path / "x.jsonl"))
    assert result.exit_code in (1, 2)
    assert message in result.output
    assert not list(tmp_path.iterdir())


def test_an_unknown_schema_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    out = tmp_path / "data.jsonl"
    result = run("generate", "--n", "5", "--schema", "percent_of", "--out", str(out))
    assert result.exit_code == 1
    assert "unknown schema" in result.output
    assert not out.exists()


def test_audit_prints_tables() -> None:
    result = run("audit", "--samples", "2", "--no-lengths")
    assert result.exit_code == 0, result.output
    assert "percentage/percent_off" in result.output
    assert "0 findings" in result.output
    assert "duplicates: 0" in result.output


def test_audit_holds_lengths_against_the_experiment(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "audit.json"
    audit = ("audit", "--samples", "1", "--no-diversity", "--experiment", "tiny")
    sound = run(*audit, "--out", str(out))
    assert sound.exit_code == 0, sound.output
    longest = max(row["longest_target"] for row in json.loads(out.read_text())["rows"])
    path = project / "experiments" / "tiny.yaml"
    text = path.read_text().replace("decoding: {max_tokens: 1000}", "decoding: {max_tokens: 100}")
    path.write_text(text)
    result = run(*audit)
    assert result.exit_code == 1
    assert f"longest trace {longest} tokens, decoding takes 100" in result.output


def test_show_prints_examples_to_read() -> None:
    result = run("show", "--n", "2", "--seed", "4", "--wording", "varied")
    assert result.exit_code == 0, result.output
    assert result.output.count("## ") == 6
    assert result.output.count("\n2. ") == 6
    refused = run("show", "--schema", "percent_of")
    assert refused.exit_code == 1
    assert "unknown schema" in refused.output


def test_an_unknown_experiment_lists_what_there_is() -> None:
    result = run("run", "--experiment", "quikstart")
    assert result.exit_code == 1
    assert "did you mean 'quickstart'" in result.output


def test_experiments_are_listed() -> None:
    assert "quickstart  " in run("experiments").output


def test_ask_shows_the_models_text_and_the_outcome(finished: FinishedRun) -> None:
    result = run("ask", "Ann has 3 eggs and eats 1. How many are left?", "--experiment", "tiny")
    assert result.exit_code == 1  # a random model writes no trace
    assert "no answer: " in result.output


def test_report_repeats_the_closing_table(finished: FinishedRun) -> None:
    result = run("report", "--experiment", "tiny")
    assert result.exit_code == 0, result.output
    assert result.output.strip() in finished.closing


def test_the_verbatim_dagster_command_evaluates_again(finished: FinishedRun) -> None:
    import os

    os.environ["TRACE_PIPELINE_EXPERIMENT"] = "tiny"
    try:
        done = dagster("asset", "materialize", "--select", "gsm8k_eval")
    finally:
        del os.environ["TRACE_PIPELINE_EXPERIMENT"]
    assert done.returncode == 0, done.stderr
    assert finished.bench().store.manifest("tiny/gsm8k_eval").version > "0001"


@pytest.mark.parametrize(
    ("asset", "missing"),
    [("gsm8k_eval", "rl_checkpoint"), ("sft_checkpoint", "synthetic_dataset")],
)
def test_a_missing_upstream_names_the_command_that_makes_it(
    project: Path, monkeypatch: pytest.MonkeyPatch, asset: str, missing: str
) -> None:
    monkeypatch.setenv("TRACE_PIPELINE_EXPERIMENT", "tiny")
    done = dagster("asset", "materialize", "--select", asset)
    assert done.returncode == 1
    assert f"dagster asset materialize --select {missing}" in done.stderr + done.stdout
    assert not list(project.glob("artifacts/tiny/*/current.json"))


@pytest.mark.parametrize("command", [["ask", "How many?"], ["report"]])
def test_what_needs_a_finished_run_names_the_command(project: Path, command: list[str]) -> None:
    result = run(*command, "--experiment", "tiny")
    assert result.exit_code == 1
    assert "trace-pipeline run --experiment tiny" in result.output
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either a PROBLEM or --page"),
        (["How many?", "--page"], "give either a PROBLEM or --page"),
        (["--page", "--experiment", "tinny"], "did you mean 'tiny'"),
        (["--page", "--port", "0"], "--port"),
    ],
)
def test_ask_says_what_it_needs(project: Path, arguments: list[str], message: str) -> None:
    result = run("ask", "--experiment", "tiny", *arguments)
    assert result.exit_code != 0
    assert message in result.output


def test_the_page_refuses_a_port_that_is_taken(project: Path) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = run("ask", "--page", "--experiment", "tiny", "--port", str(port))
    assert result.exit_code == 1
    assert f"port {port} of 127.0.0.1 is taken; give another one with --port" in result.output


def test_the_page_stays_on_this_machine() -> None:
    from trace_pipeline.pipeline.ask_page.serving import command

    line = command("tiny", 8600)
    assert {
        "--server.address=127.0.0.1",
        "--server.port=8600",
        "--server.headless=true",
        "--browser.gatherUsageStats=false",
    } <= set(line)
    assert line[-2:] == ["--", "tiny"]


def test_run_stops_after_the_asset_that_is_named(project: Path) -> None:
    result = run("run", "--experiment", "tiny", "--until", "gsm8k_problems")
    assert result.exit_code == 0, result.output
    assert "gsm8k_problems and what is needed for it: done in" in result.output
    assert [found.name for found in (project / "artifacts" / "tiny").iterdir()] == [
        "gsm8k_problems"
    ]


def test_run_refuses_to_stop_after_an_asset_that_does_not_exist(project: Path) -> None:
    result = run("run", "--experiment", "tiny", "--until", "sft_checkpiont")
    assert result.exit_code != 0
    assert "unknown asset 'sft_checkpiont'; did you mean 'sft_checkpoint'?" in result.output
    assert not (project / "artifacts").exists()
