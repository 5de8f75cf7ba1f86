"""Completions become predictions through the solver, and predictions become figures."""

from fractions import Fraction

import pytest
from msgspec.structs import replace

from tests.evaluation.conftest import Text
from trace_pipeline.evaluation import (
    BenchmarkKind,
    Proportion,
    Report,
    answerer,
    models_table,
    score,
)
from trace_pipeline.evaluation.benchmark import Benchmark, Item
from trace_pipeline.evaluation.scoring import score_each
from trace_pipeline.solver import Solver, VerdictKind


def test_each_outcome_has_its_status(evaluation):
    assert [p.status for p in evaluation.predictions] == [
        "correct",
        "wrong_answer:20",
        "invalid_trace:short_circuit",
        "parse_fail",
        "parse_fail",
    ]
    assert [p.outcome for p in evaluation.predictions[:2]] == ["correct", "wrong_answer"]


def test_a_prediction_keeps_what_the_problem_and_the_completion_said(evaluation, benchmark):
    wrong = evaluation.predictions[1]
    item = benchmark.items[1]
    assert (wrong.index, wrong.question, wrong.gold, wrong.steps) == (1, item.question, 19, 2)
    assert (wrong.reference, wrong.expert) == (item.reference, None)
    assert (wrong.answer, wrong.predicted_expert) == (20, "arithmetic")
    assert (wrong.tokens, wrong.clipped, wrong.seconds) == (40, False, 0.5)
    assert wrong.message
    assert evaluation.predictions[4].clipped


def test_the_shares_are_those_of_the_verdicts(evaluation):
    assert evaluation.correct == Proportion(1, 5)
    assert evaluation.valid == Proportion(2, 5)
    assert evaluation.parsed == Proportion(3, 5)
    assert evaluation.clipped == Proportion(1, 5)
    assert evaluation.kinds() == {
        VerdictKind.PARSE_FAIL: 2,
        VerdictKind.WRONG_EXPERT: 0,
        VerdictKind.INVALID_TRACE: 1,
        VerdictKind.WRONG_ANSWER: 1,
        VerdictKind.CORRECT: 1,
    }
    assert next(iter(evaluation.outcomes().items())) == ("parse_fail", 2)


def test_groups_partition_the_problems(evaluation):
    for groups in (evaluation.by_steps(), evaluation.by_expert()):
        assert sum(group.correct.total for group in groups) == evaluation.total
        assert sum(group.correct.count for group in groups) == evaluation.correct.count
    steps = {group.name: group.correct for group in evaluation.by_steps()}
    assert steps == {"1": Proportion(1, 3), "2": Proportion(0, 2)}
    experts = {group.name: group.correct for group in evaluation.by_expert()}
    assert experts["arithmetic"].count == 1
    assert list(experts)[-1] == "none"


def test_steps_are_ordered_as_numbers_with_the_unknown_last(evaluate, predict):
    predictions = tuple(predict(steps=steps) for steps in (10, 0, 2, 1))
    groups = replace(evaluate(correct=1), predictions=predictions).by_steps()
    assert [group.name for group in groups] == ["1", "2", "10", "unknown"]


def test_a_synthetic_problem_demands_its_expert(right_completion):
    item = Item(0, "How many?", 19, "percentage", 2, "")
    benchmark = Benchmark(
        name="synthetic test", kind=BenchmarkKind.SYNTHETIC, source="generated", items=(item,)
    )
    result = score(benchmark, [right_completion], Solver(), "rl")
    assert result.predictions[0].kind is VerdictKind.WRONG_EXPERT
    assert result.predictions[0].status == "wrong_expert"
    assert [group.name for group in result.by_expert()] == ["percentage"]
    assert result.metrics()["accuracy_percentage"] == 0.0
    assert result.valid == Proportion(0, 1)


def test_metrics_are_flat_numbers(evaluation):
    metrics = evaluation.metrics()
    assert metrics["accuracy"] == pytest.approx(0.2)
    assert metrics["accuracy_low"] < 0.2 < metrics["accuracy_high"]
    assert (metrics["problems"], metrics["correct"], metrics["parsed"]) == (5, 1, 0.6)
    assert metrics["tokens_mean"] == pytest.approx((4 * 40 + 9) / 5)
    assert all(isinstance(value, float) for value in metrics.values())


def test_status_lines_name_index_status_and_gold(evaluation):
    lines = evaluation.status_lines(2)
    assert len(lines) == 2
    assert "wrong_answer:20" in lines[1]
    assert "gold 19" in lines[1]
    assert len(evaluation.status_lines()) == 5


def test_a_fractional_answer_is_shown_exactly(predict):
    wrong = predict(kind=VerdictKind.WRONG_ANSWER, answer=Fraction(1, 3))
    assert wrong.status == "wrong_answer:1/3"


def test_the_fingerprint_is_that_of_the_problems(evaluation, evaluate):
    assert evaluate(correct=3).fingerprint == evaluate(unparsed=3).fingerprint
    assert evaluate(correct=3).fingerprint != evaluate(correct=4).fingerprint
    assert evaluation.first(3).total == 3
    assert evaluation.first(3).fingerprint != evaluation.fingerprint


def test_nothing_evaluated_gives_figures_all_the_same(evaluate):
    empty = evaluate()
    assert empty.metrics()["accuracy"] == 0.0
    assert empty.by_expert() == ()
    assert empty.status_lines() == []


def test_every_problem_needs_one_completion(benchmark):
    with pytest.raises(ValueError, match="expected 5 completions, 1 a problem, found 0"):
        score(benchmark, [], Solver(), "rl")


def test_wrong_predictions_are_diagnosed_against_the_reference(diagnosed):
    right, misread, refused, unread, unknown = diagnosed.predictions
    assert (right.diagnosis, right.explanation, right.diverges_at) == (None, "", None)
    assert (misread.diagnosis, misread.diverges_at) == ("number_misread", (0, 3))
    assert misread.category == "value extraction error"
    assert "50 as cracked should be 5" in misread.explanation
    assert (refused.diagnosis, unread.diagnosis) == ("wrong_wiring", "parse_fail")
    assert right.reference_trace == misread.reference_trace == right.completion
    assert (unknown.diagnosis, unknown.reference_trace) == (None, "")


def test_failures_are_counted_honestly(diagnosed, evaluate):
    assert diagnosed.diagnoses() == {"number_misread": 1, "parse_fail": 1, "wrong_wiring": 1}
    metrics = diagnosed.metrics()
    assert metrics["failure_number_misread"] == metrics["failure_undiagnosed"] == 0.2
    failures = sum(share for name, share in metrics.items() if name.startswith("failure_"))
    assert failures == pytest.approx(1 - metrics["accuracy"])
    assert not [name for name in evaluate(wrong=3).metrics() if name.startswith("failure_")]


def test_groups_by_coverage_are_there_where_it_is_known(diagnosed, evaluate):
    groups = {group.name: group.correct for group in diagnosed.by_coverage()}
    assert groups == {
        "full": Proportion(0, 2),
        "partial": Proportion(1, 1),
        "no reference": Proportion(0, 2),
    }
    assert evaluate(correct=2).by_coverage() == ()


def test_of_several_samples_the_first_is_the_prediction(benchmark, evaluation):
    """Each problem sampled twice: what was written for it, then nothing."""
    texts = [Text(p.completion, p.tokens, p.clipped, p.seconds) for p in evaluation.predictions]
    pairs = [text for first in texts for text in (first, Text("nothing", 1))]
    sampled = score(benchmark, pairs, Solver(), evaluation.model, samples=2)
    assert sampled.predictions == evaluation.predictions
    assert sampled.sampled is not None
    assert sampled.sampled.correct == tuple(int(p.correct) for p in evaluation.predictions)
    metrics = sampled.metrics()
    assert metrics["pass_at_1"] == pytest.approx(metrics["accuracy"] / 2)
    assert metrics["pass_at_2"] == metrics["majority_at_2"] == metrics["accuracy"]
    assert sampled.first(1).sampled is None


def test_of_several_samples_the_answer_is_the_prediction(benchmark, right_completion):
    """A trace that answers 19 less nothing, twice, is outvoted by one without doubts."""
    texts = [right_completion.text.replace("value: 5", "value: 0.5"), right_completion.text]
    samples = [Text(text) for _ in benchmark.items for text in (texts[0], *texts)]
    names = ("first", "majority", "plausible")
    found = {
        name: score(benchmark, samples, Solver(), "rl", samples=3, answering=name) for name in names
    }
    assert [found[name].correct.count for name in names] == [0, 0, 5]
    assert found["first"].sampled == found["plausible"].sampled
    assert found["plausible"].sampled.metrics()["plausible_at_3"] == 1
    assert found["plausible"].predictions[0].completion == right_completion.text


def test_several_ways_to_answer_judge_each_text_once(benchmark, right_completion, monkeypatch):
    texts = [right_completion.text, "no trace"] * 4
    samples, solver, judged = [Text(text) for text in texts], Solver(), []
    verify = Solver.verify
    monkeypatch.setattr(Solver, "verify", lambda *a: judged.append(a[1]) or verify(*a))
    ways = ("first", "majority", "plausible")
    found = score_each(benchmark.first(2), samples, solver, "rl", ways, samples=4)
    assert judged == texts[:2] * 2
    assert found == [
        score(benchmark.first(2), samples, solver, "rl", 4, answering) for answering in ways
    ]


@pytest.mark.parametrize(
    ("samples", "answering", "greedy_first", "name"),
    [
        (1, "first", False, "rl"),
        (3, "first", True, "rl"),
        (3, "first", False, "rl, first of 3"),
        (3, "majority", False, "rl, majority@3"),
        (3, "plausible", True, "rl, plausible@3"),
    ],
)
def test_a_row_says_how_its_answers_were_chosen(
    benchmark, right_completion, samples: int, answering, greedy_first: bool, name: str
) -> None:
    texts = [right_completion] * (5 * samples)
    found = score(benchmark, texts, Solver(), "rl", samples, answering, greedy_first)
    assert found.model == name
    assert answerer(name, answering, samples, greedy_first) == name
    assert models_table([found]).rows[0][0] == name
    assert Report(title="x", evaluation=found).headline.startswith(f"{name} on ")


def test_doubts_group_the_valid_traces(benchmark, evaluation):
    """8 bowls for 3 days less 5: the questions say no number but their own."""
    known = {group.name: group.correct for group in evaluation.by_doubt()}
    assert list(known) == ["number_unused", "number_unsaid"]
    assert known["number_unused"] == Proportion(1, 2)
    assert [p.doubts is None for p in evaluation.predictions] == [False, False, True, True, True]
    items = tuple(
        replace(item, question="8 bowls a day for 3 days, 5 break: how many?")
        for item in benchmark.items
    )
    texts = [Text(p.completion) for p in evaluation.predictions]
    told = score(replace(benchmark, items=items), texts, Solver(), "rl")
    assert {g.name: g.correct for g in told.by_doubt()} == {
        "none": Proportion(1, 1),
        "number_unused": Proportion(0, 1),
        "number_unsaid": Proportion(0, 1),
    }
    assert told.metrics()["undoubted"] == 1 / 5
    assert told.metrics()["accuracy_undoubted"] == 1
    before = replace(told, predictions=tuple(replace(p, doubts=None) for p in told.predictions))
    assert before.by_doubt() == ()
    assert "undoubted" not in before.metrics()
