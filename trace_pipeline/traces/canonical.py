"""A fast reader of the canonical form: one regular expression per kind of step.

It reads only what means the same to the YAML reader and gives up (None) on
anything else, faulty traces included; a property test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from trace_pipeline.traces.numbers import decimal_number
from trace_pipeline.traces.operations import COMPUTE_ARITIES, OPERATIONS, Field
from trace_pipeline.traces.steps import Step, SubTrace, Trace
from trace_pipeline.traces.writing import KEYWORDS

_WORD = rf"(?!(?:{'|'.join(sorted(KEYWORDS))})(?:[,}}\]]|$))[A-Za-z_][A-Za-z0-9_.]*"
_NUMBER = r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?"
_PATTERNS = {
    Field.NAME: f"({_WORD})",
    Field.NUMBER: f"({_NUMBER})",
    Field.QUANTITY: f"({_NUMBER}|{_WORD})",
    Field.SOURCE: r"((?:prev|sub[0-9]{1,4})\.result)",
}
_EXPERT = re.compile(rf"(?:- )?expert: ({_WORD})")
_STEP_START = "- {op: "


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


def _quantity(text: str) -> Any:
    return decimal_number(text) if text[0] in "-0123456789" else text


_CONVERTERS: dict[Field, Callable[[str], Any]] = {
    Field.NAMES: _names,
    Field.NUMBER: decimal_number,
    Field.QUANTITY: _quantity,
}


class _Form(NamedTuple):
    """One way to write a step: its line, and how the line's groups become a step."""

    pattern: re.Pattern[str]
    build: Callable[..., Step]
    converters: tuple[tuple[int, Callable[[str], Any]], ...]


def _form(op: str, fields: dict[str, Field], patterns: Mapping[Field, str]) -> _Form:
    body = "".join(f", {name}: {patterns[kind]}" for name, kind in fields.items())
    step = OPERATIONS[op].step
    in_order = tuple(fields) == step.__struct_fields__[: len(fields)]
    return _Form(
        re.compile(rf"{re.escape(_STEP_START)}{op}{body}\}}"),
        step if in_order else lambda *groups: step(**dict(zip(fields, groups, strict=True))),
        tuple(
            (place, _CONVERTERS[kind])
            for place, kind in enumerate(fields.values())
            if kind in _CONVERTERS
        ),
    )


def _forms(op: str) -> tuple[_Form, ...]:
    operation = OPERATIONS[op]
    needed = {n: kind for n, kind in operation.fields.items() if n not in operation.optional}
    if operation.optional:  # exactly one of them
        return tuple(
            _form(op, needed | {name: operation.fields[name]}, _PATTERNS)
            for name in sorted(operation.optional, reverse=True)
        )
    if Field.COMPUTE_OP not in needed.values():
        return (_form(op, needed, _PATTERNS),)
    return tuple(
        _form(op, needed, _PATTERNS | _computation_patterns(low, high))
        for low, high in dict.fromkeys(COMPUTE_ARITIES.values())
    )


def _computation_patterns(low: int, high: int) -> dict[Field, str]:
    names = [name for name, arity in COMPUTE_ARITIES.items() if arity == (low, high)]
    return {
        Field.COMPUTE_OP: f"({'|'.join(names)})",
        Field.NAMES: rf"\[({_WORD}(?:, {_WORD}){{{low - 1},{high - 1}}})\]",
    }


_FORMS = {op: _forms(op) for op in OPERATIONS}


def read_canonical(text: str) -> Trace | None:
    """The trace of canonical ``text`` whose steps all have a right shape; None for any other."""
    lines = text.rstrip(" \n").split("\n")
    margin = "  " if lines[0].startswith("- ") else ""
    subtraces: list[SubTrace] = []
    place, count = 0, len(lines)
    while place < count:
        header = _EXPERT.fullmatch(lines[place])
        if header is None or lines[place].startswith("- ") != bool(margin):
            return None
        if place + 1 == count or lines[place + 1] != margin + "trace:":
            return None
        place += 2
        steps: list[Step] = []
        while place < count and lines[place].startswith(_STEP_START, len(margin)):
            step = _read_step(lines[place], len(margin))
            if step is None:
                return None
            steps.append(step)
            place += 1
        if not steps or not (margin or place == count):
            return None
        subtraces.append(SubTrace(header[1], tuple(steps)))
    return Trace(tuple(subtraces))


def _read_step(line: str, start: int) -> Step | None:
    op_start = start + len(_STEP_START)
    for form in _FORMS.get(line[op_start : line.find(",", op_start)], ()):
        match = form.pattern.fullmatch(line, start)
        if match is not None:
            if not form.converters:
                return form.build(*match.groups())
            groups: list[Any] = list(match.groups())
            for place, convert in form.converters:
                groups[place] = convert(groups[place])
            return form.build(*groups)
    return None
