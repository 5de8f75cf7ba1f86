"""The solver: execution, experts' vocabularies, verdicts, rewards."""

from trace_pipeline.solver.answers import answers_match, gold_number
from trace_pipeline.solver.execution import Execution, StepValue
from trace_pipeline.solver.experts import COMPOSITION, EXPERT_OPERATIONS
from trace_pipeline.solver.explanation import explain, formula
from trace_pipeline.solver.rewards import BINARY, GRADED, RewardTable, VerdictKind
from trace_pipeline.solver.solver import Solver, Verdict

__all__ = [
    "BINARY",
    "COMPOSITION",
    "EXPERT_OPERATIONS",
    "GRADED",
    "Execution",
    "RewardTable",
    "Solver",
    "StepValue",
    "Verdict",
    "VerdictKind",
    "answers_match",
    "explain",
    "formula",
    "gold_number",
]
