"""The predictions as the page's scripts read them: names once, then a row of values each."""

from __future__ import annotations

from typing import Any

from trace_pipeline.evaluation.failures import UNDIAGNOSED
from trace_pipeline.evaluation.marking import Mark, mark
from trace_pipeline.evaluation.report import Report
from trace_pipeline.evaluation.scoring import Prediction
from trace_pipeline.traces import format_number


def browsed(report: Report) -> dict[str, Any]:
    """Columns, rows, and the other models whose statuses each row ends with."""
    others = [model for model in report.models if model is not report.evaluation]
    statuses = [{p.question: p.status for p in model.predictions} for model in others]
    records = []
    for prediction in report.evaluation.predictions:
        beside = [known.get(prediction.question, "") for known in statuses]
        records.append(_record(prediction) | {"others": beside})
    return {
        "models": [model.model for model in others],
        "columns": list(records[0]) if records else [],
        "rows": [list(record.values()) for record in records],
    }


def _record(prediction: Prediction) -> dict[str, Any]:
    marked, seconds = mark(prediction), prediction.seconds
    known = prediction.reference_trace
    return {
        "index": prediction.index,
        "question": prediction.question,
        "status": prediction.status,
        "outcome": prediction.outcome,
        "kind": str(prediction.kind),
        "gold": format_number(prediction.gold),
        "expert": prediction.expert or prediction.predicted_expert or "none",
        "steps": str(prediction.steps) if prediction.steps else "unknown",
        "tokens": prediction.tokens,
        "seconds": round(seconds, 2) if seconds >= 0.1 else float(f"{seconds:.2g}"),
        "clipped": prediction.clipped,
        "message": prediction.message,
        "diagnosis": prediction.diagnosis or ("" if prediction.correct else UNDIAGNOSED),
        "explanation": prediction.explanation,
        "doubts": None if prediction.doubts is None else list(prediction.doubts),
        "completion": prediction.completion,
        "mark": _mark(marked.predicted),
        "solved": list(marked.steps),
        "trace": known,
        "traceMark": _mark(marked.reference),
        # A synthetic problem's reference is its trace: say it once.
        "solution": "" if prediction.reference == known else prediction.reference,
    }


def _mark(found: Mark | None) -> list[Any] | None:
    return [found.line, found.note] if found else None
