"""The diagnosis of one wrong prediction, and which class is given where several would fit.

In this order, the first that applies:

1. **clipped**: the token budget ended the completion before a trace that can be executed was
   complete; unless what is complete already repeats itself (**repeated_subtrace**: a larger
   budget would not help).
2. **parse_fail**: no trace can be read.
3. **repeated_subtrace**: a sub-trace is written more often than in the reference.
4. **foreign_op**, **overwritten_variable**: what the solver refuses for these reasons, and
   **other_invalid** for every other reason that leaves nothing to compare.
5. One change that makes the trace right (``repairs``), in this order: what is asked for
   (**wrong_wiring**); an entity, a base or a rate (**wrong_wiring**); steps that are not there at
   the end (**missing_last_step**, **truncated_chain**); the kind of a stock or percentage step
   (**wrong_operation**); a number in the place of one that is not read (**number_misread**,
   **number_missing**, **number_invented**); a step of the reference turned round
   (**wrong_wiring**); an operation (**wrong_operation**); operands (**wrong_wiring**); a step or
   number left out on the way
   (**truncated_chain**, **number_missing**); a step too many (**wrong_wiring**,
   **number_invented**).
6. Of several faults the first (``divergence``): the one that takes the fewest operations.

Steps 5 and 6 also hold for traces that the solver refuses while they run (a short circuit, a
division by zero, more taken than there is): what makes them so is a fault of the same kinds.
Of several readings of a problem the one counts that a single change leads to, and of equals the
one with which the prediction shares most results.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from trace_pipeline.evaluation.diagnosis.classes import Diagnosed, Diagnosis, Place
from trace_pipeline.evaluation.diagnosis.divergence import first_fault
from trace_pipeline.evaluation.diagnosis.field import Run, opaque, symbol
from trace_pipeline.evaluation.diagnosis.numbers import QuestionNumbers
from trace_pipeline.evaluation.diagnosis.reference import Comparison, Reference
from trace_pipeline.evaluation.diagnosis.repairs import repair
from trace_pipeline.evaluation.diagnosis.steps import names_set, numbers_of, operands_of, places
from trace_pipeline.evaluation.diagnosis.wording import absent_number, answer_given, number_missing
from trace_pipeline.solver import EXPERT_OPERATIONS, Solver, Verdict, VerdictKind
from trace_pipeline.traces import Init, Reason, SubTrace, Trace, TraceError
from trace_pipeline.traces.reading import read_document
from trace_pipeline.traces.shape import typed

_COMPARABLE = frozenset(
    (Reason.SHORT_CIRCUIT, Reason.DIVISION_BY_ZERO, Reason.NEGATIVE_STOCK, Reason.INEXACT_RESULT)
)
"""Reasons of refusal that leave a computation to compare."""
_DIRECT = {
    Reason.FOREIGN_OP: Diagnosis.FOREIGN_OP,
    Reason.REDEFINED_VARIABLE: Diagnosis.OVERWRITTEN_VARIABLE,
}


def diagnose(
    text: str,
    verdict: Verdict,
    question: str,
    traces: Sequence[Trace],
    *,
    clipped: bool = False,
    solver: Solver | None = None,
) -> Diagnosed | None:
    """Why ``text`` is not correct.

    Args:
        text: The completion.
        verdict: What the solver says about it.
        question: The problem.
        traces: What solves it: one trace a reading, none where none is known.
        clipped: Whether the token budget ended the completion.
        solver: Whose verdict it is; a strict one by default.

    Returns:
        None for a correct completion, and for a wrong answer to a problem without reference.
    """
    if verdict.kind is VerdictKind.CORRECT:
        return None
    references = [Reference(trace) for trace in traces]
    runs = verdict.kind is VerdictKind.WRONG_ANSWER
    if clipped and not runs:
        return _clipped(text, references)
    if verdict.kind is VerdictKind.PARSE_FAIL:
        return Diagnosed(diagnosis=Diagnosis.PARSE_FAIL, explanation=_sentence(verdict.message))
    repeated = _repeated(_subtraces(text), references)
    if repeated is not None:
        return repeated
    fault = None if runs else _fault(text, solver or Solver())
    if fault is not None and fault.reason in _DIRECT:
        return _refused(fault, _DIRECT[fault.reason])
    if verdict.trace is not None and references:
        numbers = QuestionNumbers(question)
        comparisons = [Comparison(verdict.trace, reference, numbers) for reference in references]
        comparisons.sort(key=_shared, reverse=True)
        if fault is None or fault.reason in _COMPARABLE:
            return _compared(comparisons, fault, verdict)
        if fault.reason is Reason.UNDEFINED_VARIABLE:
            return _undefined(comparisons, fault)
    if fault is not None:
        return _refused(fault, Diagnosis.OTHER_INVALID)
    if verdict.kind is VerdictKind.WRONG_EXPERT:
        return _of_wrong_expert(verdict)
    return None


def _compared(
    comparisons: Sequence[Comparison], fault: TraceError | None, verdict: Verdict
) -> Diagnosed:
    """The trace against every reading of the problem, the nearest first."""
    for comparison in comparisons:
        if comparison.is_right(comparison.run.answer):
            return _right_but_refused(comparison, fault, verdict)
    for comparison in comparisons:
        found = repair(comparison)
        if found is not None:
            return replace(found, reference=comparison.reference.trace)
    nearest = comparisons[0]
    return replace(first_fault(nearest), reference=nearest.reference.trace)


def _shared(comparison: Comparison) -> int:
    """Results and numbers that the prediction has in common with a reading."""
    steps = sum(element in comparison.known for element in comparison.reference.steps)
    leaves = sum(element in comparison.known for element in comparison.reference.leaves)
    return 2 * steps + leaves


def _right_but_refused(
    comparison: Comparison, fault: TraceError | None, verdict: Verdict
) -> Diagnosed:
    reference = comparison.reference.trace
    leaked = [
        (place, step.value)
        for place, step in places(comparison.trace)
        if isinstance(step, Init)
        and step.value is not None
        and comparison.is_leaked(step.value)
        and comparison.is_right(comparison.symbol(step.value))
    ]
    if leaked:
        return replace(answer_given(leaked[0][0]), reference=reference)
    if fault is None:
        return replace(_of_wrong_expert(verdict), reference=reference)
    if comparison.missing:
        # The answer does not depend on it, but the run did: a stock that is too small.
        found = absent_number(comparison, comparison.missing[0], _place(fault))
        return replace(found, reference=reference)
    found = _refused(fault, Diagnosis.OTHER_INVALID)
    explanation = f"The computation is the reference's, but the solver refuses it: {fault.message}."
    return replace(found, explanation=explanation, reference=reference)


def _of_wrong_expert(verdict: Verdict) -> Diagnosed:
    return Diagnosed(diagnosis=Diagnosis.OTHER_INVALID, explanation=_sentence(verdict.message))


def _undefined(comparisons: Sequence[Comparison], fault: TraceError) -> Diagnosed:
    """A name that nothing sets: that of a number which is not read, or of nothing."""
    for comparison in comparisons:
        name = _undefined_name(comparison.trace)
        for number in comparison.missing:
            with_number = _with_init(comparison.trace, name, number)
            run = Run(with_number, comparison.symbol) if with_number else None
            if run is not None and comparison.is_right(run.answer):
                found = number_missing(comparison, number, _place(fault))
                explanation = f"{name[1] if name else 'A name'} is never given a value. "
                return replace(
                    found,
                    explanation=explanation + found.explanation,
                    reference=comparison.reference.trace,
                )
    for comparison in comparisons:
        repaired = repair(comparison)
        if repaired is not None:
            return replace(repaired, reference=comparison.reference.trace)
    nearest = comparisons[0]
    if nearest.missing:
        found = number_missing(nearest, nearest.missing[0], _place(fault))
        return replace(found, reference=nearest.reference.trace)
    return replace(_refused(fault, Diagnosis.OTHER_INVALID), reference=nearest.reference.trace)


def _undefined_name(trace: Trace) -> tuple[int, str] | None:
    """The first name that a step reads and nothing sets."""
    for index, subtrace in enumerate(trace.subtraces):
        known: set[str] = set()
        for step in subtrace.steps:
            for operand in operands_of(step):
                is_new = operand == getattr(step, "to_entity", None)
                if isinstance(operand, str) and operand not in known and not is_new:
                    return index, operand
            known.update(names_set(step))
    return None


def _with_init(trace: Trace, name: tuple[int, str] | None, value: object) -> Trace | None:
    if name is None:
        return None
    subtraces = list(trace.subtraces)
    old = subtraces[name[0]]
    init = Init(name[1], value)  # type: ignore[arg-type]
    subtraces[name[0]] = SubTrace(old.expert, (init, *old.steps))
    return Trace(tuple(subtraces))


def _clipped(text: str, references: Sequence[Reference]) -> Diagnosed:
    complete = text.rpartition("\n")[0]
    repeated = _repeated(_subtraces(complete), references)
    if repeated is not None:
        return repeated
    return Diagnosed(
        diagnosis=Diagnosis.CLIPPED,
        explanation="The token budget ended the completion before its trace was complete.",
    )


def _repeated(subtraces: Sequence[SubTrace], references: Sequence[Reference]) -> Diagnosed | None:
    """A sub-trace that is written more often than in any reading of the problem."""
    if len(subtraces) < 2:
        return None
    signatures = [_signature(subtrace) for subtrace in subtraces]
    counts = Counter(signatures)
    for reference in references:
        counts -= Counter(_signature(subtrace) for subtrace in reference.trace.subtraces)
    for signature, count in Counter(signatures).items():
        if count > 1 and counts[signature] >= 1:
            again = [i for i, other in enumerate(signatures) if other == signature][1]
            return Diagnosed(
                diagnosis=Diagnosis.REPEATED_SUBTRACE,
                explanation=f"Sub-trace {again} is sub-trace {signatures.index(signature)} again: "
                f"it is written {count} times.",
                place=(again, 0),
            )
    return None


def _signature(subtrace: SubTrace) -> tuple[int, int]:
    """What a sub-trace computes from which numbers, whatever came before it."""
    alone = Trace((subtrace,))
    result = Run(alone).answer
    numbers = sum(symbol(value) * count for value, count in numbers_of(alone).items())
    return result, opaque("numbers", numbers)


def _subtraces(text: str) -> tuple[SubTrace, ...]:
    """The sub-traces of a text whose steps are well-formed; none if it cannot be read."""
    try:
        reading = read_document(text)
    except TraceError:
        return ()
    if isinstance(reading, Trace):
        return reading.subtraces
    found: list[SubTrace] = []
    for raw in reading.subtraces:
        try:
            found += typed(type(reading)((raw,))).subtraces
        except TraceError:
            continue
    return tuple(found)


def _fault(text: str, solver: Solver) -> TraceError | None:
    """Why the solver refuses a text; None if it does not."""
    try:
        reading = read_document(text)
        solver.execute(typed(reading, EXPERT_OPERATIONS))
    except TraceError as error:
        return error
    return None


def _refused(fault: TraceError, diagnosis: Diagnosis) -> Diagnosed:
    return Diagnosed(diagnosis=diagnosis, explanation=_sentence(fault.message), place=_place(fault))


def _place(fault: TraceError) -> Place | None:
    if fault.subtrace is None:
        return None
    return fault.subtrace, fault.step or 0


def _sentence(message: str) -> str:
    return message[:1].upper() + message[1:].rstrip(".") + "."
