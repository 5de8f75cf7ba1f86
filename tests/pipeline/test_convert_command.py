"""``trace-pipeline convert-gsm8k`` on a small file of our own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from trace_pipeline.cli import cli

LINES = [
    {
        "question": "Mia has 12 plums and eats 5. How many plums are left?",
        "answer": "Mia has 12-5=<<12-5=7>>7 plums left.\n#### 7",
    },
    {"question": "Without a gold answer?", "answer": "nothing"},
]


def test_what_reaches_gold_is_written_and_the_rest_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join(map(json.dumps, LINES)) + "\n")
    caplog.set_level("INFO", logger="trace_pipeline.progress")
    result = CliRunner().invoke(cli, ["convert-gsm8k", str(source), str(target)])
    assert result.exit_code == 0, result.output
    assert [m.partition(",")[0] for m in caplog.messages] == ["in.jsonl: 1/1 problems"]
    assert "line 2: " in result.output
    (record,) = [json.loads(line) for line in target.read_text().splitlines()]
    assert list(record) == ["question", "trace", "answer", "index", "confidence", "grounded"]
    assert (record["answer"], record["grounded"]) == (7, True)


def test_a_missing_file_is_one_plain_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["convert-gsm8k", str(tmp_path / "no"), str(tmp_path / "x")])
    assert result.exit_code == 1
    assert "no: cannot be read" in result.output
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("target", "complaint"),
    [(".", "a folder"), ("in.jsonl", "the source itself"), ("link.jsonl", "the source itself")],
)
def test_a_target_that_cannot_be_is_refused_before_anything_is_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "\n".join(map(json.dumps, LINES))
    Path("in.jsonl").write_text(text)
    Path("link.jsonl").symlink_to("in.jsonl")
    result = CliRunner().invoke(cli, ["convert-gsm8k", "in.jsonl", target])
    assert (result.exit_code, complaint in result.output) == (1, True), result.output
    assert Path("in.jsonl").read_text() == text
