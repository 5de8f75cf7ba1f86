"""The report says the same in both forms, needs nothing else, and cannot be broken by a model."""

import json
import re
import time
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace

from trace_pipeline.evaluation import (
    BenchmarkKind,
    Figure,
    Report,
    loss_figure,
    render_html,
    render_markdown,
    write_report,
)
from trace_pipeline.evaluation.sampled import Sampled

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> | ${title} & 'quote\""


@pytest.fixture
def report(evaluation, evaluate):
    return Report(
        title="quickstart",
        evaluation=evaluation,
        base=evaluate(unparsed=4, model="base"),
        others=(replace(evaluation, model="sft"),),
        synthetic=evaluate(correct=9, wrong=1, kind=BenchmarkKind.SYNTHETIC),
        curves=(Figure("loss", "Training loss", loss_figure([{"step": 1, "loss": 2.0}])),),
        facts=(("base model", "embedded"), ("git revision", "abc123")),
    )


class Page(HTMLParser):
    """Collects tags, attributes and the embedded predictions."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.embedded = ""
        self._in_data = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        given = dict(attributes)
        self.addresses += [given[name] for name in ("src", "href") if name in given]
        self._in_data = given.get("type") == "application/json"

    def handle_data(self, data):
        if self._in_data:
            self.embedded += data

    def handle_endtag(self, tag):
        self._in_data = False


def test_both_forms_say_the_same(report):
    markdown, page = render_markdown(report), render_html(report)
    for text in (
        "quickstart",
        "rl on GSM-8K test",
        "20.0 %",
        "Only 5 problems were evaluated",
        "no problem in common",
        "On the same 5 problems rl solves 1 and sft 1",
        "folder, test.jsonl",
        "invalid_trace:short_circuit",
        "Held-out synthetic problems",
        "abc123",
        "First 5 problems",
    ):
        assert text in markdown, text
        assert text in page, text


def test_the_headline_has_count_and_interval(report):
    assert report.headline == ("rl on GSM-8K test: 1 of 5 (20.0 %, 95 % interval 3.6 to 62.4 %)")


def test_the_page_needs_nothing_from_elsewhere(report):
    page = render_html(report)
    assert all(address.startswith("data:") for address in Page(page).addresses)
    assert not re.search(r"https?://", page)
    assert "default-src 'none'" in page


def test_every_prediction_is_in_the_browser(report):
    rows = json.loads(Page(render_html(report)).embedded)
    assert [row["status"] for row in rows] == [p.status for p in report.evaluation.predictions]
    assert [row["completion"] for row in rows] == [
        p.completion for p in report.evaluation.predictions
    ]


def test_the_script_reads_only_fields_that_are_there(report):
    page = render_html(report)
    fields = set(json.loads(Page(page).embedded)[0])
    used = set(re.findall(r"\bp\.(\w+)", page.rpartition("<script>")[2]))
    assert used | {"outcome"} == fields


def test_a_hostile_model_changes_no_markup(report, predict):
    before = Page(render_html(report)).tags
    predictions = tuple(
        replace(p, question=HOSTILE, completion=HOSTILE, message=HOSTILE, reference=HOSTILE)
        for p in report.evaluation.predictions
    )
    hostile = replace(report, evaluation=replace(report.evaluation, predictions=predictions))
    page = Page(render_html(hostile))
    assert page.tags == before
    assert json.loads(page.embedded)[0]["completion"] == HOSTILE
    named = replace(report, title=HOSTILE, facts=((HOSTILE, HOSTILE), ("a", "b")))
    assert Page(render_html(named)).tags == before


def test_the_sample_is_never_called_gsm8k(evaluate):
    report = Report(title="quickstart", evaluation=evaluate(wrong=3, kind=BenchmarkKind.BUILTIN))
    assert "GSM-8K" not in render_markdown(report)
    assert "GSM-8K" not in render_html(report)


def test_files_are_written_with_their_figures(tmp_path, report):
    markdown, page = write_report(tmp_path, report)
    text = markdown.read_text(encoding="utf-8")
    linked = re.findall(r"\]\((figures/.*?)\)", text)
    assert len(linked) >= 5
    for name in linked:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert sorted(f"figures/{path.name}" for path in (tmp_path / "figures").iterdir()) == sorted(
        linked
    )
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_an_evaluation_alone_makes_a_report(evaluation, evaluate):
    for alone in (evaluation, evaluate()):
        assert "Outcomes" in render_markdown(Report(title="alone", evaluation=alone))


def test_a_report_over_the_whole_test_split_is_small(evaluation, predict):
    rows = tuple(
        predict(
            index=i, question="word " * 50, completion="- {op: init}\n" * 40, reference="r" * 300
        )
        for i in range(1319)
    )
    report = Report(title="full", evaluation=replace(evaluation, predictions=rows))
    start = time.process_time()
    page = render_html(report)
    assert time.process_time() - start < 5
    assert len(page.encode()) < 5_000_000


def test_samples_are_reported(evaluation):
    sampled = replace(evaluation, sampled=Sampled(2, (0, 1, 2, 0, 0), (True,) * 2 + (False,) * 3))
    text = render_markdown(Report(title="x", evaluation=sampled))
    assert "| pass@2 | 40.0 % |" in text
    assert "| majority@2 | 2 of 5 (40.0 %" in text
    assert "pass@" not in render_markdown(Report(title="x", evaluation=evaluation))
