"""What is written of a trace, run as far as it goes, and what may be added to it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

from trace_pipeline.solver.arithmetic import COMPUTATIONS
from trace_pipeline.solver.execution import (
    PERCENTAGES,
    Run,
    given_amount,
    move,
    resolve_source,
)
from trace_pipeline.solver.experts import EXPERT_OPERATIONS
from trace_pipeline.solver.shortcut import check_short_circuit
from trace_pipeline.traces.errors import TraceError
from trace_pipeline.traces.limits import MAX_ARGUMENTS, MAX_STEPS
from trace_pipeline.traces.numbers import Number
from trace_pipeline.traces.operations import COMPUTE_ARITIES, OPERATIONS
from trace_pipeline.traces.steps import (
    AddEntity,
    Compare,
    Compute,
    Consume,
    Init,
    PercentIncrease,
    PercentOf,
    PercentOff,
    Query,
    Step,
    SubTrace,
    Trace,
    Transfer,
)

PATIENCE = 3
"""Steps for which an answer is held back that does not look like one."""
HUNDREDTHS = 100
ENDING_STEPS = 3
"""Steps with which any sub-trace can be ended validly: init, compute, query."""
PLACEHOLDER = " new"
"""Stands for a name that is not chosen yet; no text can hold it."""
_FINISHING = ("add", "mul", "sub")
_ONE_SIDED = frozenset(("sub", "div", "floordiv", "ceildiv", "mod"))
"""Computations whose arguments play different parts."""


class Program:
    """The sub-traces that are finished and the steps of the one at hand, with all values."""

    def __init__(self, composed: bool) -> None:
        self.composed = composed
        self.done: tuple[SubTrace, ...] = ()
        self.results: tuple[Number, ...] = ()
        self.expert = ""
        self.steps: tuple[Step, ...] = ()
        self.values: dict[str, Number] = {}
        self._givens: tuple[Number, ...] = ()
        """Numbers that all steps say or take from an earlier sub-trace, as :func:`run` has them."""
        self._suspects: tuple[int, ...] = ()
        """Finished sub-traces whose result is one of the numbers given by then."""
        self._made: tuple[str, ...] = ()
        """Names whose value some step other than init has set; the latest last."""
        self._refused: frozenset[str] = frozenset()
        """Names that were a short circuit when last asked for; they stay so until they change."""
        self._held_back = 0
        """Steps since the latest result last looked like an answer."""
        self._targets: dict[str, bool] = {}
        self._computable: dict[tuple[str, tuple[str, ...]], bool] = {}
        """What :meth:`closes` was asked since the last step."""

    def copy(self) -> Program:
        """An independent copy."""
        other = Program(self.composed)
        other.done, other.results = self.done, self.results
        other.expert, other.steps, other._made = self.expert, self.steps, self._made
        other.values = dict(self.values)
        other._givens, other._suspects = self._givens, self._suspects
        other._refused, other._held_back = self._refused, self._held_back
        other._targets = dict(self._targets)
        return other

    def begin(self, expert: str) -> None:
        """Start the next sub-trace."""
        self.expert, self.steps, self.values, self._made = expert, (), {}, ()
        self._refused, self._held_back = frozenset(), 0
        self._changed()

    def add(self, step: Step) -> None:
        """Append a step that :meth:`allows`; a query finishes the sub-trace."""
        if isinstance(step, Query):
            self._suspects = self._suspects_with(step.var)
            self.done = (*self.done, SubTrace(self.expert, (*self.steps, step)))
            self.results = (*self.results, self.values[step.var])
            self.steps = ()
        else:
            givens: list[Number] = []
            made = self._effect(step, self.values, givens)
            self._givens += tuple(givens)
            self._made += made
            self._refused -= set(made)
            self._held_back = 0 if self.answered else self._held_back + bool(self._made)
            self.steps = (*self.steps, step)
        self._changed()

    def _changed(self) -> None:
        self._targets, self._computable = {}, {}

    def _effect(
        self, step: Step, values: dict[str, Number], givens: list[Number]
    ) -> tuple[str, ...]:
        """Change ``values`` as ``step`` does; the names that it computed.

        The numbers that the step says or takes from an earlier sub-trace go to ``givens``.

        Raises:
            TraceError: the solver would refuse the step.
        """
        if isinstance(step, Init):
            if step.source is None:
                values[step.var] = cast(Number, step.value)
            else:
                values[step.var] = self.results[resolve_source(step.source, len(self.done))]
            givens.append(values[step.var])
            return ()
        if isinstance(step, Compute | Compare):
            values[step.var] = COMPUTATIONS[step.compute_op]([values[a] for a in step.args])
            return (step.var,)
        if isinstance(step, PercentOff | PercentIncrease | PercentOf):
            rate = given_amount(step.rate, values, givens)
            values[step.var] = PERCENTAGES[type(step)](values[step.base], rate)
            return (step.var,)
        move(step, values, givens, 0, 0, None)
        if isinstance(step, Transfer):
            return (step.from_entity, step.to_entity)
        assert isinstance(step, Consume | AddEntity)
        return (step.entity,)

    # -- what may come ---------------------------------------------------------------------

    @property
    def must_end(self) -> bool:
        """Whether only an end fits into what is left of the steps."""
        return len(self.steps) + ENDING_STEPS >= MAX_STEPS

    def allows(self, step: Step) -> bool:
        """Whether the solver would run ``step`` next."""
        try:
            self._effect(step, dict(self.values), [])
        except TraceError:
            return False
        return True

    def ops(self) -> tuple[str, ...]:
        """The ops that the next step may have, in the vocabulary's order."""
        return tuple(op for op in EXPERT_OPERATIONS[self.expert] if self._possible(op))

    def _possible(self, op: str) -> bool:
        if op in ("init", "add_entity"):
            return True
        if op == "query":
            return any(self.targets())
        if op in ("consume", "transfer"):
            return bool(self.stocks())
        return bool(self.values)  # of any variable, add is sure to be possible, or sub

    def stocks(self) -> tuple[str, ...]:
        """Names of which something can be taken."""
        return tuple(name for name, value in self.values.items() if value >= 0)

    def computations(self) -> tuple[str, ...]:
        """Every ``compute_op`` that some arguments allow."""
        return tuple(
            op
            for op, (low, _) in COMPUTE_ARITIES.items()
            if any(self._leads(op, (name,), low) for name in self.values)
        )

    def extensions(self, op: str, args: tuple[str, ...]) -> tuple[str, ...]:
        """The names that may follow ``args`` as arguments of ``op``."""
        return tuple(self._extensions(op, args))

    def extensible(self, op: str, args: tuple[str, ...]) -> bool:
        """Whether any name may follow ``args`` as arguments of ``op``."""
        return next(self._extensions(op, args), None) is not None

    def _extensions(self, op: str, args: tuple[str, ...]) -> Iterator[str]:
        low, high = COMPUTE_ARITIES[op]
        if len(args) < min(high, MAX_ARGUMENTS):
            yield from (name for name in self.values if self._leads(op, (*args, name), low))

    def _leads(self, op: str, args: tuple[str, ...], low: int) -> bool:
        """Whether ``args`` are enough and allowed, or one more makes them so."""
        if len(args) >= low:
            return self.closes(op, args)
        return any(self.closes(op, (*args, name)) for name in self.values)

    def closes(self, op: str, args: tuple[str, ...]) -> bool:
        """Whether ``op`` can be computed of just ``args``."""
        low, high = COMPUTE_ARITIES[op]
        if not low <= len(args) <= high:
            return False
        found = self._computable.get((op, args))
        if found is None:
            found = self._computable[op, args] = self._computes(op, args)
        return found

    def _computes(self, op: str, args: tuple[str, ...]) -> bool:
        try:
            COMPUTATIONS[op]([self.values[name] for name in args])
        except TraceError:
            return False
        return True

    # -- what looks sensible ---------------------------------------------------------------

    @property
    def answered(self) -> bool:
        """Whether the latest result looks like an answer: whole and above zero."""
        return bool(self._made) and self.is_answer(self._made[-1])

    @property
    def awaits_answer(self) -> bool:
        """Whether the latest result is none, and has not been one for a few steps at most."""
        return not self.answered and self._held_back <= PATIENCE

    def is_answer(self, name: str) -> bool:
        """Whether the value of ``name`` is whole and above zero."""
        value = self.values[name]
        return isinstance(value, int) and value > 0

    def is_sensible(self, op: str, args: tuple[str, ...]) -> bool:
        """Whether ``op`` makes of ``args`` a whole number of hundredths above zero.

        Nothing is taken from itself, or divided by itself.
        """
        low, high = COMPUTE_ARITIES[op]
        if not low <= len(args) <= high or (op in _ONE_SIDED and len(set(args)) < len(args)):
            return False
        try:
            value = Fraction(COMPUTATIONS[op]([self.values[name] for name in args]))
        except TraceError:
            return False
        return value > 0 and HUNDREDTHS % value.denominator == 0

    def leads_to_sense(self, op: str, args: tuple[str, ...]) -> bool:
        """Whether ``args`` can be gone on with to a sensible computation."""
        if len(args) >= COMPUTE_ARITIES[op][0]:
            return self.is_sensible(op, args)
        return any(self.is_sensible(op, (*args, name)) for name in self.values)

    def targets(self) -> Iterator[str]:
        """Names whose query ends the sub-trace validly, the latest first."""
        for name in dict.fromkeys(reversed(self._made)):
            if name not in self._targets:
                self._targets[name] = name not in self._refused and self._proves_computed(name)
                if not self._targets[name]:
                    self._refused |= {name}
            if self._targets[name]:
                yield name

    def _suspects_with(self, name: str) -> tuple[int, ...]:
        """Sub-traces whose result equals a given number, once this one has queried ``name``."""
        if self.values[name] in self._givens:
            return (*self._suspects, len(self.done))
        return self._suspects

    def _proves_computed(self, name: str) -> bool:
        """Whether no result is a short circuit, once this sub-trace has queried ``name``.

        The solver ran each step as it was added: it need not run them again.
        """
        suspects = self._suspects_with(name)
        if not suspects:
            return True
        trace = Trace((*self.done, SubTrace(self.expert, (*self.steps, Query(name)))))
        outcome = Run((*self.results, self.values[name]), suspects)
        try:
            # What a composition has must stay valid whatever sub-traces follow.
            check_short_circuit(trace, outcome, proven=self.composed)
        except TraceError:
            return False
        return True

    def ending(self) -> list[Step]:
        """Few steps that end the sub-trace at hand validly, from between two steps."""
        target = next(self.targets(), None)
        if target is not None:
            return [Query(target)]
        name = next(n for n in self._fresh("result") if n not in self.values)
        for step in self._closing(name):
            if self._ends_by(step):
                return [step, Query(name)]
        start = next(n for n in self._fresh("a") if n not in self.values)
        double = Compute("add", (start, start), name)
        for value in itertools.count(2):  # some double equals no given number
            longer = self.copy()
            longer.add(Init(start, value))
            if longer._ends_by(double):
                return [Init(start, value), double, Query(name)]
        raise AssertionError

    def _ends_by(self, step: Compute) -> bool:
        after = self.copy()
        after.add(step)
        return next(after.targets(), None) == step.var

    def _closing(self, name: str) -> Iterator[Compute]:
        """Computations of the latest variables that may serve as an end."""
        latest = list(self.values)[-3:]
        for args in itertools.product(latest, repeat=2):
            for op in _FINISHING:
                if self.closes(op, args):
                    yield Compute(op, args, name)

    @staticmethod
    def _fresh(name: str) -> Iterator[str]:
        yield name
        for count in itertools.count(1):
            yield f"{name}{count}"


def first_field(op: str) -> str:
    """The field that follows ``op`` in its step."""
    return next(iter(OPERATIONS[op].fields))
