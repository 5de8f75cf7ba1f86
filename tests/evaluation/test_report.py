"""The report says the same in both forms, needs nothing else, and cannot be broken by a model."""

import json
import re
import time
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace

from tests.evaluation import sample
from trace_pipeline.evaluation import (
    BenchmarkKind,
    Figure,
    Report,
    loss_figure,
    render_html,
    render_markdown,
    write_report,
)
from trace_pipeline.evaluation.page.records import browsed
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
        "Over 5 problems the interval is 58.8 points wide",
    ):
        assert text in markdown, text
        assert text in page, text
    assert "First 5 problems" in markdown
    assert "First 5 problems" not in page  # its browser shows all of them


def test_the_headline_has_count_and_interval(report):
    assert report.headline == ("rl on GSM-8K test: 1 of 5 (20.0 %, 95 % interval 3.6 to 62.4 %)")


def test_the_page_needs_nothing_from_elsewhere(report):
    page = render_html(report)
    assert all(address.startswith(("data:", "#")) for address in Page(page).addresses)
    assert not re.search(r"https?://", page)
    assert "default-src 'none'" in page


def embedded(page):
    """The predictions that the page's scripts find, as mappings."""
    data = json.loads(Page(page).embedded)
    return [dict(zip(data["columns"], row, strict=True)) for row in data["rows"]]


def test_every_prediction_is_in_the_browser(report):
    rows, predictions = embedded(render_html(report)), report.evaluation.predictions
    assert [row["status"] for row in rows] == [p.status for p in predictions]
    assert [row["completion"] for row in rows] == [p.completion for p in predictions]


def test_the_browser_shows_short_times_too(evaluation):
    seconds = (12.3456, 0.5, 0.0068234, 0.0, 1234.5)
    timed = tuple(
        replace(p, seconds=s) for p, s in zip(evaluation.predictions, seconds, strict=True)
    )
    found = browsed(Report(title="x", evaluation=replace(evaluation, predictions=timed)))
    place = found["columns"].index("seconds")
    assert [row[place] for row in found["rows"]] == [12.35, 0.5, 0.0068, 0, 1234.5]


def test_the_scripts_read_exactly_the_fields_that_are_there(report):
    page = render_html(report)
    used = set(re.findall(r"\bp\.(\w+)", page.rpartition("<script>")[2]))
    assert used == set(embedded(page)[0])


def test_a_prediction_stands_beside_other_models_and_the_reference(report):
    wrong = report.evaluation.predictions[1]
    known = replace(
        report.evaluation,
        predictions=(
            replace(
                wrong,
                diagnosis="wrong_wiring",
                explanation="b is used for a",
                reference_trace="expert: arithmetic",
            ),
        ),
    )
    row = embedded(render_html(replace(report, evaluation=known)))[0]
    assert row["others"] == ["", "wrong_answer:20"]  # the base answered other problems
    assert (row["diagnosis"], row["explanation"]) == ("wrong_wiring", "b is used for a")
    assert (row["trace"], row["solution"]) == ("expert: arithmetic", "so <<19>> 1")


def test_failures_are_shown_where_they_were_diagnosed(report, evaluate):
    undiagnosed = Report(title="t", evaluation=evaluate(correct=1, wrong=2))
    assert "share of failures" not in render_markdown(undiagnosed)
    assert {row["diagnosis"] for row in embedded(render_html(undiagnosed))} == {
        "",
        "not diagnosed",
    }
    predictions = tuple(
        p if p.correct else replace(p, diagnosis="wrong_wiring")
        for p in report.evaluation.predictions
    )
    diagnosed = replace(report, evaluation=replace(report.evaluation, predictions=predictions))
    markdown, page = render_markdown(diagnosed), render_html(diagnosed)
    assert "| wrong_wiring | 4 | 100.0 % |" in markdown
    assert "An example of each failure" in markdown
    assert "An example of each failure" not in page
    assert "figures/diagnoses.png" in markdown
    assert 'data-facet="diagnosis" data-value="wrong_wiring"' in page


def test_plots_are_drawn_in_the_colours_of_the_page(report):
    page = render_html(report)
    plots = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(plots) >= 5
    for plot in plots:
        assert 'role="img" aria-label="' in plot
        assert set(re.findall(r"#[0-9a-f]{6}\b", plot)) == set()
        assert set(re.findall(r"var\((--[\w-]+)\)", plot)) <= set(re.findall(r"(--[\w-]+):", page))
    identifiers = re.findall(r' id="([^"]+)"', re.sub(r"<defs>.*?</defs>", "", page, flags=re.S))
    assert len(identifiers) == len(set(identifiers))


def test_every_control_has_a_name(report):
    page = render_html(report)
    for control in re.findall(r"<(?:select|input)[^>]*>", page):
        assert re.search(rf"<label[^>]*>[^<]+{re.escape(control)}", page), control
    assert '<html lang="en">' in page
    assert 'scope="col"' in page


def test_a_hostile_model_changes_no_markup(report, predict):
    before = Page(render_html(report)).tags
    predictions = tuple(
        replace(
            p,
            question=HOSTILE,
            completion=HOSTILE,
            message=HOSTILE,
            reference=HOSTILE,
            explanation=HOSTILE,
            reference_trace=HOSTILE,
        )
        for p in report.evaluation.predictions
    )
    hostile = replace(report, evaluation=replace(report.evaluation, predictions=predictions))
    page = Page(render_html(hostile))
    assert page.tags == before
    assert HOSTILE in json.loads(page.embedded)["rows"][0]
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
    assert len(linked) >= 6
    for name in linked:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert sorted(f"figures/{path.name}" for path in (tmp_path / "figures").iterdir()) == sorted(
        linked
    )
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_an_evaluation_alone_makes_a_report(evaluation, evaluate):
    for alone in (evaluation, evaluate()):
        assert "Outcomes" in render_markdown(Report(title="alone", evaluation=alone))


def test_a_report_over_as_many_problems_as_the_test_split_is_small():
    start = time.process_time()
    judged = sample.evaluation(1319)
    page = render_html(Report(title="full", evaluation=judged))
    assert time.process_time() - start < 30
    assert len(page.encode()) < 5_000_000
    rows = embedded(page)
    assert len(rows) == 1319
    assert all(row["mark"] for row in rows if row["kind"] == "wrong_answer")
    assert all(row["solved"] for row in rows if row["kind"] in ("correct", "wrong_answer"))


def test_samples_are_reported(evaluation):
    sampled = replace(evaluation, sampled=Sampled(2, (0, 1, 2, 0, 0), (True,) * 2 + (False,) * 3))
    text = render_markdown(Report(title="x", evaluation=sampled))
    assert "| pass@2 | 40.0 % |" in text
    assert "| majority@2 | 2 of 5 (40.0 %" in text
    assert "pass@" not in render_markdown(Report(title="x", evaluation=evaluation))
