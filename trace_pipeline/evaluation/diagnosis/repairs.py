"""One change that would make a wrong trace compute what the reference computes.

Where a single change suffices, it is what is wrong, whatever algebraic route the trace takes:
the changed trace is run over the field and its answer compared with the reference's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, permutations

from msgspec.structs import replace

from trace_pipeline.evaluation.diagnosis.classes import Diagnosed, Place
from trace_pipeline.evaluation.diagnosis.field import (
    PRIME,
    Element,
    combine,
    inverse,
    opaque,
    operands_of,
    symbol,
)
from trace_pipeline.evaluation.diagnosis.reference import (
    Comparison,
    operation_of,
    queried_place,
    step_at,
)
from trace_pipeline.evaluation.diagnosis.wording import (
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
    AddEntity,
    Compare,
    Compute,
    Consume,
    Init,
    Number,
    PercentIncrease,
    PercentOf,
    PercentOff,
    Query,
    Step,
    Transfer,
)

_PERCENTAGES = (PercentOf, PercentOff, PercentIncrease)
_ORDERED = frozenset(("sub", "div", "floordiv", "ceildiv", "mod", "pow"))
_LONGEST_ORDERING = 3
"""Operands up to which every order is tried; beyond it only which of them comes first."""


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
        for changed in _other_operands(step, comparison.run.names_before(place)):
            if _mends(comparison, {place: changed}):
                return miswired(comparison, place, changed)
    return None


def _another_kind(comparison: Comparison) -> Diagnosed | None:
    """Taking for adding, off for increase."""
    for place, step in comparison.steps():
        for changed in _other_kinds(step):
            if _mends(comparison, {place: changed}):
                return wrong_operation(comparison, place, changed)
    return None


def _other_operands(step: Step, names: list[str]) -> Iterator[Step]:
    match step:
        case Consume() | AddEntity():
            for name in names:
                yield replace(step, entity=name)
                if isinstance(step.amount, str):
                    yield replace(step, amount=name)
        case Transfer():
            yield replace(step, from_entity=step.to_entity, to_entity=step.from_entity)
            for name in names:
                yield replace(step, from_entity=name)
                yield replace(step, to_entity=name)
                if isinstance(step.amount, str):
                    yield replace(step, amount=name)
        case PercentOf() | PercentOff() | PercentIncrease():
            if isinstance(step.rate, str):
                yield replace(step, base=step.rate, rate=step.base)
            for name in names:
                yield replace(step, base=name)
                if isinstance(step.rate, str):
                    yield replace(step, rate=name)


def _other_kinds(step: Step) -> Iterator[Step]:
    match step:
        case Consume(entity=entity, amount=amount):
            yield AddEntity(entity, amount)
        case AddEntity(entity=entity, amount=amount):
            yield Consume(entity, amount)
        case PercentOf() | PercentOff() | PercentIncrease():
            for kind in _PERCENTAGES:
                if not isinstance(step, kind):
                    yield kind(step.base, step.rate, step.var)


def _shorter(comparison: Comparison) -> Diagnosed | None:
    """Everything is right, and there are fewer steps than in the reference.

    With as many steps the answer may be a result of the reference by undoing what was done:
    ``a * b / b``.
    """
    if len(comparison.run.computing) >= len(comparison.reference.run.computing):
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
        found = _number_at(step_at(comparison.trace, where[0]))
        for expected in comparison.missing_forms:
            changed = {p: _with_number(step_at(comparison.trace, p), expected) for p in where}
            if _mends(comparison, changed):
                return number_fault(comparison, found, expected, where[0])
    return None


def _numbers(comparison: Comparison) -> list[list[Place]]:
    """The places of each number alone, then those of equal numbers together."""
    alone = [
        [place]
        for place, step in comparison.steps()
        if _has_number(step) and not (isinstance(step, Init) and step.value is None)
    ]
    equal: dict[Number, list[Place]] = {}
    for (place,) in alone:
        equal.setdefault(_number_at(step_at(comparison.trace, place)), []).append(place)
    return alone + [group for group in equal.values() if len(group) > 1]


def _has_number(step: Step) -> bool:
    fields = (getattr(step, name, None) for name in ("value", "amount", "rate"))
    return any(value is not None and not isinstance(value, str) for value in fields)


def _number_at(step: Step) -> Number:
    for name in ("value", "amount", "rate"):
        value = getattr(step, name, None)
        if value is not None and not isinstance(value, str):
            return value  # type: ignore[no-any-return]
    raise ValueError(f"{step} has no number")


def _with_number(step: Step, value: Number) -> Step:
    for name in ("value", "amount", "rate"):
        old = getattr(step, name, None)
        if old is not None and not isinstance(old, str):
            return replace(step, **{name: value})
    raise ValueError(f"{step} has no number")


def _turned_round(comparison: Comparison) -> Diagnosed | None:
    """A step of the reference with its operands in another order."""
    for place, step in comparison.steps():
        if not isinstance(step, Compute | Compare) or step.compute_op not in _ORDERED:
            continue
        for args in _orders(step.args, step.compute_op):
            changed = replace(step, args=args)
            if _is_a_step(comparison, place, changed) and _mends(comparison, {place: changed}):
                return miswired(comparison, place, changed)
    return None


def _another_operation(comparison: Comparison) -> Diagnosed | None:
    """Another operation on the same operands."""
    used = {operation for operation, _ in comparison.reference.operands.values()}
    operations = ["add", "sub", "mul", "div"]
    operations += sorted(used & {"floordiv", "ceildiv", "mod", "min", "max", "pow"})
    for place, step in comparison.steps():
        if not isinstance(step, Compute | Compare) or len(step.args) < 2:
            continue
        for operation in operations:
            if operation == step.compute_op or (
                len(step.args) > 2 and operation not in ("add", "sub", "mul", "min", "max")
            ):
                continue
            for args in _orders(step.args, operation):
                changed = replace(step, compute_op=operation, args=args)
                if _mends(comparison, {place: changed}):
                    return wrong_operation(comparison, place, changed)
    return None


def _orders(args: tuple[str, ...], operation: str) -> Iterator[tuple[str, ...]]:
    """The orders of ``args`` that may differ under ``operation``, the given one first."""
    yield args
    if operation in _ORDERED:
        for first in range(1, len(args)):
            yield (args[first], *args[:first], *args[first + 1 :])


def _another_wire(comparison: Comparison) -> Diagnosed | None:
    """Operands in another order, another operand, another source, two numbers exchanged."""
    for place, step in comparison.steps():
        for changed in _rewired(comparison, place, step):
            if changed != step and _mends(comparison, {place: changed}):
                if len(operands_of(changed)) > len(operands_of(step)) and not _is_a_step(
                    comparison, place, changed
                ):
                    continue  # two steps of the reference: one is left out
                return miswired(comparison, place, changed)
    inits = [(p, s) for p, s in comparison.steps() if isinstance(s, Init)]
    for (first, a), (second, b) in combinations(inits, 2):
        if a.value is None or b.value is None or a.value == b.value:
            continue
        if _mends(
            comparison, {first: replace(a, value=b.value), second: replace(b, value=a.value)}
        ):
            explanation = f"The numbers of {a.var} and {b.var} are exchanged."
            return wrong_wiring(comparison, first, explanation)
    return None


def _rewired(comparison: Comparison, place: Place, step: Step) -> Iterator[Step]:
    match step:
        case Compute() | Compare():
            if step.compute_op in _ORDERED:
                if len(step.args) <= _LONGEST_ORDERING:
                    orders: Iterator[tuple[str, ...]] = permutations(step.args)
                else:
                    orders = _orders(step.args, step.compute_op)
                for args in orders:
                    yield replace(step, args=args)
            names = comparison.run.names_before(place)
            for position in range(len(step.args)):
                for name in names:
                    args = (*step.args[:position], name, *step.args[position + 1 :])
                    yield replace(step, args=args)
            if step.compute_op in ("add", "sub", "mul"):
                for name in names:
                    yield replace(step, args=(*step.args, name))
            if len(step.args) > 2:
                for position in range(len(step.args)):
                    yield replace(step, args=step.args[:position] + step.args[position + 1 :])
        case Init(source=str()):
            for index in range(place[0]):
                yield replace(step, source=f"sub{index}.result")
        case Query() if place != queried_place(comparison.trace):
            for name in comparison.run.names_before(place):
                yield Query(name)


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
        and (
            operands == elements if operation in _ORDERED else sorted(operands) == sorted(elements)
        )
        for other, operands in comparison.reference.operands.values()
    )


def _left_out(comparison: Comparison) -> Diagnosed | None:
    """A step of the reference, or a number, is left out on the way."""
    reference = comparison.reference
    replaced = list(_replacing(comparison))
    if reference.has_percentages:
        for place, element, becomes in replaced:
            if comparison.is_right(becomes(combine("div", (element, symbol(100))))):
                return percentage_as_whole(comparison, place)
    for wanted, (_, operands) in reference.operands.items():
        if wanted in comparison.known:
            continue
        for place, element, becomes in replaced:
            if element in operands and comparison.is_right(becomes(wanted)):
                for number in comparison.missing:
                    if symbol(number) in operands:
                        return number_missing(comparison, number, place)
                return left_out(comparison, wanted, place)
    for place, element, becomes in replaced:
        for number in comparison.missing:
            for value in _with(element, symbol(number)):
                if comparison.is_right(becomes(value)):
                    return number_missing(comparison, number, place)
    return None


def _replacing(
    comparison: Comparison,
) -> Iterator[tuple[Place, Element, Callable[[Element], Element]]]:
    """Each value, everywhere and in each single use, and the answer if it were another there."""
    run = comparison.run
    for setting in run.settings:

        def everywhere(value: Element, place: Place = setting.place) -> Element:
            return run.answer_with({}, {place: value})

        yield _user(comparison, setting.place, setting.name), setting.element, everywhere
    for place, step in comparison.steps():
        if not isinstance(step, Compute | Compare):
            continue
        operands = run.operands(place)
        for position, operand in enumerate(operands):

            def becomes(
                value: Element,
                place: Place = place,
                operation: str = step.compute_op,
                operands: list[Element] = operands,
                position: int = position,
            ) -> Element:
                changed = [*operands[:position], value, *operands[position + 1 :]]
                return run.answer_with({}, {place: combine(operation, changed)})

            yield place, operand, becomes


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
            if comparison.is_right(comparison.run.answer_with({}, {place: operand})):
                for position, init in comparison.steps():
                    value = init.value if isinstance(init, Init) else None
                    if value in comparison.strange and value is not None:
                        return number_invented(comparison, value, position)
                explanation = f"The step {operation_of(step)} at {place[1]} is one too many."
                return wrong_wiring(comparison, place, explanation)
    return None


def _mends(comparison: Comparison, steps: dict[Place, Step]) -> bool:
    return comparison.is_right(comparison.run.answer_with(steps))


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
