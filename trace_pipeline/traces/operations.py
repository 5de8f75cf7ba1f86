"""The operations of the trace language as data: their fields, in canonical order, and arities.

Reading, writing, the canonical form and the guide are all derived from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from trace_pipeline.traces.limits import MAX_ARGUMENTS
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
    Transfer,
)


class Field(Enum):
    """What a field of a step holds; the value describes it in messages."""

    NAME = "a name such as step1 or bob.cards"
    NAMES = "a list of names"
    NUMBER = "a number"
    QUANTITY = "a number or a name"
    SOURCE = "prev.result or subN.result"
    COMPUTE_OP = "the name of a computation"


class Operation(NamedTuple):
    """One ``op``: the struct it is read into and its fields in canonical order."""

    step: type[Step]
    fields: Mapping[str, Field]
    optional: frozenset[str] = frozenset()


_COMPUTATION = {"compute_op": Field.COMPUTE_OP, "args": Field.NAMES, "var": Field.NAME}
_STOCK = {"entity": Field.NAME, "amount": Field.QUANTITY}
_PERCENT = {"base": Field.NAME, "rate": Field.QUANTITY, "var": Field.NAME}

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "init": Operation(
            Init,
            {"var": Field.NAME, "value": Field.NUMBER, "source": Field.SOURCE},
            frozenset({"value", "source"}),
        ),
        "compute": Operation(Compute, _COMPUTATION),
        "query": Operation(Query, {"var": Field.NAME}),
        "consume": Operation(Consume, _STOCK),
        "add_entity": Operation(AddEntity, _STOCK),
        "transfer": Operation(
            Transfer,
            {"from_entity": Field.NAME, "to_entity": Field.NAME, "amount": Field.QUANTITY},
        ),
        "percent_off": Operation(PercentOff, _PERCENT),
        "percent_increase": Operation(PercentIncrease, _PERCENT),
        "percent_of": Operation(PercentOf, _PERCENT),
        "compare": Operation(Compare, _COMPUTATION),
    }
)
"""Every operation by its ``op``, in the order of the guide's table."""

OP_NAMES: Mapping[type[Step], str] = MappingProxyType(
    {operation.step: name for name, operation in OPERATIONS.items()}
)
"""The ``op`` of each struct."""

COMPUTE_ARITIES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        **dict.fromkeys(("add", "sub", "mul", "min", "max"), (2, MAX_ARGUMENTS)),
        **dict.fromkeys(("div", "floordiv", "ceildiv", "mod", "pow"), (2, 2)),
        **dict.fromkeys(("abs", "sqrt"), (1, 1)),
    }
)
"""Fewest and most arguments of each ``compute_op``; ``sub`` goes from the left."""
