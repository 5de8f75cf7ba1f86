"""The rollouts that a run keeps: lines while it goes on, one Parquet file at its end."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from trace_pipeline.modeling.storage.records import read_records
from trace_pipeline.store import write_atomic

log = logging.getLogger(__name__)

LINES = "rollouts.jsonl"
TABLE = "rollouts.parquet"

_COLUMNS = {
    "iteration": "int64",
    "source": "string",
    "problem": "int64",
    "place": "int64",
    "sample": "int64",
    "steps": "int64",
    "question": "string",
    "text": "string",
    "kind": "string",
    "reason": "string",
    "reward": "float64",
    "tokens": "int64",
    "clipped": "bool",
    "logprob": "float64",
    "advantage": "float64",
}


def write_table(folder: Path) -> None:
    """Write the lines in ``folder`` as Parquet too.

    Where pyarrow is not installed, as on a bare host, the lines stay the only form.
    """
    if not (folder / LINES).is_file():
        return
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        log.info("pyarrow is not installed; the rollouts stay in %s", folder / LINES)
        return
    schema = pa.schema([(name, getattr(pa, _pa_type(kind))()) for name, kind in _COLUMNS.items()])
    table = pa.Table.from_pylist(read_records(folder / LINES), schema=schema)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_atomic(folder / TABLE, sink.getvalue().to_pybytes())


def drop_lines(folder: Path) -> None:
    """Remove the lines once the table holds them."""
    if (folder / TABLE).is_file():
        (folder / LINES).unlink(missing_ok=True)


def read_rollouts(folder: Path) -> list[dict[str, Any]]:
    """The rollouts kept in ``folder``, from either form; none where none were kept."""
    if not (folder / TABLE).is_file():
        return read_records(folder / LINES)
    import pyarrow.parquet as pq

    return list(pq.read_table(folder / TABLE).to_pylist())


def _pa_type(kind: str) -> str:
    return "bool_" if kind == "bool" else kind
