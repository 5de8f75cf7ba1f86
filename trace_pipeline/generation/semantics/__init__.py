"""What a question's wording says of its numbers, read without looking at the trace."""

from trace_pipeline.generation.semantics.checks import contradictions
from trace_pipeline.generation.semantics.derivation import UnderivableError, derive_answer
from trace_pipeline.generation.semantics.lexicon import KINDS
from trace_pipeline.generation.semantics.relations import Relation, RelationError, parse_relation

__all__ = [
    "KINDS",
    "Relation",
    "RelationError",
    "UnderivableError",
    "contradictions",
    "derive_answer",
    "parse_relation",
]
