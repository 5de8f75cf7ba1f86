"""A figure comes with what its reader must know, and with nothing else."""

import pytest

from trace_pipeline.evaluation import BenchmarkKind, cautions
from trace_pipeline.evaluation.cautions import CautionCode

FEW, FORMAT, CLIPPED, BUILTIN = (
    CautionCode.FEW_PROBLEMS,
    CautionCode.FORMAT_WITHOUT_REASONING,
    CautionCode.CLIPPED,
    CautionCode.BUILTIN_SAMPLE,
)


@pytest.mark.parametrize(
    ("outcome", "base", "expected"),
    [
        ({"correct": 40, "wrong": 60}, {"unparsed": 100}, set()),
        ({"correct": 40, "wrong": 60}, None, set()),
        ({"correct": 40, "wrong": 59}, None, {FEW}),
        ({"correct": 2, "wrong": 98}, None, {FORMAT}),
        ({"correct": 2, "wrong": 98}, {"unparsed": 32}, {FORMAT}),
        ({"correct": 40, "wrong": 60}, {"correct": 36, "wrong": 64}, {FORMAT}),
        ({"correct": 5, "wrong": 95}, {"unparsed": 32}, set()),
        ({"correct": 2, "wrong": 93, "unparsed": 5}, None, set()),
        ({"correct": 2, "wrong": 94, "unparsed": 4}, None, {FORMAT}),
        ({"correct": 40, "wrong": 60, "clipped": 2}, None, set()),
        ({"correct": 40, "wrong": 60, "clipped": 3}, None, {CLIPPED}),
        ({"correct": 60, "wrong": 40, "kind": BenchmarkKind.BUILTIN}, None, {BUILTIN}),
        ({"correct": 60, "wrong": 40, "kind": BenchmarkKind.SYNTHETIC}, None, set()),
        (
            {"wrong": 9, "clipped": 9, "kind": BenchmarkKind.BUILTIN},
            None,
            {FEW, FORMAT, CLIPPED, BUILTIN},
        ),
    ],
)
def test_cautions_follow_from_the_figures(evaluate, outcome, base, expected):
    untuned = evaluate(**base) if base else None
    assert {c.code for c in cautions(evaluate(**outcome), untuned)} == expected


def test_few_problems_come_with_the_interval_they_leave(evaluate):
    (caution,) = cautions(evaluate(correct=8, wrong=22))
    assert caution.code is FEW
    assert "Only 30 problems" in caution.text
    assert "from 14.2 to 44.4 percent" in caution.text


def test_the_base_is_named_only_when_it_was_measured(evaluate):
    outcome = evaluate(correct=1, wrong=99)
    (without,) = cautions(outcome)
    (beside,) = cautions(outcome, evaluate(correct=1, unparsed=31))
    assert "untuned base" not in without.text
    assert "3.1 percent of the untuned base" in beside.text


def test_the_sample_is_not_called_gsm8k(evaluate):
    for caution in cautions(evaluate(wrong=3, kind=BenchmarkKind.BUILTIN)):
        assert "GSM" not in caution.text
