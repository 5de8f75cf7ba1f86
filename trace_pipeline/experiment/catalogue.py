"""The experiments of a folder as a family: who inherits from whom, what differs between two."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from trace_pipeline.experiment.experiment import (
    Experiment,
    ExperimentError,
    cycle,
    load_experiment,
    parent_in,
    read_file,
)

APART = ("name", "description", "departures")
"""Fields that say what an experiment is, not how it is run."""

ABSENT = "–"
"""Stands for a field that only the other has."""


class Difference(Struct, frozen=True):
    """One setting in which two experiments differ."""

    field: str
    first: str
    second: str


def parent_of(name: str, folder: Path) -> str | None:
    """The experiment that ``name`` inherits from.

    Raises:
        ExperimentError: a file that is missing or unreadable, or inherits from what is not there.
    """
    path = folder / f"{name}.yaml"
    return parent_in(read_file(path), path)


def lineage(name: str, folder: Path) -> list[str]:
    """``name`` and what it inherits from, nearest first.

    Raises:
        ExperimentError: a file that ``parent_of`` refuses, or a cycle.
    """
    found = [name]
    while parent := parent_of(found[-1], folder):
        if parent in found:
            raise ExperimentError(cycle(folder / f"{parent}.yaml", (*found, parent)))
        found.append(parent)
    return found


def differences(first: Mapping[str, str], second: Mapping[str, str]) -> list[Difference]:
    """What differs between two experiments' parameters, of two lists only what the other lacks."""
    return [
        Difference(field, *apart(first.get(field, ABSENT), second.get(field, ABSENT)))
        for field in dict.fromkeys((*first, *second))
        if first.get(field) != second.get(field) and field not in APART
    ]


def differences_from_parent(name: str, folder: Path) -> list[Difference]:
    """What the file of ``name`` changes; against the defaults if it inherits from nothing."""
    parent = parent_of(name, folder)
    below = load_experiment(parent, folder) if parent else Experiment(name="defaults")
    return differences(below.parameters(), load_experiment(name, folder).parameters())


def apart(first: str, second: str) -> tuple[str, str]:
    """Two values of a setting; of two lists their lengths and what the other lacks."""
    if not all(text.startswith("[") and text.endswith("]") for text in (first, second)):
        return first, second
    ours, theirs = ([part for part in t[1:-1].split(",") if part] for t in (first, second))
    return _only(ours, theirs, "-"), _only(theirs, ours, "+")


def _only(entries: list[str], others: list[str], sign: str) -> str:
    extra = " ".join(sign + entry.strip('"') for entry in entries if entry not in others)
    return f"{len(entries)} entries" + (f", {extra}" if extra else "")
