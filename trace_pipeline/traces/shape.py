"""From raw mappings to typed steps: the faults of shape, in the order in which they count.

First the counts of the whole trace, then sub-trace by sub-trace its expert, then
step by step the op, whether the expert has it, and the fields.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from typing import Any

from msgspec import Struct

from trace_pipeline.traces.errors import Reason, TraceError, shorten
from trace_pipeline.traces.limits import MAX_ARGUMENTS, MAX_BITS, MAX_STEPS, MAX_SUBTRACES
from trace_pipeline.traces.numbers import exceeds_limit, parse_number
from trace_pipeline.traces.operations import COMPUTE_ARITIES, OP_NAMES, OPERATIONS, Field
from trace_pipeline.traces.steps import Compare, Compute, Init, Step, SubTrace, Trace
from trace_pipeline.validation import unknown_name

Vocabularies = Mapping[str, Collection[str]]
"""The ops that each expert may use; the solver's ``EXPERT_OPERATIONS`` is one."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_RATIO = re.compile(r"-?[0-9]{1,400}/[0-9]{1,400}")


def is_name(text: str) -> bool:
    """Whether ``text`` can name a variable: ``step1``, ``bob.cards``."""
    return _NAME.fullmatch(text) is not None


class OutOfRange(Struct, frozen=True):
    """Stands for a number of a text that needs more than ``MAX_BITS`` bits."""

    text: str


class RawSubTrace(Struct, frozen=True):
    """A sub-trace as its YAML says it, before its shape is judged."""

    expert: str
    steps: tuple[dict[Any, Any], ...]
    unknown_fields: tuple[Any, ...] = ()


class RawTrace(Struct, frozen=True):
    """A trace as its YAML says it; what parses but need not be valid."""

    subtraces: tuple[RawSubTrace, ...]

    @property
    def expert(self) -> str:
        """The expert's name; ``composition`` for two or more sub-traces."""
        return self.subtraces[0].expert if len(self.subtraces) == 1 else "composition"


def typed(reading: RawTrace | Trace, vocabularies: Vocabularies | None = None) -> Trace:
    """The typed trace of what was read; experts and their ops are judged only by ``vocabularies``.

    Of a trace that is typed already only the counts are judged.

    Raises:
        TraceError: the first fault of counts or shape.
    """
    _check_counts(reading)
    if isinstance(reading, Trace):
        return reading
    return Trace(
        tuple(
            _typed_subtrace(subtrace, index, vocabularies)
            for index, subtrace in enumerate(reading.subtraces)
        )
    )


def check_shape(trace: Trace, vocabularies: Vocabularies) -> None:
    """Judge a trace that was built rather than read by the same rules.

    Raises:
        TraceError: the first fault of shape.
    """
    _check_counts(trace)
    for index, subtrace in enumerate(trace.subtraces):
        _check_expert(subtrace.expert, index, vocabularies)
        for place, step in enumerate(subtrace.steps):
            op = OP_NAMES.get(type(step), type(step).__name__)
            try:
                _check_op(op, subtrace.expert, vocabularies)
                _check_fields(step)
            except TraceError as error:
                raise error.at(index, place, op) from None


def _check_counts(trace: RawTrace | Trace) -> None:
    count = len(trace.subtraces)
    if not count:
        raise TraceError(Reason.NO_QUERY, "there is no sub-trace; write one that ends in a query")
    if count > MAX_SUBTRACES:
        raise TraceError(
            Reason.LIMIT_EXCEEDED,
            f"{count} sub-traces; at most {MAX_SUBTRACES} are allowed: join some of them",
        )
    subtraces: Sequence[RawSubTrace | SubTrace] = trace.subtraces
    for index, subtrace in enumerate(subtraces):
        if len(subtrace.steps) > MAX_STEPS:
            raise TraceError(
                Reason.LIMIT_EXCEEDED,
                f"{len(subtrace.steps)} steps; at most {MAX_STEPS} are allowed: "
                "split it into sub-traces",
                index,
                label=shorten(subtrace.expert),
            )


def _typed_subtrace(raw: RawSubTrace, index: int, vocabularies: Vocabularies | None) -> SubTrace:
    if vocabularies is not None:
        _check_expert(raw.expert, index, vocabularies)
    if raw.unknown_fields:
        raise TraceError(
            Reason.BAD_FIELD,
            f"unknown field {shorten(raw.unknown_fields[0])}; a sub-trace has expert and trace",
            index,
        )
    steps = []
    for place, step in enumerate(raw.steps):
        op = step.get("op")
        try:
            steps.append(_typed_step(step, raw.expert, vocabularies))
        except TraceError as error:
            label = op if isinstance(op, str) and op in OPERATIONS else "no known op"
            raise error.at(index, place, label) from None
    return SubTrace(raw.expert, tuple(steps))


def _check_expert(expert: str, index: int, vocabularies: Vocabularies) -> None:
    if expert not in vocabularies:
        message = unknown_name("expert", expert[:40], list(vocabularies))
        raise TraceError(Reason.UNKNOWN_EXPERT, message, index)


def _check_op(op: str, expert: str, vocabularies: Vocabularies | None) -> None:
    if op not in OPERATIONS:
        raise TraceError(Reason.UNKNOWN_OP, unknown_name("op", op[:40], list(OPERATIONS)))
    if vocabularies is not None and op not in vocabularies[expert]:
        owners = [name for name, ops in vocabularies.items() if op in ops]
        raise TraceError(
            Reason.FOREIGN_OP,
            f"{op} is no operation of {expert}; use {', '.join(vocabularies[expert])}"
            f" or a sub-trace of {' or '.join(owners)}",
        )


def _typed_step(raw: dict[Any, Any], expert: str, vocabularies: Vocabularies | None) -> Step:
    if "op" not in raw:
        raise TraceError(Reason.BAD_FIELD, "the field 'op' is missing; add it")
    op = raw["op"]
    if not isinstance(op, str):
        known = ", ".join(OPERATIONS)
        raise TraceError(Reason.UNKNOWN_OP, f"unknown op {shorten(op)}. There are: {known}")
    _check_op(op, expert, vocabularies)
    operation = OPERATIONS[op]
    for key in raw:
        if key != "op" and key not in operation.fields:
            raise TraceError(
                Reason.BAD_FIELD,
                f"unknown field {shorten(key)}; {op} has {', '.join(operation.fields)}",
            )
    for name in operation.fields:
        if name not in raw and name not in operation.optional:
            raise TraceError(Reason.BAD_FIELD, f"the field {name!r} is missing; add it")
    values = {}
    for name, kind in operation.fields.items():
        if name in raw:
            if raw[name] is None:
                raise _expected(name, kind, None)
            values[name] = _raw_value(raw[name], kind)
    step: Step = operation.step(**values)
    _check_fields(step)
    return step


def _raw_value(value: Any, kind: Field) -> Any:
    if kind is Field.NAMES and isinstance(value, list):
        return tuple(value)
    if (
        kind in (Field.NUMBER, Field.QUANTITY)
        and isinstance(value, str)
        and _RATIO.fullmatch(value)
    ):
        try:
            return parse_number(value)
        except ValueError:
            return value
    return value


def _check_fields(step: Step) -> None:
    operation = OPERATIONS[OP_NAMES[type(step)]]
    for name, kind in operation.fields.items():
        value = getattr(step, name)
        if value is not None or name not in operation.optional:
            _check_value(name, kind, value)
    if isinstance(step, Init):
        if (step.value is None) == (step.source is None):
            raise TraceError(Reason.BAD_FIELD, "init needs either a value or a source; give one")
    elif isinstance(step, Compute | Compare):
        low, high = COMPUTE_ARITIES[step.compute_op]
        count = len(step.args)
        if count > MAX_ARGUMENTS:
            raise TraceError(
                Reason.LIMIT_EXCEEDED,
                f"{count} args; at most {MAX_ARGUMENTS} are allowed: use several steps",
            )
        if not low <= count <= high:
            wanted = f"{low}" if low == high else f"{low} or more"
            raise TraceError(
                Reason.BAD_FIELD, f"{step.compute_op} takes {wanted} args, found {count}"
            )


def _check_value(name: str, kind: Field, value: Any) -> None:
    if kind is Field.NAMES:
        if not isinstance(value, tuple):
            raise _expected(name, kind, value)
        for item in value:
            _check_value(name, Field.NAME, item)
        return
    if kind in (Field.NUMBER, Field.QUANTITY):
        if isinstance(value, OutOfRange):
            raise out_of_range(value.text)
        if type(value) is int or isinstance(value, Fraction):
            if exceeds_limit(value):
                raise out_of_range(f"{name!r}")
            return
    is_text = isinstance(value, str)
    if kind is Field.COMPUTE_OP:
        if not is_text or value not in COMPUTE_ARITIES:
            message = unknown_name("compute_op", shorten(value).strip("'"), list(COMPUTE_ARITIES))
            raise TraceError(Reason.BAD_FIELD, message)
    elif kind is Field.SOURCE:
        if not is_text:
            raise _expected(name, kind, value)
    elif kind is Field.NUMBER or not is_text or not is_name(value):
        raise _expected(name, kind, value)


def _expected(name: str, kind: Field, value: Any) -> TraceError:
    return TraceError(
        Reason.BAD_FIELD, f"{name!r} must be {kind.value}, found {shorten(value)}; correct it"
    )


def out_of_range(what: str) -> TraceError:
    """The fault of a number that is too large or too fine; ``what`` names it."""
    return TraceError(
        Reason.LIMIT_EXCEEDED,
        f"{what[:40]} needs more than {MAX_BITS} bits; keep to numbers of the problem's size",
    )
