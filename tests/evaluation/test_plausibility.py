from __future__ import annotations

import pytest

from trace_pipeline.evaluation.plausibility import Doubt, describe, doubts
from trace_pipeline.solver import Execution, Solver
from trace_pipeline.traces import parse_trace


def execution(*steps: str, expert: str = "arithmetic") -> Execution:
    """``a=5`` states a number, ``c=a-b`` computes; the last name is asked for."""
    signs = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
    lines = []
    for step in steps:
        name, said = step.split("=")
        sign = next((s for s in signs if s in said[1:]), None)
        if sign is None:
            lines.append(f"{{op: init, var: {name}, value: {said}}}")
        else:
            args = ", ".join(said.split(sign))
            lines.append(f"{{op: compute, compute_op: {signs[sign]}, args: [{args}], var: {name}}}")
    lines.append(f"{{op: query, var: {steps[-1].split('=')[0]}}}")
    text = f"expert: {expert}\ntrace:\n" + "".join(f"- {line}\n" for line in lines)
    return Solver().execute(parse_trace(text))


QUESTION = "Ann has 12 apples and gives 5 away. How many are left?"


@pytest.mark.parametrize(
    ("question", "steps", "expected"),
    [
        (QUESTION, ("a=12", "b=5", "c=a-b"), []),
        (QUESTION, ("a=5", "b=12", "c=a-b"), [Doubt.NOT_POSITIVE, Doubt.NEGATIVE_VALUE]),
        (QUESTION, ("a=12", "b=5", "d=b-a", "e=a*d", "f=e/d", "g=f-b"), [Doubt.NEGATIVE_VALUE]),
        (QUESTION, ("a=12", "b=5", "c=a/b"), [Doubt.NOT_WHOLE]),
        (QUESTION, ("a=5", "b=12", "c=a/b", "d=c*b", "e=b-a"), [Doubt.ODD_FRACTION]),
        (QUESTION, ("a=12", "b=7", "c=a-b"), [Doubt.NUMBER_UNUSED, Doubt.NUMBER_UNSAID]),
        # A number that is stated, but that the answer does not depend on, is not used.
        (QUESTION, ("a=12", "b=5", "c=a-b", "d=a+a"), [Doubt.NUMBER_UNUSED]),
        # Words: a constant that they call for, parts, multiples, percent in any of its readings.
        ("Tea costs 3 dollars a week. How much for 8 weeks? In days?",
         ("a=3", "b=8", "c=a*b", "d=7", "e=c*d"), []),
        ("Half of the 40 pupils swim. How many?", ("a=40", "b=2", "c=a/b"), []),
        ("Half of the 40 pupils swim. How many?", ("a=40", "b=0.5", "c=a*b"), []),
        ("Half of the 40 pupils swim. How many?", ("a=40", "b=a+a"), [Doubt.NUMBER_UNUSED]),
        ("Twice the 40 pupils swim. How many?", ("a=40", "b=2", "c=a*b"), []),
        ("Two thirds of 60 pupils swim. How many?", ("a=60", "b=2", "c=3", "d=a*b", "e=d/c"), []),
        ("Two thirds of 60 pupils swim. How many?",
         ("a=60", "b=2", "d=a*b"), [Doubt.NUMBER_UNUSED]),
        ("20% of 60 pupils swim. How many do not?",
         ("a=60", "b=20", "c=100", "d=b/c", "e=a*d", "f=a-e"), []),
        ("20% of 60 pupils swim. How many do not?",
         ("a=60", "b=80", "c=100", "d=a*b", "e=d/c"), []),
        ("20% of 60 pupils swim. How many do not?", ("a=60", "b=0.8", "c=a*b"), []),
        # One of them, the third day, at 3 pm: often no quantity of the sum.
        ("One of them ate 12 nuts on the third day at 3 pm, then 5. All?",
         ("a=12", "b=5", "c=a+b"), []),
    ],
)  # fmt: skip
def test_what_speaks_against_a_trace(
    question: str, steps: tuple[str, ...], expected: list[Doubt]
) -> None:
    assert list(doubts(question, execution(*steps))) == expected


def test_only_what_the_answer_depends_on_counts_across_subtraces() -> None:
    text = (
        "- expert: percentage\n  trace:\n  - {op: init, var: price, value: 80}\n"
        "  - {op: percent_off, base: price, rate: 25, var: sale}\n  - {op: query, var: sale}\n"
        "- expert: arithmetic\n  trace:\n  - {op: init, var: sale, source: prev.result}\n"
        "  - {op: init, var: fee, value: 5}\n"
        "  - {op: compute, compute_op: add, args: [sale, fee], var: total}\n"
        "  - {op: query, var: total}\n"
    )
    found = Solver().execute(parse_trace(text))
    question = "A coat of $80 is 25% off, and sending it costs $5. How much is it?"
    assert doubts(question, found) == ()
    assert doubts(question + " It has 4 pockets.", found) == (Doubt.NUMBER_UNUSED,)


def test_stocks_are_read_by_what_changes_them() -> None:
    text = (
        "expert: entity_track\ntrace:\n- {op: init, var: apples, value: 9}\n"
        "- {op: consume, entity: apples, amount: 4}\n"
        "- {op: add_entity, entity: apples, amount: 6}\n- {op: query, var: apples}\n"
    )
    found = Solver().execute(parse_trace(text))
    assert doubts("From 9 apples 4 are eaten, then 6 bought. How many?", found) == ()


def test_doubts_in_words_name_the_numbers() -> None:
    found = execution("a=12", "b=7", "c=a-b")
    assert describe(Doubt.NUMBER_UNUSED, QUESTION, found) == "the answer does not depend on 5"
    assert describe(Doubt.NUMBER_UNSAID, QUESTION, found) == "the question does not say 7"
    assert all(describe(doubt, QUESTION, found) for doubt in Doubt)
