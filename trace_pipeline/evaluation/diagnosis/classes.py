"""What can be wrong with a prediction, and the notebook's coarser categories."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from trace_pipeline.traces import Trace

Place = tuple[int, int]
"""A step of a trace: its sub-trace and its position there, both from 0."""


class Diagnosis(StrEnum):
    """Why a prediction is wrong. Which one is given where several would fit: see ``diagnose``."""

    NUMBER_MISSING = "number_missing"
    """A number written in figures that the reference needs is not read."""
    NUMBER_INVENTED = "number_invented"
    """A number that the question does not have, or a result written down as an input."""
    NUMBER_MISREAD = "number_misread"
    """A number read as another: digits, powers of ten, words; or a number in words not read."""
    MISSING_LAST_STEP = "missing_last_step"
    """Right up to the last step, which is not there."""
    TRUNCATED_CHAIN = "truncated_chain"
    """Two or more steps are not there at the end, or one is left out on the way."""
    WRONG_OPERATION = "wrong_operation"
    """The right operands, but another operation."""
    WRONG_WIRING = "wrong_wiring"
    """The right numbers and operations between the wrong ones, in the wrong order or asked for."""
    REPEATED_SUBTRACE = "repeated_subtrace"
    """A sub-trace is written again instead of being multiplied or gone on from."""
    OVERWRITTEN_VARIABLE = "overwritten_variable"
    """A variable that was set is set again."""
    FOREIGN_OP = "foreign_op"
    """An operation of another expert."""
    CLIPPED = "clipped"
    """The token budget ended it."""
    OTHER_INVALID = "other_invalid"
    """The solver refuses it for another reason; the explanation names it."""
    PARSE_FAIL = "parse_fail"
    """No trace can be read."""


class Category(StrEnum):
    """The notebook's failure categories (NOTEBOOK, run 19)."""

    ENTITIES = "multi-entity confusion"
    VALUES = "value extraction error"
    TRUNCATION = "multi-step truncation"
    RATES = "rate/time confusion"
    DECIMALS = "decimal/fraction handling"


class Diagnosed(Struct, frozen=True, kw_only=True):
    """What is wrong with one prediction."""

    diagnosis: Diagnosis
    explanation: str
    """One or two sentences for a person."""
    place: Place | None = None
    """The step of the predicted trace where it leaves the reference; None if it has none."""
    category: Category | None = None
    """The notebook's category; None for faults of form, which it counted apart."""
    reference: Trace | None = None
    """The reading of the problem that the prediction was held against."""
