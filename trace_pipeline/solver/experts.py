"""The experts and their vocabularies: which operations each may use."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_COMMON = ("init", "compute", "query")

EXPERT_OPERATIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "arithmetic": _COMMON,
        "comparison": (*_COMMON, "compare"),
        "entity_track": (*_COMMON, "consume", "add_entity", "transfer"),
        "percentage": (*_COMMON, "percent_off", "percent_increase", "percent_of"),
        "rate_equation": _COMMON,
    }
)
"""The ops of each expert; any other is ``foreign_op`` (NOTEBOOK, key finding 4)."""

COMPOSITION = "composition"
"""What a trace of two or more sub-traces calls itself; no expert of its own."""
