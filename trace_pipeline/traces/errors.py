"""Why a trace is refused: the closed set of reasons, and the error that carries one."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a text is no trace (``parse_fail``) or a trace is invalid (all others).

    docs/trace-language.md lists each with an example and its remedy.
    """

    PARSE_FAIL = "parse_fail"
    UNKNOWN_EXPERT = "unknown_expert"
    UNKNOWN_OP = "unknown_op"
    FOREIGN_OP = "foreign_op"
    BAD_FIELD = "bad_field"
    UNDEFINED_VARIABLE = "undefined_variable"
    REDEFINED_VARIABLE = "redefined_variable"
    UNRESOLVED_SOURCE = "unresolved_source"
    SHORT_CIRCUIT = "short_circuit"
    NO_QUERY = "no_query"
    MISPLACED_QUERY = "misplaced_query"
    DIVISION_BY_ZERO = "division_by_zero"
    NEGATIVE_STOCK = "negative_stock"
    INEXACT_RESULT = "inexact_result"
    LIMIT_EXCEEDED = "limit_exceeded"


class TraceError(Exception):
    """A text that is no trace, or a trace that is refused.

    Attributes:
        reason: the class of the fault.
        detail: what is wrong and what to do, without the place.
        subtrace: index of the sub-trace (from 0, as in ``sub0.result``), or None.
        step: index of the step within it (from 0), or None.
        label: what stands there, for people: the expert, the step's op.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str,
        subtrace: int | None = None,
        step: int | None = None,
        label: str = "",
    ) -> None:
        super().__init__(reason, detail, subtrace, step, label)
        self.reason = reason
        self.detail = detail
        self.subtrace = subtrace
        self.step = step
        self.label = label

    def at(self, subtrace: int, step: int | None, label: str) -> TraceError:
        """The same fault with its place filled in."""
        return TraceError(self.reason, self.detail, subtrace, step, label)

    @property
    def message(self) -> str:
        """Where the fault is, what is wrong and what to do."""
        if self.subtrace is None:
            return self.detail
        place = f"sub-trace {self.subtrace}"
        if self.step is not None:
            place += f", step {self.step}"
        if self.label:
            place += f" ({self.label})"
        return f"{place}: {self.detail}"

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


def shorten(value: object, limit: int = 40) -> str:
    """``value`` as it is shown in messages: its repr, cut to ``limit`` characters."""
    try:
        text = repr(value)
    except ValueError:  # an int beyond Python's limit for decimal text
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= limit else text[: limit - 3] + "..."
