"""How the quantities of a trace are named: hybrid, semantic or abstract.

Schemas name everything from the story. ``hybrid`` keeps that for what is read
from the question and calls computed values ``step1..n`` and ``result`` (NOTEBOOK,
runs 6 and 13: the best); ``semantic`` keeps the story's names throughout (run
11, "chaos"); ``abstract`` keeps none of them (runs 5 and 12).
"""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase
from typing import Literal

from trace_pipeline.generation.model import (
    AddSpec,
    ConsumeSpec,
    InitSpec,
    QuerySpec,
    StepSpec,
    TransferSpec,
)

Naming = Literal["hybrid", "semantic", "abstract"]
NAMINGS: tuple[Naming, ...] = ("hybrid", "semantic", "abstract")

_COMPUTED_LETTERS = "xyzwvut"
_READ_LETTERS = ascii_lowercase.index("t")
"""Letters for what is read; those from t on are of what is computed."""


def story_names(steps: Sequence[StepSpec]) -> tuple[list[str], list[str]]:
    """What the steps introduce: names read from the story, then computed ones, in order."""
    read: list[str] = []
    computed: list[str] = []
    for step in steps:
        match step:
            case InitSpec(var=name):
                read.append(name)
            case AddSpec(entity=name) | TransferSpec(to_entity=name):
                if name not in read:
                    read.append(name)
            case QuerySpec() | ConsumeSpec():
                pass
            case _:
                computed.append(step.var)
    return read, computed


def printed_names(steps: Sequence[StepSpec], naming: Naming) -> dict[str, str]:
    """Name in the trace by name in the schema, anchors aside."""
    read, computed = story_names(steps)
    if naming == "semantic":
        return {name: name for name in (*read, *computed)}
    last = steps[-1]
    target = last.var if isinstance(last, QuerySpec) and last.var in computed else None
    intermediate = [name for name in computed if name != target]
    if naming == "hybrid":
        names = {name: name for name in read}
        names |= {name: f"step{index}" for index, name in enumerate(intermediate, 1)}
    else:
        names = {
            name: ascii_lowercase[index] if index < _READ_LETTERS else f"a{index + 1}"
            for index, name in enumerate(read)
        }
        names |= {
            name: _COMPUTED_LETTERS[index] if index < len(_COMPUTED_LETTERS) else f"x{index + 1}"
            for index, name in enumerate(intermediate)
        }
    if target is not None:
        names[target] = "result"
    return names
