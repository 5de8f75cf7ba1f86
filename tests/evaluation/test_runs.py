"""Runs beside each other, and what two of them say about each other."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from trace_pipeline.evaluation.plain import to_markdown, to_text
from trace_pipeline.evaluation.reference import load_reference
from trace_pipeline.evaluation.runs import hardest_table, pair, runs_table
from trace_pipeline.validation import InvalidInputError

REFERENCES = load_reference().runs


def test_two_runs_show_settings_problems_groups_and_failures(run) -> None:
    first = run("six")
    second = run("twelve", correct=7, wrong=3, settings={"name": "twelve", "sft.layers": "12"})
    text = to_markdown("Comparison", pair(first, second).sections())
    for part in (
        "| sft.layers | 6 | 12 |",
        "On the same 10 problems twelve solves 7 and six 4",
        "### real problems, won by twelve: 3",
        "| 4 | Question 4? | 3 | wrong_answer:3 | correct |",
        "| wrong_answer | 6 | 3 | -3 |",
        "| arithmetic | 4 of 10 | 7 of 10 | +30.0 |",
        "### real problems, by steps",
    ):
        assert part in text
    assert "lost by" not in text  # an empty table is left out
    assert "name" not in text.split("###")[1]  # what tells runs apart is no setting


def test_other_problems_are_refused_with_what_differs(run, evaluate) -> None:
    other = run("b", real=evaluate(correct=2, wrong=2))
    with pytest.raises(InvalidInputError, match=r"10 and 4 of GSM-8K test, 4 of them the same"):
        pair(run("a"), other)
    text = to_markdown("x", pair(run("a"), other, common=True).sections())
    assert "On the same 4 problems b solves 2 and a 4" in text


def test_another_base_model_is_refused_with_both_named(run) -> None:
    other = run("b", base_model="owner/larger", base_sha256="cd" * 32)
    with pytest.raises(InvalidInputError, match=r"embedded \(abab\w+\) and owner/larger \(cdcd"):
        pair(run("a"), other)
    assert pair(run("a"), other, common=True).sections()


def test_another_split_is_refused_with_both_named(run, evaluate) -> None:
    trained = replace(evaluate(correct=4, wrong=6), benchmark="GSM-8K train")
    with pytest.raises(InvalidInputError, match="10 of GSM-8K test and 10 of GSM-8K train"):
        pair(run("a"), run("b", real=trained))


def test_nothing_in_common_is_refused_even_with_common(run, evaluate, predict) -> None:
    apart = replace(evaluate(), predictions=(predict(question="Another?"),))
    with pytest.raises(InvalidInputError, match="no problem in common"):
        pair(run("a"), run("b", real=apart), common=True)


def test_a_run_without_an_evaluation_is_named(run, evaluate) -> None:
    more = run("a", synthetic=evaluate(correct=1))
    with pytest.raises(InvalidInputError, match="synthetic problems: b has not answered any"):
        pair(more, run("b"))


def test_the_table_holds_ours_and_the_notebooks(run) -> None:
    rows = {row[0]: row for row in runs_table([run("ours")], REFERENCES).rows}
    assert rows["ours"][5:7] == ("4 of 10", "40.0 % (16.8 to 68.7 %)")
    assert rows["notebook:run_23"][5:7] == ("8 of 30", "26.7 % (14.2 to 44.4 %)")
    assert rows["notebook:run_02"][2:4] == ("–", "95.0 %")


def test_the_table_tells_a_vote_from_a_greedy_answer(run, evaluate) -> None:
    voted = replace(evaluate(correct=4, wrong=6), model="rl, plausible@17")
    runs = [run("ours"), run("voted", real=voted, synthetic=voted)]
    assert [row[1] for row in runs_table(runs).rows] == ["embedded", "embedded, plausible@17"]


def test_problems_that_most_runs_get_wrong_come_first(run) -> None:
    table = hardest_table([run("a", 2, 8), run("b", 5, 5), run("c", 5, 5)])
    assert [row[0] for row in table.rows] == ["5", "6", "7", "8", "9", "2", "3", "4"]
    assert table.rows[0][3:] == ("3 of 3", *["wrong_answer:3"] * 3)
    assert table.rows[-1][3] == "1 of 3"


def test_a_terminal_shows_long_questions_cut(run, predict, evaluate) -> None:
    long = replace(evaluate(), predictions=(predict(question="Why? " * 40),))
    wrong = replace(long, predictions=(predict(question="Why? " * 40, answer=1),))
    text = to_text(pair(run("a", real=long), run("b", real=wrong)).sections())
    assert max(map(len, text.splitlines())) < 200
