"""Coverage of real problems by schemas."""

from __future__ import annotations

import pytest

from trace_pipeline.generation import Example
from trace_pipeline.gsm8k import Problem
from trace_pipeline.gsm8k.conversion import Conversion, convert_problem
from trace_pipeline.gsm8k.coverage import Coverage, Gap, coverage
from trace_pipeline.gsm8k.problem import read_gold
from trace_pipeline.traces import parse_trace


def conversion(question: str, solution: str, index: int = 0) -> Conversion:
    outcome = convert_problem(Problem(index, question, read_gold(solution), solution))
    assert isinstance(outcome, Conversion), outcome
    return outcome


def example(schema: str, program: str) -> Example:
    """A schema's example from ``a=9; b=2; s=mul(a, b)``."""
    lines = ["expert: arithmetic", "trace:"]
    for step in program.split("; "):
        name, _, right = step.partition("=")
        op, bracket, args = right.partition("(")
        lines.append(
            f"- {{op: compute, compute_op: {op}, args: [{args[:-1]}], var: {name}}}"
            if bracket
            else f"- {{op: init, var: {name}, value: {right}}}"
        )
    lines.append(f"- {{op: query, var: {name}}}")
    trace = parse_trace("\n".join(lines))
    return Example(
        question="",
        trace=trace,
        answer=0,
        expert="arithmetic",
        schema=schema,
        index=0,
        split="train",
    )


SCHEMAS = [
    example("arithmetic/gone_then_sold", "a=9; b=2; c=3; s=sub(a, b); r=mul(s, c)"),
    example("arithmetic/long", "a=9; b=2; c=3; d=4; e=5; s=mul(a, b, c); t=add(s, d); r=div(t, e)"),
]

SOLD = "Nora has 18 plums, eats 4 and sells the rest at $2. What does she get?"


@pytest.mark.parametrize(
    ("question", "solution", "expected", "nearest"),
    [
        pytest.param(
            SOLD,
            "18-4=<<18-4=14>>14, 14*2=<<14*2=28>>28\n#### 28",
            Coverage.FULL,
            ("arithmetic/gone_then_sold",),
            id="full",
        ),
        pytest.param(
            "Nora has 18 plums, finds 4 and packs them in bags of 2. How many bags?",
            "18+4=<<18+4=22>>22, 22/2=<<22/2=11>>11\n#### 11",
            Coverage.STRUCTURAL,
            ("arithmetic/gone_then_sold",),
            id="structural",
        ),
        pytest.param(
            SOLD.replace("What", "She then spends $5. What"),
            "18-4=<<18-4=14>>14, 14*2=<<14*2=28>>28, 28-5=<<28-5=23>>23\n#### 23",
            Coverage.PARTIAL,
            ("arithmetic/gone_then_sold",),
            id="partial: a schema computes a part of it",
        ),
        pytest.param(
            "A crate holds 3 rows of 4 jars with 5 plums. How many plums?",
            "3*4*5=<<3*4*5=60>>60\n#### 60",
            Coverage.PARTIAL,
            ("arithmetic/long",),
            id="partial: it is a part of a schema",
        ),
        pytest.param(
            "Tea costs $6. Two people share 9 cups at $3 and one tea. What does each pay?",
            "9*3=<<9*3=27>>27, 27-6=<<27-6=21>>21, 21/3=<<21/3=7>>7, 7*7=<<7*7=49>>49\n#### 49",
            Coverage.NONE,
            (),
            id="none",
        ),
    ],
)
def test_classes(
    question: str, solution: str, expected: Coverage, nearest: tuple[str, ...]
) -> None:
    (found,) = coverage([conversion(question, solution)], SCHEMAS).problems
    assert found.coverage is expected
    assert found.nearest == nearest


def test_the_report_counts_classes_lengths_gaps_and_shapes() -> None:
    problems = [
        conversion(SOLD, "18-4=<<18-4=14>>14, 14*2=<<14*2=28>>28\n#### 28", 1),
        conversion("A hat of $20 is 10% off. What now?", "20*.1=2, 20-2=<<20-2=18>>18\n#### 18", 2),
        conversion("3 cats and 4 dogs?", "3+4=<<3+4=7>>7\n#### 7", 3),
        conversion("5 cats and 4 dogs?", "5+4=<<5+4=9>>9\n#### 9", 4),
    ]
    report = coverage(problems, SCHEMAS)
    assert sum(report.counts().values()) == 4
    assert report.counts()[Coverage.FULL] == 1
    assert report.chain_lengths() == {1: 2, 2: 1, 3: 1}
    assert report.uncovered_shapes(1) == [("a + b", 2)]
    assert report.gap_counts() == {
        Gap.COMPOSITION: 1,
        Gap.INTERLEAVED: 2,
        Gap.MANY_INITS: 2,
        Gap.LONG: 1,
        Gap.DECIMALS: 0,
    }
