"""From an author's expressions to operands that need an origin, and back to one computation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from msgspec import Struct, structs

from trace_pipeline.gsm8k.annotations import Expression, Operation, Operator, evaluate
from trace_pipeline.gsm8k.conversion.nodes import ONE, ZERO, Apply, Earlier, Node, Slot
from trace_pipeline.gsm8k.conversion.solution import Calculated

_OPS = {
    Operator.ADD: "add",
    Operator.SUB: "sub",
    Operator.MUL: "mul",
    Operator.DIV: "div",
    Operator.FLOORDIV: "floordiv",
}
_CHAINED = ("add", "sub", "mul")
"""Operations of two or more operands."""


def operands(calculations: Sequence[Calculated]) -> list[Slot]:
    """The operands of all calculations, in the order of their writing."""
    slots: list[Slot] = []
    for index, calculation in enumerate(calculations):
        own: list[Slot] = []
        _collect(calculation.expression, calculations[:index], own, "", "", 0)
        values = [slot.value for slot in own]
        slots += [
            structs.replace(
                slot,
                from_last=values[place:].count(slot.value),
                of_value=values.count(slot.value),
            )
            for place, slot in enumerate(own)
        ]
    return slots


class Assembly:
    """Puts calculations together again from the origins of their operands."""

    def __init__(self, calculations: Sequence[Calculated], rounded: bool) -> None:
        """Prepare it.

        Args:
            calculations: In order.
            rounded: Whether a whole result of an inexact division means a rounded division.
        """
        self._calculations = calculations
        self._rounded = rounded
        self._shapes = [
            _shape(calculation.expression, calculations[:index])
            for index, calculation in enumerate(calculations)
        ]

    def root(self, index: int, chosen: Sequence[Node], roots: Sequence[Node]) -> Node:
        """What the calculation of this index computes if its operands are ``chosen``.

        ``roots`` are what those before it compute.
        """
        node = _assembled(self._shapes[index], iter(chosen), roots)
        return _rounded(node, self._calculations[index]) if self._rounded else node


def simplified(op: str, left: Node, right: Node) -> Node:
    """``op(left, right)`` without neutral ones and zeros; ``x * (1/3)`` as ``x / 3``.

    What is divided by itself is one: ``1.2 / 1.2`` of an equation that is solved by hand.
    """
    if op == "div" and left == right:
        return ONE
    if op == "mul" and left == ONE:
        return right
    if op in ("mul", "div") and right == ONE:
        return left
    if op in ("add", "sub") and right == ZERO:
        return left
    if op == "add" and left == ZERO:
        return right
    if op == "mul":
        for part, other in ((right, left), (left, right)):
            if isinstance(part, Apply) and part.op == "div" and part.args[0] == ONE:
                return simplified("div", other, part.args[1])
    return Apply(op, (left, right))


def _collect(
    expression: Expression,
    before: Sequence[Calculated],
    slots: list[Slot],
    op: str,
    side: str,
    group: int,
) -> None:
    if not isinstance(expression, Operation) or _is_written_share(expression, before):
        divides, minuend = op in ("div", "floordiv") and side == "right", op + side == "subleft"
        slots.append(Slot(len(before), evaluate(expression), op, divides, group, minuend=minuend))
        return
    own = _OPS[expression.operator]
    if own != op or own not in ("add", "mul"):
        group = len(slots) + 1
    _collect(expression.left, before, slots, own, "left", group)
    _collect(expression.right, before, slots, own, "right", group)


def _is_written_share(expression: Operation, before: Sequence[Calculated]) -> bool:
    """Whether ``1/2`` is an earlier result that the author writes as a fraction."""
    if expression.operator is not Operator.DIV or isinstance(expression.left, Operation):
        return False
    if isinstance(expression.right, Operation):
        return False
    share = evaluate(expression)
    return isinstance(share, Fraction) and any(share == earlier.value for earlier in before)


class _Shape(Struct, frozen=True):
    """An operation of an expression; None in its place is an operand."""

    op: str
    left: _Shape | None
    right: _Shape | None
    chains: bool
    """Whether its left side may be the beginning of the same sum or product."""


def _shape(expression: Expression, before: Sequence[Calculated]) -> _Shape | None:
    if not isinstance(expression, Operation) or _is_written_share(expression, before):
        return None
    left, right = _shape(expression.left, before), _shape(expression.right, before)
    op = _OPS[expression.operator]
    return _Shape(op, left, right, op in _CHAINED and isinstance(expression.left, Operation))


def _assembled(shape: _Shape | None, chosen: Iterator[Node], roots: Sequence[Node]) -> Node:
    if shape is None:
        return _resolved(next(chosen), roots)
    left = _assembled(shape.left, chosen, roots)
    right = _assembled(shape.right, chosen, roots)
    node = simplified(shape.op, left, right)
    if not shape.chains or not isinstance(left, Apply) or left.op != shape.op:
        return node
    if node == Apply(shape.op, (left, right)):
        # One step for what the author wrote as one sum: 3 + 4 + 5, 20 - 5 - 3.
        return Apply(shape.op, (*left.args, right))
    return node


def _resolved(node: Node, roots: Sequence[Node]) -> Node:
    match node:
        case Earlier(calculation=calculation):
            return roots[calculation]
        case Apply(op=("floordiv" | "ceildiv") as op, args=(quotient, by)) if by == ONE:
            return _whole(op, _resolved(quotient, roots))
        case Apply(op=op, args=args):
            return Apply(op, tuple([_resolved(arg, roots) for arg in args]))
    return node


def _rounded(node: Node, calculation: Calculated) -> Node:
    value, result = calculation.value, calculation.result
    if not isinstance(result, int) or value == result or abs(Fraction(value - result)) >= 1:
        return node
    return _whole("floordiv" if result < value else "ceildiv", node)


def _whole(op: str, node: Node) -> Node:
    """``node`` rounded down (floordiv) or up (ceildiv) to a whole."""
    if isinstance(node, Apply) and node.op == "div":
        return Apply(op, node.args)
    return Apply(op, (node, ONE))
