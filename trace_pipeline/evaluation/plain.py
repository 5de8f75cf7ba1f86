"""Sections of tables and sentences as Markdown for a file, or as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from trace_pipeline.evaluation.report import Section
from trace_pipeline.evaluation.tables import Table

CELL = 48
"""Characters of a cell that a terminal shows."""


def to_markdown(title: str, sections: Sequence[Section]) -> str:
    """A page of its own; empty tables are left out."""
    lines = [f"# {title}"]
    for section in sections:
        lines.append(f"## {section.title}")
        lines += section.paragraphs
        for table in _tables(section):
            if table.title != section.title:
                lines.append(f"### {table.title}")
            lines.append(table.to_markdown())
    return "\n\n".join(lines) + "\n"


def to_text(sections: Sequence[Section]) -> str:
    """What a terminal shows; long cells are cut."""
    lines = []
    for section in sections:
        lines.append(f"{section.title}\n{'=' * len(section.title)}")
        lines += section.paragraphs
        for table in _tables(section):
            rows = tuple(tuple(map(_short, row)) for row in table.rows)
            short = Table(table.title, tuple(map(_short, table.columns)), rows)
            heading = f"{table.title}\n" if table.title != section.title else ""
            lines.append(heading + short.to_text())
    return "\n\n".join(lines)


def _tables(section: Section) -> list[Table]:
    return [block.table for block in section.blocks if block.table and block.table.rows]


def _short(text: str) -> str:
    return text if len(text) <= CELL else text[: CELL - 1] + "…"
