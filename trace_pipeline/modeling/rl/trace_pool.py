"""Correct traces that a policy found, at most so many per problem and all of them different."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trace_pipeline.modeling.training.problem_stream import Problem
from trace_pipeline.solver.graph import computation_graph
from trace_pipeline.solver.graph_shape import shape
from trace_pipeline.traces import Number, Trace


@dataclass(frozen=True)
class OwnTrace:
    """A trace to learn from, as training reads it."""

    question: str
    trace: Trace
    answer: Number
    expert: str | None


@dataclass(frozen=True)
class _Form:
    """What a trace computes; equal for two that differ in names and order alone."""

    shape: str
    numbers: tuple[Number, ...]


def canonical_form(trace: Trace) -> _Form:
    """The computation of a valid trace, without names and without the order of what commutes."""
    graph = computation_graph(trace)
    numbers = sorted(leaf.value for leaf in graph.leaves(graph.root))
    return _Form(shape(graph), tuple(numbers))


class TracePool:
    """Different correct traces by problem."""

    def __init__(self, keep: int, references: bool) -> None:
        """``keep`` per problem at most; with ``references`` each problem's own is known already."""
        self._keep, self._references = keep, references
        self._problems: dict[tuple[str, int], Problem] = {}
        self._found: dict[tuple[str, int], dict[_Form, Trace]] = {}

    def __len__(self) -> int:
        """Traces in the pool, references not counted."""
        return sum(map(len, self._found.values()))

    def add(self, problem: Problem, traces: Sequence[Trace]) -> int:
        """Take up what is new of one problem's correct traces; how many were.

        Where there is more than room, computations of a shape that is not there yet go first.
        """
        key = (problem.source, problem.index)
        self._problems.setdefault(key, problem)
        found = self._found.setdefault(key, {})
        known = {*found, *([canonical_form(problem.example.trace)] if self._references else [])}
        shapes = {form.shape for form in known}
        fresh: dict[_Form, Trace] = {}
        for trace in traces:
            form = canonical_form(trace)
            if form not in known:
                fresh.setdefault(form, trace)
        first = {form.shape: form for form in reversed(fresh) if form.shape not in shapes}
        order = [form for form in fresh if first.get(form.shape) == form]
        order += [form for form in fresh if first.get(form.shape) != form]
        taken = order[: self._keep - len(found)]
        found |= {form: fresh[form] for form in taken}
        return len(taken)

    def examples(self) -> list[OwnTrace]:
        """The pool as training examples, by problem."""
        return [
            OwnTrace(problem.example.question, trace, problem.example.answer, problem.expert)
            for key, problem in sorted(self._problems.items(), key=lambda item: item[0])
            for trace in self._found[key].values()
        ]
