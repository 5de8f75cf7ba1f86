"""Evaluations on disk: one Parquet file with a row a prediction, browsable by any tool.

What belongs to the evaluation as a whole stands in the file's metadata. Numbers are
text (``12``, ``0.5``, ``1/3``), because answers are exact and may be of any size.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from trace_pipeline.evaluation.benchmark import BenchmarkKind
from trace_pipeline.evaluation.plausibility import Doubt
from trace_pipeline.evaluation.sampled import Sampled
from trace_pipeline.evaluation.scoring import Evaluation, Prediction
from trace_pipeline.solver import VerdictKind
from trace_pipeline.store import write_atomic
from trace_pipeline.traces import Number, format_number
from trace_pipeline.traces.numbers import normalise
from trace_pipeline.validation import InvalidInputError

_METADATA_KEY = b"trace_pipeline.evaluation"


class _Header(Struct, frozen=True):
    model: str
    benchmark: str
    kind: BenchmarkKind
    source: str
    notes: tuple[str, ...]
    sampled: Sampled | None = None


def write_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write ``evaluation`` as Parquet, atomically."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    header = _Header(
        evaluation.model,
        evaluation.benchmark,
        evaluation.kind,
        evaluation.source,
        evaluation.notes,
        evaluation.sampled,
    )
    schema = pa.schema(
        [
            ("index", pa.int64()),
            ("status", pa.string()),
            ("question", pa.string()),
            ("completion", pa.string()),
            ("kind", pa.string()),
            ("reason", pa.string()),
            ("message", pa.string()),
            ("answer", pa.string()),
            ("gold", pa.string()),
            ("expert", pa.string()),
            ("predicted_expert", pa.string()),
            ("steps", pa.int64()),
            ("tokens", pa.int64()),
            ("clipped", pa.bool_()),
            ("seconds", pa.float64()),
            ("reference", pa.string()),
            ("diagnosis", pa.string()),
            ("explanation", pa.string()),
            ("reference_trace", pa.string()),
            ("category", pa.string()),
            ("diverges_at", pa.list_(pa.int64())),
            ("coverage", pa.string()),
            ("doubts", pa.list_(pa.string())),
        ],
        metadata={_METADATA_KEY: msgspec.json.encode(header)},
    )
    rows = [_row(prediction) for prediction in evaluation.predictions]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink, compression="zstd")
    write_atomic(path, sink.getvalue().to_pybytes())


def read_evaluation(path: Path) -> Evaluation:
    """Read what :func:`write_evaluation` wrote.

    Raises:
        InvalidInputError: the file is missing, not Parquet, or not an evaluation.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        header = msgspec.json.decode(table.schema.metadata[_METADATA_KEY], type=_Header)
        predictions = tuple(_prediction(row) for row in table.to_pylist())
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be read ({error}); evaluate again") from None
    except (pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{path}: not an evaluation written by this program ({error!r:.200})"
        ) from None
    return Evaluation(
        model=header.model,
        benchmark=header.benchmark,
        kind=header.kind,
        source=header.source,
        notes=header.notes,
        sampled=header.sampled,
        predictions=predictions,
    )


def _row(prediction: Prediction) -> dict[str, Any]:
    row = {field: getattr(prediction, field) for field in prediction.__struct_fields__}
    answer = prediction.answer
    return row | {
        "status": prediction.status,
        "kind": str(prediction.kind),
        "answer": None if answer is None else format_number(answer),
        "gold": format_number(prediction.gold),
    }


def _prediction(row: dict[str, Any]) -> Prediction:
    # Fields that came later have defaults: an older file lacks their columns.
    fields = {
        field.name: row[field.name]
        for field in msgspec.structs.fields(Prediction)
        if field.required or field.name in row
    }
    answer, place = fields["answer"], fields.get("diverges_at")
    doubts = fields.get("doubts")
    return Prediction(
        **fields
        | {
            "kind": VerdictKind(fields["kind"]),
            "answer": None if answer is None else _number(answer),
            "gold": _number(fields["gold"]),
            "diverges_at": tuple(place) if place else None,
            "doubts": None if doubts is None else tuple(map(Doubt, doubts)),
        }
    )


def _number(text: str) -> Number:
    return normalise(Fraction(text))
