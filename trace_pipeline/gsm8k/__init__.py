"""Real word problems in GSM-8K's format: loading, annotations, overlap with training data."""

from trace_pipeline.gsm8k.annotations import (
    AnnotationError,
    Calculation,
    Operation,
    Operator,
    evaluate,
    read_calculations,
    strip_annotations,
)
from trace_pipeline.gsm8k.hub import HubUnavailableError
from trace_pipeline.gsm8k.loading import (
    FewShotProblem,
    few_shot_problems,
    load_problems,
    load_training_problems,
)
from trace_pipeline.gsm8k.overlap import Hit, Overlap, find_overlaps
from trace_pipeline.gsm8k.problem import Problem, ProblemSet, Rejected
from trace_pipeline.gsm8k.storage import read_problem_set, write_problem_set

__all__ = [
    "AnnotationError",
    "Calculation",
    "FewShotProblem",
    "Hit",
    "HubUnavailableError",
    "Operation",
    "Operator",
    "Overlap",
    "Problem",
    "ProblemSet",
    "Rejected",
    "evaluate",
    "few_shot_problems",
    "find_overlaps",
    "load_problems",
    "load_training_problems",
    "read_calculations",
    "read_problem_set",
    "strip_annotations",
    "write_problem_set",
]
