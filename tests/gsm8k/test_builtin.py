"""The built-in problems are right, varied and apart from the few-shot examples."""

import re
from collections import Counter

import pytest

from trace_pipeline.gsm8k import few_shot_problems, find_overlaps, load_problems, strip_annotations
from trace_pipeline.solver import Solver, VerdictKind
from trace_pipeline.traces import parse_trace, render_trace

SAMPLE = load_problems("builtin")
FEW_SHOT = few_shot_problems()
EVERY = [*SAMPLE.problems, *(example.problem for example in FEW_SHOT)]
FRACTION = r"\b(half|third|quarter|fifth|fifths|eighth|tenth)\b"


def test_the_sample_has_its_size_and_no_bad_line():
    assert (len(SAMPLE.problems), SAMPLE.available, SAMPLE.rejected) == (60, 60, ())
    assert len(FEW_SHOT) == 8


@pytest.mark.parametrize("problem", EVERY, ids=lambda problem: problem.question[:40])
def test_every_annotation_evaluates_and_the_last_is_the_gold(problem):
    for calculation in problem.calculations:
        assert calculation.value == calculation.result, calculation.text
    assert problem.calculations[-1].result == problem.gold


@pytest.mark.parametrize("problem", EVERY, ids=lambda problem: problem.question[:40])
def test_the_prose_shows_every_annotated_result(problem):
    for calculation in problem.calculations:
        assert re.search(rf"=\$?<<{re.escape(calculation.text)}=", problem.solution)
    assert "<<" not in strip_annotations(problem.solution)
    assert problem.question.rstrip().endswith("?")


def test_one_to_eight_steps_are_covered():
    steps = Counter(problem.steps for problem in SAMPLE.problems)
    assert sorted(steps) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert sum(steps[n] for n in (2, 3, 4)) > len(SAMPLE.problems) / 2


def test_the_first_ten_are_no_easier_than_the_rest():
    steps = [problem.steps for problem in SAMPLE.problems]
    assert abs(sum(steps[:10]) / 10 - sum(steps) / len(steps)) < 1


@pytest.mark.parametrize(
    ("topic", "pattern", "least"),
    [
        ("percent", r"%", 5),
        ("fractions", FRACTION, 8),
        ("rates", r"\b(an hour|a minute|per minute|a day|a week)\b", 8),
        ("comparison", r"\b(older|fewer|less than|more than|times as many|twice)\b", 8),
        ("money", r"\$", 10),
        ("time", r"\b(minutes?|hours?|days?|evenings?|years)\b", 15),
        ("remainders", r"\b(as many|left over|how many minibuses|full pots)\b", 3),
    ],
)
def test_topics_are_covered(topic, pattern, least):
    found = sum(bool(re.search(pattern, p.question, re.IGNORECASE)) for p in SAMPLE.problems)
    assert found >= least, topic


def test_few_shot_examples_are_not_scored():
    few_shot = [example.problem.question for example in FEW_SHOT]
    assert find_overlaps(few_shot, [problem.question for problem in SAMPLE.problems]).clean


@pytest.mark.parametrize("example", FEW_SHOT, ids=lambda example: example.problem.question[:40])
def test_the_solver_verifies_every_reference_trace(example):
    trace = parse_trace(example.trace)
    verdict = Solver().verify(example.trace, example.problem.gold, trace.expert)
    assert verdict.kind is VerdictKind.CORRECT, verdict.message
    assert render_trace(trace).strip() == example.trace.strip()


def test_few_shot_examples_show_every_expert():
    experts = {parse_trace(example.trace).expert for example in FEW_SHOT}
    assert experts == {
        "arithmetic",
        "comparison",
        "composition",
        "entity_track",
        "percentage",
        "rate_equation",
    }
