"""The classes of defects that generation refuses and the audit counts."""

from __future__ import annotations

from enum import StrEnum

from trace_pipeline.validation import InvalidInputError


class Finding(StrEnum):
    """A class of defects."""

    UNSATISFIABLE = "unsatisfiable"
    """No draw met the constraints, or an expression or number form failed."""
    LABEL = "label"
    """The trace is invalid, or its result differs from the schema's answer."""
    GROUNDING = "grounding"
    """A number of the trace is neither in the question nor a declared implied constant."""
    PLACEHOLDER = "placeholder"
    """Template syntax is left in the text."""
    WHOLE = "whole"
    """A fraction of a whole thing, or of a cent."""
    POSITIVE = "positive"
    """An answer that is zero, negative or beyond all sense."""
    ROUND_TRIP = "round_trip"
    """Writing the trace and reading it does not give it back."""
    SPLIT = "split"
    """A question that its own text assigns to another split."""
    GRAMMAR = "grammar"
    """What the linter finds."""
    QUESTION = "question"
    """Not exactly one question."""
    ROLES = "roles"
    """One word in two roles."""
    RELATION = "relation"
    """The wording says something else than its relations, or they than the answer."""
    STRUCTURE = "structure"
    """A trace outside its expert's uniform shape or naming."""
    REACHABILITY = "reachability"
    """A template that no sample used, or a schema that the mix leaves out."""
    DUPLICATE = "duplicate"
    """A schema that soon repeats itself."""
    LENGTH = "length"
    """More tokens than training or decoding take."""


class GenerationError(InvalidInputError):
    """A schema that cannot give a sound example; the message says which rule it breaks."""

    def __init__(self, kind: Finding, message: str) -> None:
        super().__init__(message)
        self.kind = kind

    def __reduce__(self) -> tuple[type[GenerationError], tuple[Finding, str]]:
        """What makes it anew in another process."""
        return GenerationError, (self.kind, str(self))
