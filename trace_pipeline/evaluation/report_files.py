"""A report on disk: Markdown with its figures, and the page."""

from __future__ import annotations

from pathlib import Path

from trace_pipeline.evaluation.page import render_html
from trace_pipeline.evaluation.report import Report, render_markdown, sections
from trace_pipeline.store import write_atomic

MARKDOWN, PAGE = "report.md", "report.html"
"""Names of a report's files in its folder."""


def write_report(folder: Path, report: Report) -> tuple[Path, Path]:
    """Write ``report.md`` (with ``figures/*.png``) and ``report.html``; returns their paths."""
    parts = sections(report)
    for part in parts:
        for figure in (block.figure for block in part.blocks if block.figure):
            write_atomic(folder / "figures" / f"{figure.name}.png", figure.png)
    markdown, page = folder / MARKDOWN, folder / PAGE
    write_atomic(markdown, render_markdown(report, parts).encode())
    write_atomic(page, render_html(report, parts).encode())
    return markdown, page
