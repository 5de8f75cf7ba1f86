"""Single changes of a step: other operands, kinds, operations, orders."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import permutations

from msgspec.structs import replace

from trace_pipeline.traces import (
    AddEntity,
    Compare,
    Compute,
    Consume,
    Init,
    PercentIncrease,
    PercentOf,
    PercentOff,
    Step,
    Transfer,
)

ORDERED = frozenset(("sub", "div", "floordiv", "ceildiv", "mod", "pow"))
"""Operations whose operands stand in order."""
_BASIC = ("add", "sub", "mul", "div")
_OF_MANY = frozenset(("add", "sub", "mul", "min", "max"))
_RARE = frozenset(("floordiv", "ceildiv", "mod", "min", "max", "pow"))
"""Tried only where the reference has them."""
_LONGEST_ORDERING = 3
"""Operands up to which every order is tried; beyond it only which of them comes first."""


def other_operands(step: Step, names: Sequence[str]) -> Iterator[Step]:
    """A stock or percentage step about another entity, base, rate or amount."""
    match step:
        case Consume() | AddEntity():
            for name in names:
                yield replace(step, entity=name)
                if isinstance(step.amount, str):
                    yield replace(step, amount=name)
        case Transfer():
            yield replace(step, from_entity=step.to_entity, to_entity=step.from_entity)
            if step.from_entity == step.to_entity:
                yield replace(step, to_entity="another")
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


def other_kinds(step: Step) -> Iterator[Step]:
    """Taking for adding, one percentage for another."""
    match step:
        case Consume(entity=entity, amount=amount):
            yield AddEntity(entity, amount)
        case AddEntity(entity=entity, amount=amount):
            yield Consume(entity, amount)
        case PercentOf() | PercentOff() | PercentIncrease():
            for kind in (PercentOf, PercentOff, PercentIncrease):
                if not isinstance(step, kind):
                    yield kind(step.base, step.rate, step.var)


def other_operations(step: Step, used: Collection[str]) -> Iterator[Step]:
    """Another operation on the same operands.

    Args:
        step: Any step; only computations have others.
        used: The operations of the reference; rare ones are tried only if they are among them.
    """
    if not isinstance(step, Compute | Compare) or len(step.args) < 2:
        return
    for operation in (*_BASIC, *sorted(_RARE.intersection(used))):
        if operation == step.compute_op or (len(step.args) > 2 and operation not in _OF_MANY):
            continue
        for args in _orders(step.args, operation):
            yield replace(step, compute_op=operation, args=args)


def other_orders(step: Step) -> Iterator[Step]:
    """The same operation on the same operands in another order, where the order counts."""
    if isinstance(step, Compute | Compare) and step.compute_op in ORDERED:
        for args in _orders(step.args, step.compute_op):
            if args != step.args:
                yield replace(step, args=args)


def other_wires(step: Step, names: Sequence[str], index: int) -> Iterator[Step]:
    """The same operation on other operands, or an init from another source.

    Args:
        step: The step.
        names: What it could name.
        index: Its sub-trace.
    """
    match step:
        case Compute() | Compare():
            yield from other_orders(step)
            for position in range(len(step.args)):
                before, after = step.args[:position], step.args[position + 1 :]
                for name in names:
                    if name != step.args[position]:
                        yield replace(step, args=(*before, name, *after))
                if len(step.args) > 2:
                    yield replace(step, args=before + after)
            if step.compute_op in ("add", "sub", "mul"):
                for name in names:
                    yield replace(step, args=(*step.args, name))
        case Init(source=str()):
            for earlier in range(index):
                yield replace(step, source=f"sub{earlier}.result")


def _orders(args: tuple[str, ...], operation: str) -> Iterator[tuple[str, ...]]:
    """The orders of ``args`` that may differ under ``operation``."""
    if operation not in ORDERED:
        yield args
    elif len(args) <= _LONGEST_ORDERING:
        yield from permutations(args)
    else:
        for first in range(len(args)):
            yield (args[first], *args[:first], *args[first + 1 :])
