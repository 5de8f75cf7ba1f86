"""Our runs on GSM-8K beside the notebook's small samples."""

from __future__ import annotations

from msgspec.structs import replace

from trace_pipeline.evaluation.benchmark import BenchmarkKind
from trace_pipeline.evaluation.published import against_reference, ten_problems_table
from trace_pipeline.evaluation.reference import load_reference

REFERENCE = load_reference()
RUNS = {run.name: run for run in REFERENCE.runs}


def test_each_run_is_set_against_each_sample(run) -> None:
    sentences = against_reference([run("ours")], REFERENCE, REFERENCE.runs).paragraphs
    assert (
        "8 of 30 (notebook:run_23) is 14 to 44 %: not distinguishable from 4 of 10 (ours), 17 to "
        "69 %; the intervals overlap, exact p = 0.45." in sentences
    )


def test_the_largest_sample_of_a_run_counts(run) -> None:
    sentences = against_reference([run("ours")], REFERENCE, [RUNS["run_19"]]).paragraphs
    assert [s for s in sentences if "of 100" in s]
    assert not [s for s in sentences if "7 of 10 " in s]


def test_the_ten_problems_are_paired_where_their_outcomes_are_known(run) -> None:
    # run_09 solves problems 0 and 6 of the first ten; ours solves 0 to 3.
    sentences = against_reference([run("ours")], REFERENCE, [RUNS["run_09"]]).paragraphs
    assert (
        "On 8 problems whose outcome notebook:run_09 gives, it solves 2 and ours 4: 3 won, 1 "
        "lost, exact McNemar p = 0.62." in sentences
    )


def test_the_table_of_ten_has_every_published_status(run) -> None:
    table = ten_problems_table([run("ours")], REFERENCE, [RUNS["run_09"], RUNS["run_20"]])
    assert table.columns == ("problem", "gold", "notebook:run_09", "notebook:run_20", "ours")
    rows = {row[0]: row[2:] for row in table.rows}
    assert len(rows) == 10
    assert rows["Robe fiber"] == ("wrong_answer:4", "wrong_answer:6", "correct")
    assert rows["Fish tanks"] == ("correct", "–", "–")  # not in the test split


def test_other_problems_are_not_set_against_gsm8k(run, evaluate) -> None:
    builtin = replace(evaluate(correct=5), kind=BenchmarkKind.BUILTIN, benchmark="built-in sample")
    (sentence,) = against_reference([run("a", real=builtin)], REFERENCE, REFERENCE.runs).paragraphs
    assert sentence.startswith("No run has answered problems of GSM-8K")
