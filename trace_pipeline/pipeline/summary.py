"""The short table at the end of a run, and where everything is."""

from __future__ import annotations

from pathlib import Path

from trace_pipeline.evaluation import PAGE, Evaluation, Group, Proportion
from trace_pipeline.pipeline.judging import BASELINE, FEW_SHOT, stored_evaluation
from trace_pipeline.pipeline.workbench import MissingUpstreamError, Workbench


def report_page(bench: Workbench, asset: str = "gsm8k_eval") -> Path:
    """The HTML page of the last evaluation, ``gsm8k_eval`` or ``synthetic_eval``.

    Raises:
        MissingUpstreamError: never evaluated, or by a version that wrote no page for it.
    """
    page = (bench.require(asset).path / PAGE).resolve()
    if not page.is_file():
        raise MissingUpstreamError(
            f"{bench.key(asset)} has no page; evaluate again with\n  {bench.command(asset)}"
        )
    return page


def summary(bench: Workbench) -> str:
    """Synthetic accuracy by expert, real accuracy with interval, the base beside, and where."""
    synthetic = stored_evaluation(bench.require("synthetic_eval").path)
    stored = bench.require("gsm8k_eval")
    untuned = [
        (name, stored_evaluation(stored.path / folder))
        for name, folder in (("untuned base", BASELINE), ("untuned base, few-shot", FEW_SHOT))
        if (stored.path / folder).is_dir()
    ]
    lines = [f"experiment {bench.experiment.name}", ""]
    lines += _table(synthetic, stored_evaluation(stored.path), untuned)
    lines += [
        "",
        f"report   {report_page(bench)}",
        f"         {report_page(bench, 'synthetic_eval')}",
        f"files    {stored.path.parent.parent}",
        "Dagster  make dagster   (dagster dev)              http://127.0.0.1:3000",
        "MLflow   make mlflow    (the comparison of runs)   http://127.0.0.1:5000",
    ]
    return "\n".join(lines)


def _table(
    synthetic: Evaluation, real: Evaluation, untuned: list[tuple[str, Evaluation]]
) -> list[str]:
    left = f"{'':<40}{'correct':>12}{'accuracy':>10}"
    rows = [f"{left}   {'95 % interval':<16}{'valid':>7}{'parsed':>8}"]
    rows.append(_row(f"{synthetic.benchmark}, trained", _whole(synthetic)))
    rows += [_row(f"  {group.name}", group) for group in synthetic.by_expert()]
    rows.append(_row(f"{real.benchmark}, trained", _whole(real)))
    rows += [_row(f"{base.benchmark}, {name}", _whole(base)) for name, base in untuned]
    return rows


def _whole(evaluation: Evaluation) -> Group:
    return Group("all", evaluation.correct, evaluation.valid, evaluation.parsed)


def _row(name: str, group: Group) -> str:
    correct = f"{group.correct.count} of {group.correct.total}"
    bounds = group.correct.interval
    interval = f"{100 * bounds.low:.1f} to {100 * bounds.high:.1f} %"
    return (
        f"{name:<40}{correct:>12}{_percent(group.correct):>10}   {interval:<16}"
        f"{_percent(group.valid):>7}{_percent(group.parsed):>8}"
    )


def _percent(share: Proportion) -> str:
    return f"{100 * share.rate:.1f} %"
