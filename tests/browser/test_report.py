"""The report's page as a person uses it: filter, search, open, with the mouse and without."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.evaluation import sample
from trace_pipeline.evaluation import Report, write_report

COUNT = 1319


@pytest.fixture(scope="session")
def report() -> Report:
    return sample.report(COUNT)


@pytest.fixture(scope="session")
def address(report: Report, tmp_path_factory: pytest.TempPathFactory) -> str:
    _, page = write_report(tmp_path_factory.mktemp("report"), report)
    return page.as_uri()


@pytest.fixture
def opened(page: Page, address: str, console_errors: list[str]) -> Iterator[Page]:
    page.goto(address)
    yield page
    assert console_errors == []


def shown(page: Page) -> int:
    text = page.inner_text("#shown")
    return int(text.split(" of ")[0].replace(",", ""))


def test_it_opens_with_the_headline_and_few_rows(opened: Page, report: Report) -> None:
    expect(opened.locator("h1")).to_have_text("rl on synthetic test")
    expect(opened.locator(".accuracy")).to_have_text(
        f"{100 * report.evaluation.correct.rate:.1f} %"
    )
    assert shown(opened) == COUNT
    assert 5 < opened.locator("#rows .row").count() < 60  # those in view, not 1,319
    expect(opened.locator("#detail h3")).to_have_text("Problem 0")


def test_scrolling_brings_the_other_rows(opened: Page) -> None:
    opened.locator("#list").evaluate("list => list.scrollTop = list.scrollHeight")
    expect(opened.locator("#rows .row").last).to_contain_text(f"#{COUNT - 1}")
    assert opened.locator("#rows .row").count() < 60


@pytest.mark.parametrize(
    ("select", "value", "holds"),
    [
        ("verdict", "correct", lambda p: p.correct),
        ("verdict", "invalid_trace:short_circuit", lambda p: p.reason == "short_circuit"),
        ("diagnosis", "truncated_chain", lambda p: p.diagnosis == "truncated_chain"),
        ("expert", "percentage", lambda p: p.expert == "percentage"),
        ("steps", "3", lambda p: p.steps == 3),
        ("doubt", "number_unused", lambda p: "number_unused" in (p.doubts or ())),
    ],
)
def test_filters_leave_what_they_name(opened: Page, report, select, value, holds) -> None:
    expected = [p.index for p in report.evaluation.predictions if holds(p)]
    opened.select_option(f"#facet-{select}", value)
    assert shown(opened) == len(expected) > 0
    expect(opened.locator("#rows .row").first).to_contain_text(f"#{expected[0]}")
    option = opened.locator(f"#facet-{select} option:checked")
    expect(option).to_have_text(re.compile(rf"\({len(expected)}\)$"))


def test_filters_and_words_combine_and_are_taken_back(opened: Page, report: Report) -> None:
    expected = [
        p
        for p in report.evaluation.predictions
        if p.kind == "wrong_answer"
        and all(word in (p.question + p.completion).lower() for word in ("how", "many"))
    ]
    opened.select_option("#facet-verdict", "wrong_answer")
    opened.get_by_label("Search").fill("many HOW")
    assert shown(opened) == len(expected) > 0
    opened.get_by_label("Search").fill("no such word anywhere")
    assert shown(opened) == 0
    expect(opened.locator("#detail")).to_have_text("No prediction passes these filters.")
    opened.get_by_role("button", name="Show all").click()
    assert shown(opened) == COUNT


def test_a_row_opens_beside_the_reference_with_the_wrong_step_marked(opened: Page) -> None:
    opened.select_option("#facet-diagnosis", "wrong_operation")
    opened.select_option("#facet-verdict", "wrong_answer")
    opened.locator("#rows .row").nth(1).click()
    detail = opened.locator("#detail")
    expect(detail.locator("h4")).to_have_text(
        ["Predicted", "Reference", "The solver's steps", "Other models"]
    )
    expect(detail.locator(".line.wrong")).to_have_count(1)
    expect(detail.locator(".line.missing")).to_have_count(1)
    expect(detail.locator(".note.wrong")).to_contain_text("wrong step: gives")
    expect(detail.locator(".note.missing")).to_contain_text("which the prediction never has")
    expect(detail).to_contain_text("the reference computes")
    expect(detail.locator("li").last).to_contain_text("query")


def test_the_keyboard_alone_reads_through_the_failures(opened: Page) -> None:
    opened.keyboard.press("/")
    opened.keyboard.type("how many")
    expect(opened.get_by_label("Search")).to_have_value("how many")
    opened.keyboard.press("Escape")
    expect(opened.locator("#list")).to_be_focused()
    expect(opened.get_by_label("Search")).to_have_value("how many")
    first = opened.inner_text("#detail h3")
    opened.keyboard.press("ArrowDown")
    opened.keyboard.press("j")
    third = opened.inner_text("#detail h3")
    assert third != first
    expect(opened.locator("#rows .row[aria-selected=true]")).to_have_attribute("aria-posinset", "3")
    opened.keyboard.press("k")
    opened.keyboard.press("ArrowUp")
    assert opened.inner_text("#detail h3") == first
    opened.keyboard.press("End")
    selected = opened.locator("#rows .row[aria-selected=true]")
    expect(selected).to_be_in_viewport()
    active = opened.get_attribute("#list", "aria-activedescendant")
    assert active == selected.get_attribute("id")
    opened.keyboard.press("Enter")
    expect(opened.locator("#detail")).to_be_focused()


def test_the_buttons_of_a_prediction_can_be_pressed_again_and_again(opened: Page) -> None:
    following = opened.get_by_role("button", name="Next prediction")
    following.focus()
    opened.keyboard.press("Enter")
    opened.keyboard.press("Enter")
    expect(opened.locator("#detail h3")).to_have_text("Problem 2")
    expect(following).to_be_focused()
    opened.get_by_role("button", name="Previous prediction").press("Enter")
    expect(opened.locator("#detail h3")).to_have_text("Problem 1")


def test_a_name_in_a_table_shows_its_predictions(opened: Page, report: Report) -> None:
    counts = report.evaluation.diagnoses()
    opened.get_by_role("button", name="truncated_chain").click()
    assert shown(opened) == counts["truncated_chain"]
    expect(opened.locator("#facet-diagnosis")).to_have_value("truncated_chain")
    expect(opened.locator("#browser h2")).to_be_in_viewport()


def test_the_address_keeps_the_view(opened: Page) -> None:
    opened.select_option("#facet-verdict", "wrong_answer")
    opened.get_by_label("Search").fill("how")
    opened.locator("#rows .row").nth(2).click()
    title, address = opened.inner_text("#detail h3"), opened.url
    opened.goto("about:blank")
    opened.goto(address)
    assert opened.inner_text("#detail h3") == title
    expect(opened.get_by_label("Search")).to_have_value("how")
    expect(opened.locator("#facet-verdict")).to_have_value("wrong_answer")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_themes(opened: Page, scheme: str) -> None:
    opened.emulate_media(color_scheme=scheme)
    opened.select_option("#facet-diagnosis", "wrong_operation")
    for place in (
        "body",
        ".muted",
        ".chip",
        ".note.wrong",
        ".note.missing",
        ".caution",
        "th button",
    ):
        assert contrast(opened, place) >= 4.5, place


def contrast(page: Page, selector: str) -> float:
    """WCAG contrast of the text of the first visible element with what is behind it."""
    ink, paper = page.locator(f"{selector} >> visible=true").first.evaluate(
        """node => {
          let behind = node, paper;
          do {
            paper = getComputedStyle(behind).backgroundColor;
            behind = behind.parentElement;
          } while (paper === "rgba(0, 0, 0, 0)");
          return [getComputedStyle(node).color, paper];
        }"""
    )
    light, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    shares = [int(text) / 255 for text in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("width", [360, 820, 1600])
def test_nothing_sticks_out_on_any_screen(browser: Browser, address: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_paper_gets_the_matching_rows_and_no_controls(opened: Page) -> None:
    opened.select_option("#facet-verdict", "parse_fail")
    opened.emulate_media(media="print")
    opened.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert opened.locator("#printed tr").count() == min(shown(opened), 300)
    for control in ("#facet-verdict", "#list", "nav"):
        expect(opened.locator(control)).to_be_hidden()
    opened.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(opened.locator("#printed tr")).to_have_count(0)


def test_it_asks_the_network_for_nothing(page: Page, address: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [address]
    assert Path(address.removeprefix("file://")).stat().st_size < 5_000_000
