"""A problem of a test, converted."""

from __future__ import annotations

from trace_pipeline.gsm8k import Problem
from trace_pipeline.gsm8k.conversion import Conversion, Policy, convert_problem
from trace_pipeline.gsm8k.problem import read_gold


def conversion(question: str, solution: str, policy: Policy = Policy.ARITHMETIC) -> Conversion:
    """``question`` with its annotated ``solution``, which must convert."""
    outcome = convert_problem(Problem(0, question, read_gold(solution), solution), policy)
    assert isinstance(outcome, Conversion), outcome
    return outcome
