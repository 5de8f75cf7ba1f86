"""Tables are data; each rendering keeps the cells apart and their text harmless."""

import pytest
from msgspec.structs import replace

from trace_pipeline.evaluation import (
    Table,
    groups_table,
    models_table,
    outcomes_table,
    samples_table,
    sizes_table,
    statuses_table,
)

NASTY = Table("t", ("a|b", "c"), (("<b>x</b>", "1 | 2\n3"), ("\\", "&amp;")))


def test_markdown_keeps_the_cells_apart():
    lines = NASTY.to_markdown().splitlines()
    assert lines == [
        "| a\\|b | c |",
        "| --- | --- |",
        "| &lt;b>x&lt;/b> | 1 \\| 2 3 |",
        "| \\\\ | &amp; |",
    ]


def test_html_is_escaped():
    text = NASTY.to_html()
    assert '<th scope="row">&lt;b&gt;x&lt;/b&gt;</th>' in text
    assert "<td>&amp;amp;</td>" in text
    assert text.count("<tr>") == 3


def test_names_of_rows_can_be_buttons_of_a_filter():
    table = Table("t", ("outcome", "n"), (('a"b', "3"),))
    assert (
        '<button type="button" data-facet="verdict" data-value="a&quot;b">a&quot;b</button>'
        in table.to_html("verdict")
    )
    assert "<button" not in table.to_html()


def test_prefixes_stand_beside_the_whole(evaluate):
    table = sizes_table(evaluate(correct=40, wrong=60), (10, 30, 100, 300))
    assert [row[0] for row in table.rows] == ["10", "30", "all 100"]
    assert table.rows[0][1:6] == (
        "10 of 10", "100.0 %", "72.2 to 100.0 %", "28 points", "+60.0 points",
    )  # fmt: skip
    assert table.rows[1][6] == "26.7 to 53.3 %"
    assert table.rows[2][5:] == ("+0.0 points", "40.0 to 40.0 %")
    assert sizes_table(evaluate(), (10,)).rows[0][0] == "all 0"


def test_text_is_aligned():
    table = Table("t", ("model", "n"), (("base", "32"), ("sft + rl", "60")))
    assert table.to_text() == "model     n\nbase      32\nsft + rl  60"


def test_one_row_a_model(evaluate):
    table = models_table([evaluate(unparsed=32, model="base"), evaluate(correct=8, wrong=184)])
    assert table.rows[0][:6] == ("base", "0 of 32", "0.0 %", "0.0 to 10.7 %", "0.0 %", "0.0 %")
    assert table.rows[1][:4] == ("rl", "8 of 192", "4.2 %", "2.1 to 8.0 %")


def test_time_is_shown_where_it_was_taken(evaluation):
    assert models_table([evaluation]).columns[-1] == "time each"
    for seconds, shown in ((12.345, "12.35 s"), (0.5, "0.50 s"), (0.00682, "0.0068 s")):
        timed = tuple(replace(p, seconds=seconds) for p in evaluation.predictions)
        row = models_table([replace(evaluation, predictions=timed)]).rows[0]
        assert row[-1] == shown
    untimed = tuple(replace(p, seconds=0.0) for p in evaluation.predictions)
    table = models_table([replace(evaluation, predictions=untimed)])
    assert table.columns[-1] == "tokens each"
    assert len(table.rows[0]) == len(table.columns)


def test_groups_outcomes_and_samples(evaluation):
    groups = groups_table("By steps", "steps", evaluation.by_steps())
    assert [row[:2] for row in groups.rows] == [("1", "1 of 3"), ("2", "0 of 2")]
    assert outcomes_table(evaluation).rows[0] == ("parse_fail", "2", "40.0 %")
    samples = samples_table(evaluation, 2)
    assert samples.title == "First 2 problems"
    assert samples.rows[1] == ("1", "Question 1: how many bowls?", "19", "wrong_answer:20")


@pytest.mark.parametrize("count", [0, 10, 99])
def test_samples_take_what_there_is(evaluation, count):
    assert len(samples_table(evaluation, count).rows) == min(count, 5)


def test_the_same_problems_stand_side_by_side(evaluate):
    models = [evaluate(unparsed=1, model="base"), evaluate(correct=1, wrong=1)]
    table = statuses_table(models)
    assert table.columns == ("index", "question", "base", "rl")
    assert table.rows == (
        ("0", "Question 0?", "parse_fail", "correct"),
        ("1", "Question 1?", "", "wrong_answer:3"),
    )
