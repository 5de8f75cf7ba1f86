"""How assets present themselves in the UI: who owns them, and what their files hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import dagster as dg

OWNERS = {
    "data": "team:data",
    "problems": "team:data",
    "models": "team:models",
    "evaluation": "team:evaluation",
    "comparison": "team:evaluation",
}
"""Asset group -> the team that answers for it (owners and their tags filter the asset list)."""

EXAMPLE_COLUMNS: Mapping[str, tuple[str, str]] = {
    "question": ("string", "the word problem"),
    "trace": ("string", "its trace, canonical YAML"),
    "answer": ("number", "what the solver computes from the trace"),
    "expert": ("string", "the expert that the trace names; composition for several"),
    "schema": ("string", "id of the schema that made it"),
    "index": ("int", "number of the example within its schema and split"),
    "split": ("string", "train, validation or test"),
}
"""Columns of the synthetic data: name -> type and meaning."""

PREDICTION_MEANINGS: Mapping[str, str] = {
    "index": "number of the problem in its set, from 0",
    "status": "verdict with its value or reason",
    "question": "the word problem",
    "completion": "what the model wrote",
    "kind": "verdict of the solver",
    "reason": "why a trace is invalid",
    "message": "the verdict in words",
    "answer": "what the trace computes",
    "gold": "the right answer",
    "expert": "the expert that had to answer; empty where any may",
    "predicted_expert": "the expert of the trace",
    "steps": "steps of the reference solution; 0 if unknown",
    "tokens": "length of the completion in tokens",
    "clipped": "whether the token limit ended it",
    "seconds": "wall time from entering the batch to the last token",
    "reference": "the reference solution",
    "diagnosis": "how a wrong trace fails",
    "explanation": "the diagnosis in a sentence",
    "reference_trace": "a trace that solves the problem, canonical YAML",
    "category": "the notebook's category of the failure",
    "diverges_at": "sub-trace and step, from 0, at which the trace goes wrong",
    "coverage": "how much of the problem the experiment's schemas compute",
    "doubts": "what speaks against a valid trace; null for others",
}
"""Meaning of each column of predictions.parquet."""


def present(
    assets: Iterable[dg.AssetsDefinition | dg.AssetSpec],
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """``assets`` with the owner and the tag of their group."""
    return list(dg.map_asset_specs(_presented, assets))


def _presented(spec: dg.AssetSpec) -> dg.AssetSpec:
    group = spec.group_name or "default"
    return spec.merge_attributes(owners=[OWNERS[group]], tags={"area": group})


def example_columns() -> dg.TableSchemaMetadataValue:
    """The column schema of the synthetic data."""
    return _schema((name, kind, meaning) for name, (kind, meaning) in EXAMPLE_COLUMNS.items())


def parquet_columns(path: Path, meanings: Mapping[str, str]) -> dg.TableSchemaMetadataValue:
    """The column schema of a Parquet file, as it was written."""
    import pyarrow.parquet as pq

    found = pq.read_schema(path)
    return _schema((field.name, str(field.type), meanings.get(field.name, "")) for field in found)


def rows_and_columns(
    rows: int, columns: dg.TableSchemaMetadataValue
) -> dict[str, dg.MetadataValue]:
    """The metadata under which Dagster shows a table's size and columns."""
    return {"dagster/row_count": dg.MetadataValue.int(rows), "dagster/column_schema": columns}


def _schema(columns: Iterable[Sequence[str]]) -> dg.TableSchemaMetadataValue:
    return dg.MetadataValue.table_schema(
        dg.TableSchema(
            [dg.TableColumn(name, kind, description=meaning) for name, kind, meaning in columns]
        )
    )
