"""The notebook's published figures are typed, whole and named as ours are."""

from __future__ import annotations

import pytest

from trace_pipeline.evaluation import Evaluation
from trace_pipeline.evaluation.benchmark import BenchmarkKind
from trace_pipeline.evaluation.reference import PublishedShare, ReferenceRun, load_reference
from trace_pipeline.experiment import EXPERTS
from trace_pipeline.validation import InvalidInputError, convert

REFERENCE = load_reference()
RUNS = {run.name: run for run in REFERENCE.runs}


@pytest.mark.parametrize(
    ("name", "correct", "problems"),
    [
        ("run_06", 0, 10),
        ("run_09", 3, 10),
        ("run_11", 5, 10),
        ("run_18", 9, 10),
        ("run_19", 2, 100),
        ("run_20", 2, 30),
        ("run_22", 5, 30),
        ("run_23", 8, 30),
        ("run_25", 2, 30),
    ],
)
def test_gsm8k_has_its_number_of_problems(name: str, correct: int, problems: int) -> None:
    metrics = RUNS[name].metrics()
    assert (metrics["gsm8k.correct"], metrics["gsm8k.problems"]) == (correct, problems)
    assert metrics["gsm8k.accuracy"] == correct / problems
    assert (
        metrics["gsm8k.accuracy_low"] < metrics["gsm8k.accuracy"] < metrics["gsm8k.accuracy_high"]
        or not correct
    )


def test_a_run_with_two_samples_keeps_both() -> None:
    metrics = RUNS["run_19"].metrics()
    assert (metrics["gsm8k_first_10.correct"], metrics["gsm8k.correct"]) == (7, 2)


def test_a_percentage_alone_has_no_interval() -> None:
    metrics = RUNS["run_02"].metrics()
    assert metrics["synthetic.accuracy"] == 0.95
    assert metrics["synthetic.accuracy_rate_equation"] == 0.98
    assert not {"synthetic.problems", "synthetic.accuracy_low"} & set(metrics)


def test_per_expert_tables_add_up() -> None:
    for run in REFERENCE.runs:
        for stage in (run.sft, run.final):
            shares = [share.proportion for share in stage.experts.values()] if stage else []
            counted = [share for share in shares if share]
            whole = stage.all.proportion if stage else None
            if whole and counted and len(counted) == len(shares):
                assert sum(c.count for c in counted) == whole.count, run.name
                assert sum(c.total for c in counted) == whole.total, run.name


def test_metrics_are_named_as_ours(evaluate) -> None:
    ours: Evaluation = evaluate(correct=3, wrong=2, kind=BenchmarkKind.SYNTHETIC)
    known = set(ours.metrics()) | {f"accuracy_{expert}" for expert in EXPERTS}
    for run in REFERENCE.runs:
        for name in run.metrics():
            prefix, _, metric = name.partition(".")
            if prefix in ("synthetic", "synthetic_sft", "gsm8k", "gsm8k_first_10"):
                assert metric in known, name


def test_ten_problem_samples_agree_with_their_statuses() -> None:
    for run in REFERENCE.runs:
        for sample in run.gsm8k:
            solved = sum(status == "correct" for status in sample.statuses.values())
            assert solved <= sample.correct, run.name
            if len(sample.statuses) == sample.problems:
                assert solved == sample.correct, run.name


@pytest.mark.parametrize(
    "data",
    [{}, {"correct": 3}, {"correct": 3, "problems": 2}, {"correct": 1, "problems": 2, "rate": 0.5}],
)
def test_a_share_is_counted_or_a_rate(data: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError, match="correct of problems, or a rate"):
        convert(data, PublishedShare, "x.yaml")


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="unknown field 'accurracy'"):
        convert({"name": "run_1", "changed": "", "accurracy": 1}, ReferenceRun, "x.yaml")
