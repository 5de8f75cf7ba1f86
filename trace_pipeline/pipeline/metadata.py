"""What a person sees beside a materialisation: tables, plots, sample traces."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from trace_pipeline.evaluation import Table
from trace_pipeline.generation import Example
from trace_pipeline.store import Artifact
from trace_pipeline.traces import format_number, render_trace

if TYPE_CHECKING:
    from trace_pipeline.pipeline.tracking import Stage

MLFLOW_SECONDS = "mlflow_seconds"
"""Key of the seconds that an asset spent on telling MLflow."""

HASH_SHOWN = 12
"""Digits of a hash; a word as long as all of them would push tables beside it out of sight."""

QUOTED = 5
"""What a check quotes of what it found."""

NOTHING = "none"
"""What stands in place of a table without rows."""


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> dg.MarkdownMetadataValue:
    """A table; floats are shown to four digits."""
    cells = tuple(tuple(_cell(cell) for cell in row) for row in rows)
    return of_table(Table("", tuple(columns), cells))


def of_table(shown: Table) -> dg.MarkdownMetadataValue:
    """A table of a report; one without rows says so."""
    return dg.MetadataValue.md(shown.to_markdown() if shown.rows else NOTHING)


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def picture(png: bytes, title: str) -> dg.MarkdownMetadataValue:
    """A plot, embedded."""
    data = base64.b64encode(png).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{data})")


def sample_traces(examples: Sequence[Example], count: int = 3) -> dg.MarkdownMetadataValue:
    """The first ``count`` examples as a person reads them."""
    blocks = [
        f"**{example.schema}** — {example.question}\n\n"
        f"```yaml\n{render_trace(example.trace)}```\n\nanswer: {format_number(example.answer)}"
        for example in examples[:count]
    ]
    return dg.MetadataValue.md("\n\n---\n\n".join(blocks))


def preformatted(text: str) -> dg.MarkdownMetadataValue:
    """Text whose columns matter."""
    return dg.MetadataValue.md(f"```\n{text.rstrip()}\n```")


def counted(name: str, found: Sequence[str]) -> dict[str, dg.MetadataValue]:
    """How many were found under ``name``, and the first of them where there are any."""
    shown: dict[str, dg.MetadataValue] = {name: dg.MetadataValue.int(len(found))}
    if found:
        shown[f"first_{name}"] = dg.MetadataValue.text("\n".join(found[:QUOTED]))
    return shown


def of_stage(stage: Stage) -> dict[str, dg.MetadataValue]:
    """The page of an ended stage in MLflow, and how long telling MLflow took."""
    return {
        "mlflow": dg.MetadataValue.md(f"[the run in MLflow]({stage.link()})"),
        MLFLOW_SECONDS: dg.MetadataValue.float(round(stage.seconds, 2)),
    }


def of_artifact(artifact: Artifact) -> dict[str, dg.MetadataValue]:
    """Where the artifact is and what it was made from."""
    parents = artifact.manifest.parents.items()
    return {
        "experiment": dg.MetadataValue.text(artifact.manifest.key.partition("/")[0]),
        "folder": dg.MetadataValue.path(str(artifact.path)),
        "version": dg.MetadataValue.text(artifact.manifest.version),
        "sha256": dg.MetadataValue.text(artifact.sha256[:HASH_SHOWN]),
        "made_from": table(
            ["artifact", "sha256"], [[key, value[:HASH_SHOWN]] for key, value in parents]
        ),
    }
