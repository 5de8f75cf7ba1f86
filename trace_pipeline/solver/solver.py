"""The solver: the one authority on what a text is worth, for audit, reward and score alike."""

from __future__ import annotations

from msgspec import Struct

from trace_pipeline.solver.answers import Gold, GoldValue
from trace_pipeline.solver.execution import Execution, Recorded, run
from trace_pipeline.solver.experts import EXPERT_OPERATIONS
from trace_pipeline.solver.rewards import Rewards, VerdictKind, reward_table
from trace_pipeline.solver.shortcut import check_short_circuit
from trace_pipeline.traces.errors import Reason, TraceError
from trace_pipeline.traces.numbers import Number, format_number
from trace_pipeline.traces.reading import read_document
from trace_pipeline.traces.shape import RawTrace, typed
from trace_pipeline.traces.steps import Trace


class Verdict(Struct, frozen=True):
    """What the solver says about a text."""

    kind: VerdictKind
    reason: Reason | None
    """Why an ``invalid_trace`` is invalid; None for every other kind."""
    reward: float
    answer: Number | None
    """What the trace computes; None unless it is valid and of the right expert."""
    message: str
    """The verdict in words: where the fault is and what to do."""
    trace: Trace | None
    """What was read, wherever the shape of all steps is right."""


class Solver:
    """Executes traces and judges texts by one set of rules.

    Args:
        allow_short_circuit: accept answers that were given rather than computed, as
            the notebook's earlier rules did; for ablations only.
        rewards: ``graded``, ``binary`` or a table of one's own.

    Raises:
        ValueError: an unknown reward table.
    """

    def __init__(self, allow_short_circuit: bool = False, rewards: Rewards = "graded") -> None:
        self.allow_short_circuit = allow_short_circuit
        self.rewards = reward_table(rewards)

    def execute(self, trace: Trace, *, keep_steps: bool = False) -> Execution:
        """Run ``trace``; ``keep_steps`` where the values of its steps are sure to be wanted.

        Raises:
            TraceError: the first fault, with its reason, place and remedy.
        """
        record: list[Recorded] | None = [] if keep_steps else None
        outcome = run(trace, record)
        if outcome.suspects and not self.allow_short_circuit:
            check_short_circuit(trace, outcome)
        return Execution(trace, outcome.results, record)

    def verify(self, text: str, answer: GoldValue, expert: str | None = None) -> Verdict:
        """Judge ``text`` against the gold ``answer`` and, if given, the expert it should use.

        No text makes it raise; its time is bounded whatever the text.

        Raises:
            ValueError: ``answer`` is no finite number (the caller's fault, not the text's).
        """
        gold = Gold.of(answer)
        try:
            reading = read_document(text)
        except TraceError as error:
            return self._verdict(VerdictKind.PARSE_FAIL, str(error))
        if expert is not None and reading.expert != expert:
            message = f"the trace is of {reading.expert[:40]}, expected {expert}"
            return self._verdict(VerdictKind.WRONG_EXPERT, message, trace=_typed_or_none(reading))
        try:
            trace = reading if isinstance(reading, Trace) else typed(reading, EXPERT_OPERATIONS)
            value = self.execute(trace).answer
        except TraceError as error:
            return self._verdict(
                VerdictKind.INVALID_TRACE, str(error), error.reason, trace=_typed_or_none(reading)
            )
        if gold.matches(value):
            return self._verdict(VerdictKind.CORRECT, "correct", None, value, trace)
        message = f"the answer is {format_number(value)}, expected {format_number(gold.value)}"
        return self._verdict(VerdictKind.WRONG_ANSWER, message, None, value, trace)

    def _verdict(
        self,
        kind: VerdictKind,
        message: str,
        reason: Reason | None = None,
        answer: Number | None = None,
        trace: Trace | None = None,
    ) -> Verdict:
        reward: float = getattr(self.rewards, kind)
        return Verdict(kind, reason, reward, answer, message, trace)


def _typed_or_none(reading: RawTrace | Trace) -> Trace | None:
    try:
        return typed(reading)
    except TraceError:
        return None
