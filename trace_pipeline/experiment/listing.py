"""The experiments of a folder as text: the list, one of them, two against each other."""

from __future__ import annotations

import textwrap
from pathlib import Path

from trace_pipeline.experiment.catalogue import (
    Difference,
    differences,
    differences_from_parent,
    lineage,
    parent_of,
)
from trace_pipeline.experiment.experiment import available_experiments, load_experiment

WIDTH = 100


def listing(folder: Path) -> str:
    """Every experiment with its description, grouped by what it goes back to.

    Raises:
        ExperimentError: a file that cannot be used.
    """
    groups: dict[str, list[str]] = {}
    for name in available_experiments(folder):
        groups.setdefault(lineage(name, folder)[-1], []).append(name)
    return "\n\n".join(_group(root, names, folder) for root, names in groups.items())


def described(name: str, folder: Path) -> str:
    """One experiment: its lineage, what it changes, and where it departs from its source.

    Raises:
        ExperimentError: an unknown name, or a file that cannot be used.
    """
    experiment = load_experiment(name, folder)
    parts = [f"{name}: {experiment.description}"]
    parents = lineage(name, folder)[1:]
    parts.append(f"inherits from {' <- '.join(parents)}" if parents else "inherits from nothing")
    parts.append(
        _table(differences_from_parent(name, folder), parents[0] if parents else "defaults", name)
    )
    departures = [(n, load_experiment(n, folder).departures) for n in (name, *parents[-1:])]
    for source, texts in departures:
        if texts:
            parts.append(f"departures of {source}:")
            parts += [textwrap.fill(f"- {t}", WIDTH, subsequent_indent="  ") for t in texts]
    return "\n".join(parts)


def difference_text(first: str, second: str, folder: Path) -> str:
    """The settings in which two experiments differ, as a table.

    Raises:
        ExperimentError: an unknown name, or a file that cannot be used.
    """
    ours, theirs = (load_experiment(name, folder).parameters() for name in (first, second))
    return _table(differences(ours, theirs), first, second)


def _group(root: str, names: list[str], folder: Path) -> str:
    width = max(map(len, names))
    lines = []
    for name in names:
        parent = parent_of(name, folder)
        heading = f"  {name:<{width}}  "
        inherits = f" [from {parent}]" if parent and parent != root else ""
        text = load_experiment(name, folder).description + inherits
        lines.append(
            textwrap.fill(text, WIDTH, initial_indent=heading, subsequent_indent=" " * len(heading))
        )
    return "\n".join(
        [f"{root}" + (f", {len(names)} experiments" if len(names) > 1 else ""), *lines]
    )


def _table(found: list[Difference], first: str, second: str) -> str:
    if not found:
        return f"{first} and {second} have the same settings"
    rows = [("setting", first, second), *((d.field, d.first, d.second) for d in found)]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    if sum(widths) + 4 <= WIDTH:
        return "\n".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in rows)
    return "\n".join(
        f"{d.field}\n{_entry(first, d.first)}\n{_entry(second, d.second)}" for d in found
    )


def _entry(name: str, value: str) -> str:
    return textwrap.fill(f"{name}: {value}", WIDTH, initial_indent="  ", subsequent_indent="    ")
