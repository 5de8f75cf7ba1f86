"""Findings in words: one place for what explanations say and which category they fall in."""

from __future__ import annotations

from msgspec.structs import replace

from trace_pipeline.evaluation.diagnosis.classes import Category, Diagnosed, Diagnosis, Place
from trace_pipeline.evaluation.diagnosis.field import Element
from trace_pipeline.evaluation.diagnosis.numbers import misreading
from trace_pipeline.evaluation.diagnosis.reference import Comparison
from trace_pipeline.evaluation.diagnosis.steps import operation_of, step_at
from trace_pipeline.solver import formula
from trace_pipeline.traces import Number, Query, Step

_SUMS = frozenset(("add", "sub", "min", "max", "abs", "Consume", "AddEntity", "Transfer"))
_LISTED = 3
"""Steps that an explanation spells out."""


def number_fault(
    comparison: Comparison, found: Number, expected: Number, place: Place, *, sure: bool = True
) -> Diagnosed:
    """``found`` stands where the reference has ``expected``.

    Args:
        comparison: The prediction and its reference.
        found: The number that was read.
        expected: One that was not.
        place: Where ``found`` stands.
        sure: Whether ``expected`` in its place makes the trace right.
    """
    question = comparison.question
    read, wanted = question.show(found), question.show(expected)
    how = misreading(found, expected, question)
    taken = found in question.said or found in comparison.reference.numbers
    where = _named(comparison, place)
    if taken and not question.is_in_words(expected):
        return Diagnosed(
            diagnosis=Diagnosis.NUMBER_MISSING,
            explanation=f"{wanted} is never read: {read} stands in its place{where}.",
            place=place,
            category=_number_category(comparison, expected),
        )
    if how is not None:
        be = "should be" if sure else "seems to be"
        why = "which the question says in words" if question.is_in_words(expected) else f"{how}"
        return Diagnosed(
            diagnosis=Diagnosis.NUMBER_MISREAD,
            explanation=f"{read}{where} {be} {wanted}, {why}.",
            place=place,
            category=_number_category(comparison, expected, found),
        )
    return Diagnosed(
        diagnosis=Diagnosis.NUMBER_INVENTED,
        explanation=f"{read}{where} is not in the question; the reference takes {wanted}.",
        place=place,
        category=_number_category(comparison, expected, found),
    )


def number_missing(comparison: Comparison, expected: Number, place: Place | None) -> Diagnosed:
    """``expected`` is nowhere in the prediction."""
    question = comparison.question
    wanted = question.show(expected)
    in_words = question.is_in_words(expected)
    needs = "the question says it in words" if in_words else "the reference needs it"
    users = [
        comparison.reference.line(element)
        for element, (_, operands) in comparison.reference.operands.items()
        if comparison.symbol(expected) in operands
    ]
    used = f" for {users[0]}" if users else ""
    if expected not in question.said:
        needs = "the question does not say it, but the reference needs it"
    return Diagnosed(
        diagnosis=Diagnosis.NUMBER_MISREAD if in_words else Diagnosis.NUMBER_MISSING,
        explanation=f"{wanted} is never read: {needs}{used}.",
        place=place,
        category=_number_category(comparison, expected),
    )


def unread_operand(
    comparison: Comparison, expected: Number, place: Place, element: Element
) -> Diagnosed:
    """The step at ``place`` lacks ``expected``, which the reference uses for ``element``."""
    step = step_at(comparison.trace, place)
    missing = number_missing(comparison, expected, place)
    return replace(
        missing,
        explanation=f"{comparison.question.show(expected)} is never read: "
        f"{_shown(comparison, place)} computes {formula(step)}, the reference "
        f"{comparison.reference.line(element)}.",
    )


def absent_number(comparison: Comparison, expected: Number, place: Place | None) -> Diagnosed:
    """``expected`` is not read; what stands there instead, if a number seems to."""
    for position, step in comparison.steps():
        value = getattr(step, "value", None)
        if value is not None and value in comparison.strange:
            return number_fault(comparison, value, expected, position)
    return number_missing(comparison, expected, place)


def percentage_as_whole(comparison: Comparison, place: Place) -> Diagnosed:
    """A percentage is taken as a number of its own."""
    return Diagnosed(
        diagnosis=Diagnosis.NUMBER_MISREAD,
        explanation=f"A percentage is taken as a whole number{_named(comparison, place)}: "
        "the reference divides by 100.",
        place=place,
        category=Category.DECIMALS,
    )


def number_invented(comparison: Comparison, found: Number, place: Place | None) -> Diagnosed:
    """``found`` stands for nothing that the reference knows."""
    shown = comparison.question.show(found)
    where = _named(comparison, place) if place else ""
    return Diagnosed(
        diagnosis=Diagnosis.NUMBER_INVENTED,
        explanation=f"{shown}{where} is not in the question, and the reference has no such number.",
        place=place,
        category=_number_category(comparison, found),
    )


def answer_given(place: Place) -> Diagnosed:
    """The init at ``place`` states the answer."""
    return Diagnosed(
        diagnosis=Diagnosis.NUMBER_INVENTED,
        explanation="The answer itself is written down as an input; it has to be computed.",
        place=place,
        category=Category.VALUES,
    )


def unfinished(comparison: Comparison, place: Place | None) -> Diagnosed:
    """Right as far as it goes; the reference goes on."""
    reference = comparison.reference
    remaining = reference.remaining(comparison.known)
    lines = [reference.line(element) for element in remaining]
    stop = step_at(comparison.trace, place) if place else None
    asked = f"It stops at {stop.var}, right so far" if isinstance(stop, Query) else "It stops"
    if len(lines) == 1:
        diagnosis = Diagnosis.MISSING_LAST_STEP
        explanation = f"{asked}; the reference goes on with {lines[0]}."
    else:
        diagnosis = Diagnosis.TRUNCATED_CHAIN
        more = f" and {len(lines) - _LISTED} more" if len(lines) > _LISTED else ""
        explanation = (
            f"{asked}; {len(lines)} of the reference's {len(reference.steps)} steps are not there: "
            f"{'; '.join(lines[:_LISTED])}{more}."
        )
    return Diagnosed(
        diagnosis=diagnosis, explanation=explanation, place=place, category=Category.TRUNCATION
    )


def left_out(comparison: Comparison, element: Element, place: Place) -> Diagnosed:
    """A step of the reference is left out on the way."""
    step = step_at(comparison.trace, place)
    line = comparison.reference.line(element)
    return Diagnosed(
        diagnosis=Diagnosis.TRUNCATED_CHAIN,
        explanation=f"A step is left out: the reference computes {line} first, where "
        f"{_shown(comparison, place)} goes on from {formula(step)}.",
        place=place,
        category=Category.TRUNCATION,
    )


def wrong_operation(comparison: Comparison, place: Place, right: Step) -> Diagnosed:
    """The step at ``place`` has the right operands; ``right`` is what it should be."""
    step = step_at(comparison.trace, place)
    return Diagnosed(
        diagnosis=Diagnosis.WRONG_OPERATION,
        explanation=f"{_shown(comparison, place)} computes {formula(step)}; "
        f"the reference computes {formula(right)}.",
        place=place,
        category=_operation_category(right),
    )


def wrong_wiring(
    comparison: Comparison, place: Place, explanation: str, right: Step | None = None
) -> Diagnosed:
    """The step at ``place`` takes the wrong operands, or the right ones in the wrong order."""
    step = step_at(comparison.trace, place)
    turned = (
        right is not None
        and operation_of(right) == "div"
        and sorted(getattr(step, "args", ())) == sorted(getattr(right, "args", ()))
    )
    return Diagnosed(
        diagnosis=Diagnosis.WRONG_WIRING,
        explanation=explanation,
        place=place,
        category=Category.RATES if turned else Category.ENTITIES,
    )


def miswired(comparison: Comparison, place: Place, right: Step) -> Diagnosed:
    """The step at ``place`` should be ``right``, which has other operands."""
    step = step_at(comparison.trace, place)
    explanation = (
        f"{_shown(comparison, place)} takes {formula(step)}; the reference takes {formula(right)}."
    )
    return wrong_wiring(comparison, place, explanation, right)


def operation_differs(
    comparison: Comparison, place: Place, element: Element, same: bool
) -> Diagnosed:
    """The reference does something else with the operands of the step at ``place``.

    Args:
        comparison: The prediction and its reference.
        place: The step.
        element: What the reference computes from these operands.
        same: Whether it uses the same operation, in another order.
    """
    line = comparison.reference.line(element)
    explanation = (
        f"{_shown(comparison, place)} computes {formula(step_at(comparison.trace, place))}; "
        f"the reference computes {line}."
    )
    right = step_at(comparison.reference.trace, comparison.reference.steps[element].place)
    return Diagnosed(
        diagnosis=Diagnosis.WRONG_WIRING if same else Diagnosis.WRONG_OPERATION,
        explanation=explanation,
        place=place,
        category=Category.RATES
        if same and operation_of(right) == "div"
        else Category.ENTITIES
        if same
        else _operation_category(right),
    )


def unrelated_operands(
    comparison: Comparison, place: Place, element: Element | None = None
) -> Diagnosed:
    """The step puts together what the reference keeps apart; ``element`` is what it computes."""
    step = step_at(comparison.trace, place)
    instead = (
        f"the reference computes {comparison.reference.line(element)}"
        if element is not None
        else "the reference never puts these together"
    )
    explanation = f"{_shown(comparison, place)} computes {formula(step)}; {instead}."
    return wrong_wiring(comparison, place, explanation)


def unused_number(comparison: Comparison, found: Number, place: Place) -> Diagnosed:
    """A number of the question that the reference has no use for."""
    shown = comparison.question.show(found)
    explanation = f"{shown}{_named(comparison, place)} is taken, which the reference does not need."
    return wrong_wiring(comparison, place, explanation)


def _operation_category(right: Step) -> Category:
    """Sums tell who has what; products and quotients are rates, times and shares."""
    return Category.ENTITIES if operation_of(right) in _SUMS else Category.RATES


def _number_category(comparison: Comparison, *numbers: Number) -> Category:
    shares = any(map(comparison.question.is_share, numbers))
    return Category.DECIMALS if shares else Category.VALUES


def _shown(comparison: Comparison, place: Place) -> str:
    """``Step 3`` or ``Step 3 of sub-trace 1``, counted from 0 as the solver does."""
    part = f" of sub-trace {place[0]}" if len(comparison.trace.subtraces) > 1 else ""
    return f"Step {place[1]}{part}"


def _named(comparison: Comparison, place: Place) -> str:
    """`` (eggs)``: the name that the number at ``place`` was given."""
    name = getattr(step_at(comparison.trace, place), "var", None)
    return f" as {name}" if name else ""
