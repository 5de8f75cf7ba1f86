"""What the operation around an operand says about it."""

from __future__ import annotations

from collections.abc import Sequence

from trace_pipeline.gsm8k.annotations import Expression, Operation, Operator
from trace_pipeline.gsm8k.conversion.mentions import Form
from trace_pipeline.gsm8k.conversion.nodes import Slot
from trace_pipeline.gsm8k.conversion.solution import Calculated
from trace_pipeline.gsm8k.conversion.text import Text, first_words
from trace_pipeline.traces.numbers import Number


def divided_units(
    calculations: Sequence[Calculated], slot: Slot, text: Text
) -> tuple[frozenset[str], frozenset[str]] | None:
    """What the number that ``slot`` divides counts, and what the quotient counts."""
    calculation = calculations[slot.calculation]
    expression = calculation.expression
    if not slot.divides or not isinstance(expression, Operation):
        return None
    for earlier in reversed(calculations[: slot.calculation]):
        if expression.left in (earlier.result, earlier.value):
            return first_words(earlier.after), first_words(calculation.after)
    units = {
        text.units[index]
        for index, mention in enumerate(text.mentions)
        if mention.value == expression.left and mention.form is not Form.MONEY
    }
    return frozenset(units - {""}), first_words(calculation.after)


def among_results(calculations: Sequence[Calculated], slot: Slot) -> bool:
    """Whether ``slot`` stands in a sum of three or more, all but one of them results at least."""
    terms = leaves(calculations[slot.calculation].expression)
    if slot.op != "add" or len(terms) < 3:
        return False
    results = {earlier.result for earlier in calculations[: slot.calculation]}
    return slot.value in results and sum(term in results for term in terms) >= len(terms) - 1


def leaves(expression: Expression) -> list[Number]:
    """The numbers of an expression from left to right."""
    if isinstance(expression, Operation):
        return leaves(expression.left) + leaves(expression.right)
    return [expression]


def is_average(calculations: Sequence[Calculated], slot: Slot) -> bool:
    """Whether what is divided is a sum of as many terms as ``slot`` says."""
    expression = calculations[slot.calculation].expression
    if isinstance(expression, Operation) and not isinstance(expression.left, Operation):
        above = expression.left
        for earlier in reversed(calculations[: slot.calculation]):
            if above in (earlier.result, earlier.value):
                return _terms(earlier.expression) == slot.value
        return False
    return isinstance(expression, Operation) and _terms(expression.left) == slot.value


def _terms(expression: Expression) -> int:
    """The terms of a sum; 1 for anything else."""
    if not isinstance(expression, Operation) or expression.operator is not Operator.ADD:
        return 1
    return _terms(expression.left) + _terms(expression.right)
