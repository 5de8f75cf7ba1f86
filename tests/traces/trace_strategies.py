"""Hypothesis strategies for typed traces of a right shape, drawn from the table of operations."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from trace_pipeline.solver import EXPERT_OPERATIONS
from trace_pipeline.traces import Init, Number, Step, SubTrace, Trace
from trace_pipeline.traces.numbers import normalise
from trace_pipeline.traces.operations import COMPUTE_ARITIES, OPERATIONS, Field

names = st.one_of(
    st.sampled_from(["step1", "result", "bob.cards", "true", "Null", "on", "no", "e1", "_x"]),
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,8}", fullmatch=True),
)
numbers: st.SearchStrategy[Number] = st.one_of(
    st.integers(-(10**6), 10**6),
    st.integers(-(2**1024) + 1, 2**1024 - 1),
    st.decimals(-1000, 1000, places=3).map(lambda value: normalise(Fraction(value))),
    st.fractions(max_denominator=1000).map(normalise),
)
sources = st.sampled_from(["prev.result", "sub0.result", "sub12.result"])


@st.composite
def steps(draw: st.DrawFn, ops: tuple[str, ...] = tuple(OPERATIONS)) -> Step:
    """One step whose shape is right; what it says need not make sense."""
    operation = OPERATIONS[draw(st.sampled_from(ops))]
    if operation.step is Init:
        if draw(st.booleans()):
            return Init(draw(names), draw(numbers))
        return Init(draw(names), None, draw(sources))
    values: dict[str, Any] = {}
    for name, kind in operation.fields.items():
        if kind is Field.COMPUTE_OP:
            values[name] = draw(st.sampled_from(sorted(COMPUTE_ARITIES)))
        elif kind is Field.NAMES:
            low, high = COMPUTE_ARITIES[values["compute_op"]]
            count = draw(st.integers(low, min(high, low + 3)))
            values[name] = tuple(draw(st.lists(names, min_size=count, max_size=count)))
        elif kind is Field.QUANTITY:
            values[name] = draw(st.one_of(names, numbers))
        else:
            values[name] = draw(names)
    return operation.step(**values)


@st.composite
def subtraces(draw: st.DrawFn) -> SubTrace:
    expert = draw(st.sampled_from(sorted(EXPERT_OPERATIONS)))
    return SubTrace(expert, tuple(draw(st.lists(steps(EXPERT_OPERATIONS[expert]), max_size=6))))


traces = st.lists(subtraces(), min_size=1, max_size=3).map(lambda parts: Trace(tuple(parts)))


_SIGNS = " \n,:{}[]#'\"0.|>?%\t\x0b\r\u00e9"
_WORDS = ["", "- ", "&a ", "*a", "!t ", "1,000", "e9", "true", "null", "\r\n"]


@st.composite
def mutated(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    """A text with a few characters removed, doubled or replaced by ones that mean something."""
    text = draw(texts)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(text)))
        length = draw(st.integers(0, 3))
        piece = draw(st.one_of(st.sampled_from(_WORDS), st.sampled_from(_SIGNS)))
        text = text[:place] + piece + text[place + length :]
    return text
