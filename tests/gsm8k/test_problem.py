"""Records become problems, or say why they cannot."""

from fractions import Fraction

import pytest

from trace_pipeline.gsm8k.problem import ProblemError, problem_from_record, read_gold


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("#### 18", 18),
        ("#### 1,234", 1234),
        ("#### 109,200,000", 109_200_000),
        ("#### $5", 5),
        ("#### -3", -3),
        ("#### -$3", -3),
        ("#### 2.5", Fraction(5, 2)),
        ("#### 20.", 20),
        ("#### 5.00", 5),
        ("one #### 1\n#### 2", 2),
        ("####7", 7),
        ("#### 7 \n", 7),
    ],
)
def test_the_gold_is_the_exact_number_behind_the_last_mark(answer, gold):
    assert read_gold(answer) == gold


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (["question"], "expected an object"),
        ({"answer": "#### 1"}, "'question' is missing"),
        ({"question": "How many?"}, "'answer' is missing"),
        ({"question": "", "answer": "#### 1"}, "question: expected text"),
        ({"question": 3, "answer": "#### 1"}, "question: expected text"),
        ({"question": "How many?", "answer": None}, "answer: expected text"),
        ({"question": "How many?", "answer": "It is 5."}, "no '####"),
        ({"question": "How many?", "answer": "#### many"}, "'many' behind '####' is no number"),
        ({"question": "How many?", "answer": "####"}, "is no number"),
        ({"question": "How many?", "answer": "#### nan"}, "is no number"),
        ({"question": "How many?", "answer": "<<3+=3>> #### 3"}, "broken annotation <<3+=3>>"),
        ({"question": "How many?", "answer": "<<3+1=4 #### 4"}, "do not pair up"),
    ],
)
def test_a_bad_record_is_refused_with_its_reason(record, reason):
    with pytest.raises(ProblemError) as caught:
        problem_from_record(record, 0)
    assert reason in str(caught.value)


def test_steps_are_the_annotated_calculations():
    record = {"question": "How many?", "answer": "<<2+3+4=9>>9, then <<9*2=18>>18\n#### 18"}
    problem = problem_from_record(record, 7)
    assert (problem.index, problem.gold, problem.steps) == (7, 18, 2)
    assert [c.result for c in problem.calculations] == [9, 18]
