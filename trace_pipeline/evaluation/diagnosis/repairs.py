"""One change that would make a wrong trace compute what the reference computes.

Where a single change suffices, it is what is wrong, whatever algebraic route the trace takes:
the changed trace is run over the field and its answer compared with the reference's.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

from msgspec.structs import replace

from trace_pipeline.evaluation.diagnosis.classes import Diagnosed, Place
from trace_pipeline.evaluation.diagnosis.edits import (
    ORDERED,
    other_kinds,
    other_operands,
    other_operations,
    other_orders,
    other_wires,
)
from trace_pipeline.evaluation.diagnosis.field import (
    PRIME,
    Element,
    combine,
    inverse,
    opaque,
    symbol,
)
from trace_pipeline.evaluation.diagnosis.reference import Comparison
from trace_pipeline.evaluation.diagnosis.steps import (
    computing,
    number_in,
    operands_of,
    operation_of,
    queried_place,
    saying,
    step_at,
)
from trace_pipeline.evaluation.diagnosis.wording import (
    answer_given,
    left_out,
    miswired,
    number_fault,
    number_invented,
    number_missing,
    percentage_as_whole,
    unfinished,
    wrong_operation,
    wrong_wiring,
)
from trace_pipeline.traces import (
    Compare,
    Compute,
    Init,
    Number,
    Query,
    Step,
)


def repair(comparison: Comparison) -> Diagnosed | None:
    """What is wrong, if one change makes it right; the kinds of change in order of precedence."""
    for find in _FINDERS:
        found = find(comparison)
        if found is not None:
            return found
    return None


def _asked_for_another(comparison: Comparison) -> Diagnosed | None:
    """The answer was computed, but something else is asked for, or computed from it."""
    answer = comparison.reference.answer
    where = [s for s in comparison.run.settings if s.element == answer]
    place = queried_place(comparison.trace)
    if not where or place is None:
        return None
    query = step_at(comparison.trace, place)
    assert isinstance(query, Query)
    right = where[-1]
    if getattr(step_at(comparison.trace, right.place), "value", None) is not None:
        return answer_given(right.place)
    probe = comparison.run.answer_with({}, {right.place: opaque("probe")})
    if probe == comparison.run.answer:
        explanation = f"It computes the answer as {right.name} but asks for {query.var}."
        return wrong_wiring(comparison, place, explanation)
    for position, step in comparison.steps():
        value = getattr(step, "value", None)
        if value is not None and value in comparison.strange:
            return number_invented(comparison, value, position)
    after = next(p for p, step in comparison.steps() if p > right.place and _reads(step))
    explanation = f"It goes on after {right.name}, which is the answer already."
    return wrong_wiring(comparison, after, explanation)


def _reads(step: Step) -> bool:
    return not isinstance(step, Init)


def _another_stock(comparison: Comparison) -> Diagnosed | None:
    """An entity, a base or a rate in the place of another."""
    for place, step in comparison.steps():
        for changed in other_operands(step, comparison.run.names_before(place)):
            if comparison.aim.is_hit_by({place: changed}):
                return miswired(comparison, place, changed)
    return None


def _another_kind(comparison: Comparison) -> Diagnosed | None:
    """Taking for adding, off for increase."""
    for place, step in comparison.steps():
        for changed in other_kinds(step):
            if comparison.aim.is_hit_by({place: changed}):
                return wrong_operation(comparison, place, changed)
    return None


def _shorter(comparison: Comparison) -> Diagnosed | None:
    """Everything is right, and there are fewer steps than in the reference.

    With as many steps the answer may be a result of the reference by undoing what was done:
    ``a * b / b``.
    """
    if len(computing(comparison.trace)) >= len(computing(comparison.reference.trace)):
        return None
    return _stops_early(comparison)


def _stops_early(comparison: Comparison) -> Diagnosed | None:
    """Everything is right, and the reference goes on from there."""
    reference, answer = comparison.reference, comparison.run.answer
    place = queried_place(comparison.trace)
    if any(
        not reference.is_on_the_way(setting.element)
        for setting in comparison.run.settings
        if not isinstance(step_at(comparison.trace, setting.place), Init)
    ):
        return None
    if answer in reference.steps or answer in reference.leaves:
        return unfinished(comparison, place)
    part = reference.parts.get(answer)
    if part is None or part.is_inverted:
        return None
    if part.whole == reference.answer:
        for number in comparison.missing:
            own = symbol(number)
            if {own, PRIME - own, inverse(own)} & set(part.missing):
                return number_missing(comparison, number, place)
    return unfinished(comparison, place)


def _another_number(comparison: Comparison) -> Diagnosed | None:
    """One number in the place of another that the prediction does not have."""
    for where in _numbers(comparison):
        found = number_in(step_at(comparison.trace, where[0])) or 0
        for expected in comparison.missing_forms:
            changed = {p: saying(step_at(comparison.trace, p), expected) for p in where}
            if comparison.aim.is_hit_by(changed):
                return number_fault(comparison, found, expected, where[0])
    return None


def _numbers(comparison: Comparison) -> list[list[Place]]:
    """The places of each number alone, then those of equal numbers together."""
    equal: dict[Number, list[Place]] = {}
    for place, step in comparison.steps():
        number = number_in(step)
        if number is not None:
            equal.setdefault(number, []).append(place)
    alone = [[place] for group in equal.values() for place in group]
    return alone + [group for group in equal.values() if len(group) > 1]


def _turned_round(comparison: Comparison) -> Diagnosed | None:
    """A step of the reference with its operands in another order."""
    for place, step in comparison.steps():
        for changed in other_orders(step):
            hit = comparison.aim.is_hit_by({place: changed})
            if hit and _is_a_step(comparison, place, changed):
                return miswired(comparison, place, changed)
    return None


def _another_operation(comparison: Comparison) -> Diagnosed | None:
    """Another operation on the same operands."""
    used = {operation for operation, _ in comparison.reference.operands.values()}
    for place, step in comparison.steps():
        for changed in other_operations(step, used):
            if comparison.aim.is_hit_by({place: changed}):
                return wrong_operation(comparison, place, changed)
    return None


def _another_wire(comparison: Comparison) -> Diagnosed | None:
    """Operands in another order, another operand, another source, two numbers exchanged."""
    for place, step in comparison.steps():
        names = comparison.run.names_before(place)
        for changed in other_wires(step, names, place[0]):
            # An operand more may stand for two steps of the reference: then one is left out.
            more = len(operands_of(changed)) > len(operands_of(step))
            if more and not _is_a_step(comparison, place, changed):
                continue
            if comparison.aim.is_hit_by({place: changed}):
                return miswired(comparison, place, changed)
        later = comparison.run.settled_without(place) if isinstance(step, Compute) else {}
        for changed in other_wires(step, list(later), place[0]):
            operands = [str(operand) for operand in operands_of(changed)]
            if later.keys().isdisjoint(operands) or len(operands) > len(operands_of(step)):
                continue
            values = [
                later[name] if name in later else comparison.run.value_before(place, name)
                for name in operands
            ]
            if comparison.aim.is_hit_at(place, combine(operation_of(changed), values)):
                return miswired(comparison, place, changed)
    for place, step in comparison.steps():
        if isinstance(step, Query) and place != queried_place(comparison.trace):
            for name in comparison.run.names_before(place):
                if comparison.aim.is_hit_by({place: Query(name)}):
                    return miswired(comparison, place, Query(name))
    inits = [(p, s) for p, s in comparison.steps() if isinstance(s, Init)]
    for (first, a), (second, b) in combinations(inits, 2):
        if a.value is None or b.value is None or a.value == b.value:
            continue
        if comparison.aim.is_hit_by(
            {first: replace(a, value=b.value), second: replace(b, value=a.value)}
        ):
            explanation = f"The numbers of {a.var} and {b.var} are exchanged."
            return wrong_wiring(comparison, first, explanation)
    return None


def _is_a_step(comparison: Comparison, place: Place, step: Step) -> bool:
    """Whether the reference has ``step`` as one step."""
    operation = operation_of(step)
    elements = tuple(
        comparison.run.value_before(place, name)
        for name in operands_of(step)
        if isinstance(name, str)
    )
    return any(
        operation == other
        and (operands == elements if operation in ORDERED else sorted(operands) == sorted(elements))
        for other, operands in comparison.reference.operands.values()
    )


def _left_out(comparison: Comparison) -> Diagnosed | None:
    """A step of the reference, or a number, is left out on the way."""
    reference = comparison.reference
    aim = comparison.aim
    uses = _uses(comparison)
    if reference.has_percentages:
        for use in uses:
            if aim.is_hit_at(use.place, use.with_value(combine("div", (use.value, symbol(100))))):
                return percentage_as_whole(comparison, use.reader)
    for wanted, (_, operands) in reference.operands.items():
        if wanted in comparison.known:
            continue
        for use in uses:
            if use.value in operands and aim.is_hit_at(use.place, use.with_value(wanted)):
                for number in comparison.missing:
                    if symbol(number) in operands:
                        return number_missing(comparison, number, use.reader)
                return left_out(comparison, wanted, use.reader)
    for use in uses:
        for number in comparison.missing:
            for value in _with(use.value, symbol(number)):
                if aim.is_hit_at(use.place, use.with_value(value)):
                    return number_missing(comparison, number, use.reader)
    return None


class _Use(NamedTuple):
    """A value where it is set, for all that read it, or as one operand of one computation."""

    value: Element
    place: Place
    """The step whose value changes with it."""
    reader: Place
    """The step that goes on from it."""
    operation: str = ""
    operands: tuple[Element, ...] = ()
    position: int = 0

    def with_value(self, value: Element) -> Element:
        """What the step at ``place`` sets if the value is another."""
        if not self.operation:
            return value
        before, after = self.operands[: self.position], self.operands[self.position + 1 :]
        return combine(self.operation, (*before, value, *after))


def _uses(comparison: Comparison) -> list[_Use]:
    found = [
        _Use(setting.element, setting.place, _user(comparison, setting.place, setting.name))
        for setting in comparison.run.settings
    ]
    for place, step in comparison.steps():
        if isinstance(step, Compute | Compare):
            operands = tuple(comparison.run.operands(place))
            found += [
                _Use(operand, place, place, step.compute_op, operands, position)
                for position, operand in enumerate(operands)
            ]
    return found


def _user(comparison: Comparison, place: Place, name: str) -> Place:
    """The step that goes on from ``name``, which was set at ``place``."""
    for position, step in comparison.steps():
        if position > place and position[0] == place[0] and name in operands_of(step):
            return position
    return place


def _with(element: Element, other: Element) -> tuple[Element, ...]:
    """``element`` and ``other`` by every basic operation."""
    pair = (element, other)
    return (
        combine("mul", pair),
        combine("add", pair),
        combine("sub", pair),
        combine("sub", pair[::-1]),
        combine("div", pair),
        combine("div", pair[::-1]),
    )


def _superfluous(comparison: Comparison) -> Diagnosed | None:
    """A step that should not be there."""
    for place, step in comparison.steps():
        if isinstance(step, Init | Query):
            continue
        for operand in comparison.run.operands(place):
            if comparison.aim.is_hit_at(place, operand):
                for position, init in comparison.steps():
                    value = init.value if isinstance(init, Init) else None
                    if value in comparison.strange and value is not None:
                        return number_invented(comparison, value, position)
                explanation = f"The step {operation_of(step)} at {place[1]} is one too many."
                return wrong_wiring(comparison, place, explanation)
    return None


_FINDERS: tuple[Callable[[Comparison], Diagnosed | None], ...] = (
    _asked_for_another,
    _another_stock,
    _shorter,
    _another_kind,
    _another_number,
    _turned_round,
    _another_operation,
    _another_wire,
    _left_out,
    _superfluous,
    _stops_early,
)
"""Kinds of change in order of precedence."""
