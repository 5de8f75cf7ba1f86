"""An execution in words: one plain line per step, with names and with values."""

from __future__ import annotations

from trace_pipeline.solver.execution import Execution
from trace_pipeline.traces.numbers import Number, format_number
from trace_pipeline.traces.steps import (
    AddEntity,
    Compare,
    Compute,
    Consume,
    Init,
    PercentIncrease,
    PercentOff,
    Query,
    Step,
    Trace,
    Transfer,
)

_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**"}


def explain(trace: Trace, execution: Execution) -> list[str]:
    """The steps of ``execution``, such as ``step1 = produced - eaten = 16 - 3 = 13``.

    A composition's sub-traces each begin with a line of their own.
    """
    lines = []
    recorded = list(execution.steps)
    composed = len(trace.subtraces) > 1
    for index, subtrace in enumerate(trace.subtraces):
        if composed:
            lines.append(f"sub{index} ({subtrace.expert}):")
        state: dict[str, Number] = {}
        for place, step in enumerate(subtrace.steps):
            changes = {}
            while recorded and recorded[0][:2] == (index, place):
                change = recorded.pop(0)
                changes[change.name] = change.value
            lines.append(("  " if composed else "") + _line(step, state, changes))
            state |= changes
    return lines


def formula(step: Step) -> str:
    """What ``step`` computes, in names: ``produced - eaten``; of an init its number or source."""
    match step:
        case Init(value=None, source=source):
            return source or ""
        case Init(value=value):
            return format_number(value) if value is not None else ""
        case Query():
            return step.var
        case Compute() | Compare():
            return _formula(step.compute_op, list(step.args))
        case Transfer():
            return f"{_named(step.amount)} from {step.from_entity} to {step.to_entity}"
        case Consume() | AddEntity():
            sign = "-" if isinstance(step, Consume) else "+"
            return f"{step.entity} {sign} {_named(step.amount)}"
    return _percentage(step, step.base, _named(step.rate))


def _line(step: Step, before: dict[str, Number], after: dict[str, Number]) -> str:
    results = {name: format_number(value) for name, value in after.items()}
    if isinstance(step, Init):
        origin = f"{step.source} = " if step.source is not None else ""
        return f"{step.var} = {origin}{results[step.var]}"
    if isinstance(step, Query):
        return f"query {step.var} = {results[step.var]}"
    if isinstance(step, Transfer):
        return (
            f"{_shown(step.amount, before)} from {step.from_entity} to {step.to_entity}: "
            + ", ".join(f"{name} = {text}" for name, text in results.items())
        )
    if isinstance(step, Consume | AddEntity):
        sign = "-" if isinstance(step, Consume) else "+"
        stock = format_number(before.get(step.entity, 0))
        amount = _shown(step.amount, before)
        return f"{step.entity} = {formula(step)} = {stock} {sign} {amount} = {results[step.entity]}"
    if isinstance(step, Compute | Compare):
        values = _formula(step.compute_op, [_operand(before[name]) for name in step.args])
        return f"{step.var} = {formula(step)} = {values} = {results[step.var]}"
    values = _percentage(step, format_number(before[step.base]), _shown(step.rate, before))
    return f"{step.var} = {formula(step)} = {values} = {results[step.var]}"


def _formula(operation: str, operands: list[str]) -> str:
    if operation in _INFIX:
        return f" {_INFIX[operation]} ".join(operands)
    return f"{operation}({', '.join(operands)})"


def _percentage(step: Step, base: str, rate: str) -> str:
    if isinstance(step, PercentOff):
        return f"{base} less {rate}%"
    if isinstance(step, PercentIncrease):
        return f"{base} plus {rate}%"
    return f"{rate}% of {base}"


def _operand(value: Number) -> str:
    text = format_number(value)
    return f"({text})" if value < 0 or "/" in text else text


def _named(amount: Number | str) -> str:
    return amount if isinstance(amount, str) else format_number(amount)


def _shown(amount: Number | str, state: dict[str, Number]) -> str:
    return format_number(state[amount] if isinstance(amount, str) else amount)
