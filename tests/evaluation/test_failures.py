"""How predictions fail, as tables and as examples that no completion can break."""

from __future__ import annotations

from msgspec.structs import replace

from trace_pipeline.evaluation import (
    Report,
    categories_table,
    examples_markdown,
    failure_examples,
    failures_table,
    render_html,
    render_markdown,
)


def test_every_failure_is_in_the_table_once(diagnosed):
    rows = failures_table(diagnosed).rows
    assert [row[:2] for row in rows] == [
        ("number_misread", "1"),
        ("parse_fail", "1"),
        ("wrong_wiring", "1"),
        ("not diagnosed", "1"),
    ]
    assert rows[0][2:] == ("25.0 %", "4.6 to 69.9 %")


def test_the_notebooks_categories_add_up(diagnosed):
    counts = {row[0]: int(row[1]) for row in categories_table(diagnosed).rows}
    assert counts["value extraction error"] == counts["multi-entity confusion"] == 1
    assert counts["none of the five"] == 2
    assert sum(counts.values()) == 4


def test_an_example_of_each_class_stands_beside_its_reference(diagnosed):
    examples = failure_examples(diagnosed)
    assert [e.prediction.diagnosis for e in examples] == list(diagnosed.diagnoses())
    text = examples_markdown(examples)
    for prediction in diagnosed.predictions[1:4]:
        assert prediction.explanation in text
        assert prediction.question in text
    assert text.count("<th>reference</th>") == 3


def test_a_completion_cannot_leave_its_code_block(diagnosed):
    hostile = "```\n</td></table><script>alert(1)</script>\n````\n"
    wrong = replace(diagnosed.predictions[1], completion=hostile, question="<b>How many?")
    (example,) = failure_examples(replace(diagnosed, predictions=(wrong,)))
    assert "`````yaml\n```" in example.to_markdown()
    assert "&lt;b&gt;How many?" in example.to_markdown()


def test_the_report_shows_them_in_both_forms(diagnosed, evaluate):
    report = Report(title="tiny", evaluation=diagnosed)
    markdown, page = render_markdown(report), render_html(report)
    for text in (
        "How predictions fail",
        "The notebook's categories",
        "By coverage of the schemas",
        "50 as cracked should be 5",
    ):
        assert text in markdown, text
        assert text.replace("'", "&#x27;") in page, text
    # The page has a browser of all predictions instead of examples.
    assert "number_misread: problem 1, wrong_answer:-26" in markdown
    assert "figures/diagnoses.png" in markdown
    without = render_markdown(Report(title="tiny", evaluation=evaluate(correct=2)))
    assert "How predictions fail" not in without
