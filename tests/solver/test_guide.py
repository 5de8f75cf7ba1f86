"""The guide to the language says what the solver does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trace_pipeline.solver import EXPERT_OPERATIONS, Solver
from trace_pipeline.traces import Reason, parse_number
from trace_pipeline.traces.operations import COMPUTE_ARITIES, OPERATIONS

GUIDE = (Path(__file__).parents[2] / "docs" / "trace-language.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- (answer|invalid): (\S+) -->\n```yaml\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize(("kind", "expected", "text"), EXAMPLES, ids=[e[1] for e in EXAMPLES])
def test_examples_do_what_the_guide_says(kind: str, expected: str, text: str) -> None:
    gold = parse_number(expected) if kind == "answer" else 0
    verdict = Solver().verify(text, gold)
    if kind == "answer":
        assert verdict.kind == "correct"
    else:
        assert (verdict.kind, verdict.reason) == ("invalid_trace", expected)


def test_every_example_is_marked_and_every_reason_has_one() -> None:
    assert len(EXAMPLES) == GUIDE.count("```yaml")
    shown = {expected for kind, expected, _ in EXAMPLES if kind == "invalid"}
    assert shown == {str(reason) for reason in Reason} - {"parse_fail"}


def test_the_table_of_operations_is_complete() -> None:
    rows = dict(re.findall(r"^\| (\w+) \| [^|]+ \| ([^|]+) \|$", GUIDE, re.MULTILINE))
    for op in OPERATIONS:
        owners = [expert for expert, ops in EXPERT_OPERATIONS.items() if op in ops]
        assert rows[op] == ("all" if len(owners) == len(EXPERT_OPERATIONS) else ", ".join(owners))
    assert all(re.search(rf"\b{operation}\b", GUIDE) for operation in COMPUTE_ARITIES)
