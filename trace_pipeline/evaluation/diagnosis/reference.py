"""A problem's reference, and a prediction laid beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from functools import cached_property
from itertools import combinations

from msgspec import Struct

from trace_pipeline.evaluation.diagnosis.aim import Aim
from trace_pipeline.evaluation.diagnosis.classes import Place
from trace_pipeline.evaluation.diagnosis.field import (
    PRIME,
    Element,
    Run,
    Setting,
    combine,
    inverse,
    symbol,
)
from trace_pipeline.evaluation.diagnosis.numbers import UNSAID, QuestionNumbers, aliases
from trace_pipeline.evaluation.diagnosis.steps import numbers_of, operation_of, places, step_at
from trace_pipeline.solver import formula
from trace_pipeline.solver.execution import run
from trace_pipeline.solver.graph import PRODUCT, SUM, computation_graph
from trace_pipeline.traces import (
    Compare,
    Compute,
    Init,
    Number,
    PercentIncrease,
    PercentOf,
    PercentOff,
    Step,
    SubTrace,
    Trace,
    TraceError,
)

MOST_OPERANDS = 8
"""Operands of a sum or product up to which all its parts count as on the way to it."""


class Part(Struct, frozen=True):
    """Some operands of a sum or product of the reference."""

    whole: Element
    """The sum or product."""
    missing: tuple[Element, ...]
    """The operands that are not in the part; what is subtracted or divided by is inverted."""
    is_inverted: bool
    """Whether it is the part with its sign or its fraction turned round."""


class Reference:
    """One reading of a problem: a trace that computes its gold answer."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        plain = with_plain_divisions(trace)
        self.run = Run(plain)
        self.numbers = numbers_of(trace)
        self.steps: dict[Element, Setting] = {}
        """What it computes, each value with the step that gives it first."""
        self.leaves: dict[Element, Number] = {symbol(value): value for value in self.numbers}
        for setting in self.run.settings:
            if not isinstance(step_at(plain, setting.place), Init):
                self.steps.setdefault(setting.element, setting)
        self.has_percentages = 100 in self.numbers or any(
            isinstance(step, PercentOf | PercentOff | PercentIncrease) for _, step in places(trace)
        )
        self._plain = plain
        self.aliases = aliases(self.numbers, self.has_percentages)

    @property
    def answer(self) -> Element:
        """What it computes."""
        return self.run.answer

    @cached_property
    def results(self) -> dict[Number, Element]:
        """The values of its steps, where only one step has that value."""
        record: list[tuple[int, int, str, Number]] = []
        run(self.trace, record)
        values = {(index, place): value for index, place, _, value in record}
        counts = Counter(values[setting.place] for setting in self.steps.values())
        return {
            values[setting.place]: element
            for element, setting in self.steps.items()
            if counts[values[setting.place]] == 1
        }

    @cached_property
    def operands(self) -> dict[Element, tuple[str, tuple[Element, ...]]]:
        """The operation of each computed value and what it is applied to."""
        found = {}
        for element, setting in self.steps.items():
            step = step_at(self._plain, setting.place)
            found[element] = (operation_of(step), tuple(self.run.operands(setting.place)))
        return found

    @cached_property
    def parts(self) -> dict[Element, Part]:
        """What lies within its sums and products: ``a + b`` on the way to ``a + b + c``."""
        graph = computation_graph(self._plain)
        elements: list[Element] = []
        found: dict[Element, Part] = {}
        for term in graph.terms:
            signed = [elements[child] for child in term.args]
            if term.op == SUM:
                signed += [PRIME - elements[child] for child in term.inverse]
                elements.append(combine("add", signed))
            elif term.op == PRODUCT:
                signed += [inverse(elements[child]) for child in term.inverse]
                elements.append(combine("mul", signed))
            else:
                children = [elements[child] for child in term.children]
                elements.append(combine(term.op, children) if children else symbol(term.value))
                continue
            if 3 <= len(signed) <= MOST_OPERANDS:
                for size in range(2, len(signed)):
                    for chosen in combinations(range(len(signed)), size):
                        inside = [signed[i] for i in chosen]
                        left = tuple(s for i, s in enumerate(signed) if i not in chosen)
                        part = combine("add" if term.op == SUM else "mul", inside)
                        opposite = PRIME - part if term.op == SUM else inverse(part)
                        found.setdefault(part, Part(elements[-1], left, False))
                        found.setdefault(opposite, Part(elements[-1], left, True))
        return found

    def is_on_the_way(self, element: Element) -> bool:
        """Whether ``element`` is one of its numbers or results, or a part of a sum or product."""
        return (
            element in self.leaves
            or element in self.steps
            or element in self._other_forms
            or element in self.parts
        )

    @cached_property
    def _other_forms(self) -> frozenset[Element]:
        return frozenset(self.aliases.values())

    def line(self, element: Element) -> str:
        """The step that computes ``element``, in names: ``result = step1 + bill``."""
        setting = self.steps[element]
        step = step_at(self.trace, setting.place)
        return f"{setting.name} = {formula(step)}"

    def name(self, element: Element) -> str:
        """The reference's name for one of its numbers or results."""
        for setting in self.run.settings:
            if setting.element == element:
                return setting.name
        return "a number"

    def remaining(self, done: Container[Element], of: Element | None = None) -> list[Element]:
        """What has yet to be computed for ``of`` (the answer) once ``done`` is there, in order."""
        wanted: set[Element] = set()
        front = [self.answer if of is None else of]
        while front:
            element = front.pop()
            if element in self.operands and element not in done and element not in wanted:
                wanted.add(element)
                front += self.operands[element][1]
        return [element for element in self.steps if element in wanted]

    def inputs(self, of: Element) -> set[Element]:
        """The numbers that ``of`` is computed from; itself if it is one."""
        computed = self.remaining((), of)
        return {o for e in computed for o in self.operands[e][1]} | {of}


class Comparison:
    """A prediction's trace beside one reading of its problem."""

    def __init__(self, trace: Trace, reference: Reference, question: QuestionNumbers) -> None:
        self.trace = trace
        self.reference = reference
        self.question = question
        self._symbols: dict[Number, Element] = {}
        self.run = Run(with_plain_divisions(trace), self.symbol)
        self.aim = Aim(self.run, reference.answer)
        self.numbers = numbers_of(trace)
        self.known: set[Element] = {setting.element for setting in self.run.settings}
        """Every value that the prediction has, used or not."""

    def symbol(self, value: Number) -> Element:
        """What stands for a number of the prediction: its meaning in the reference, if any."""
        if value not in self._symbols:
            self._symbols[value] = self._meaning(value)
        return self._symbols[value]

    def _meaning(self, value: Number) -> Element:
        if value in self.reference.numbers:
            return symbol(value)
        if value in self.reference.aliases:
            return self.reference.aliases[value]
        if self.is_leaked(value):
            return self.reference.results[value]
        return symbol(value)

    def is_leaked(self, value: Number) -> bool:
        """Whether ``value`` is a result of the reference that was computed in the head."""
        return (
            value not in self.reference.numbers
            and value not in self.reference.aliases
            and value not in self.question.said
            and value not in UNSAID
            and value in self.reference.results
        )

    def is_right(self, answer: Element) -> bool:
        """Whether a trace with this answer would compute what the reference computes."""
        return answer == self.reference.answer

    @cached_property
    def missing(self) -> list[Number]:
        """Numbers of the reference that the prediction does not say, the question's first."""
        lacking = [
            value
            for value in self.reference.numbers
            if value not in self.numbers and (value not in UNSAID or value in self.question.said)
        ]
        means = {self.reference.aliases[v] for v in self.numbers if v in self.reference.aliases}
        shown = [v for v in lacking if not self._is_meant(v, means)]
        return sorted(shown, key=lambda value: value not in self.question.said)

    @cached_property
    def missing_forms(self) -> list[Number]:
        """The missing numbers, and other forms in which they could stand there."""
        others = aliases(self.missing, self.reference.has_percentages)
        return self.missing + [v for v in others if self.reference.aliases.get(v) == others[v]]

    def _is_meant(self, value: Number, means: set[Element]) -> bool:
        """Whether a number of the prediction is another form of ``value``."""
        return not means.isdisjoint(aliases((value,), self.reference.has_percentages).values())

    @cached_property
    def strange(self) -> set[Number]:
        """Numbers of the prediction that the reference has in no form."""
        return {
            value
            for value in self.numbers
            if value not in self.reference.numbers
            and value not in self.reference.aliases
            and value not in UNSAID
            and not self.is_leaked(value)
        }

    def steps(self) -> list[tuple[Place, Step]]:
        """The prediction's steps with their places."""
        return places(self.trace)


def with_plain_divisions(trace: Trace) -> Trace:
    """``trace`` with rounded divisions that are exact on its numbers written as ``div``."""
    rounded = ("floordiv", "ceildiv")
    if not any(
        isinstance(step, Compute | Compare) and step.compute_op in rounded
        for _, step in places(trace)
    ):
        return trace
    record: list[tuple[int, int, str, Number]] = []
    try:
        run(trace, record)
    except TraceError:
        return trace
    values = {(index, name): value for index, _, name, value in record}
    return Trace(
        tuple(
            SubTrace(
                subtrace.expert,
                tuple(
                    Compute("div", step.args, step.var)
                    if isinstance(step, Compute)
                    and step.compute_op in rounded
                    and values[index, step.args[0]] % values[index, step.args[1]] == 0
                    else step
                    for step in subtrace.steps
                ),
            )
            for index, subtrace in enumerate(trace.subtraces)
        )
    )
