from __future__ import annotations

from trace_pipeline.generation import Catalog, Generator, reading_page
from trace_pipeline.traces import format_number


def test_a_page_shows_question_answer_and_working(catalog: Catalog) -> None:
    generator = Generator(catalog, seed=3)
    multiplied, composed = (
        generator.example(name, 0) for name in ("multiply_add", "percent_off_plus_extra")
    )
    page = reading_page([multiplied, composed, multiplied])
    assert page.startswith("## arithmetic\n\n1. ")
    assert page.count("\n2. ") == 1
    assert "## composition\n\n1. " in page
    for example in (multiplied, composed):
        assert f"{example.question} **{format_number(example.answer)}**" in page
    (line,) = [line for line in page.splitlines() if "`composition/percent_off_plus_extra`" in line]
    assert line.endswith(f" = {format_number(composed.answer)}")
    assert line.count("; ") == 1  # two operations: no init, query or heading among them


def test_nothing_gives_an_empty_page() -> None:
    assert reading_page([]) == ""
