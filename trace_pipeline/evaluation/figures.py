"""Plots of evaluations and training curves, as PNG or SVG bytes.

Drawn on figures of their own, without pyplot's global state, so that they may be made in any
thread and need no display.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from trace_pipeline.evaluation.scoring import Evaluation, Group
from trace_pipeline.evaluation.statistics import Proportion
from trace_pipeline.solver import VerdictKind

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 144
INK, MUTED, GRID, ACCENT, SECOND = "#22303c", "#6b7885", "#e3e8ec", "#2f6f9f", "#d0783c"
KIND_COLOURS = {
    VerdictKind.CORRECT: "#74c29a",
    VerdictKind.WRONG_ANSWER: "#f0cd80",
    VerdictKind.INVALID_TRACE: "#e8976f",
    VerdictKind.WRONG_EXPERT: "#b9a3d6",
    VerdictKind.PARSE_FAIL: "#bcc5cd",
}

Record = Mapping[str, float]
"""Metrics of one training step, the step's own number among them."""

Form = Literal["png", "svg"]
"""PNG on white for Markdown and other pages; SVG for a page that has themes of its own."""

PREFIXES = (10, 30, 100)
"""Sizes of the samples that the notebook judged runs by."""


def accuracy_figure(
    evaluations: Sequence[Evaluation],
    form: Form = "png",
    beside: Mapping[str, Proportion] | None = None,
) -> bytes:
    """Accuracy of several models with 95 percent intervals, one row each.

    Args:
        evaluations: One or more; the last stands out.
        form: Of the picture.
        beside: Accuracies from elsewhere by their names, above the others.

    Raises:
        ValueError: no evaluation.
    """
    if not evaluations:
        raise ValueError("expected at least one evaluation, found none")
    shown = [(name, correct, SECOND) for name, correct in (beside or {}).items()]
    shown += [(evaluation.model, evaluation.correct, MUTED) for evaluation in evaluations[:-1]]
    shown.append((evaluations[-1].model, evaluations[-1].correct, ACCENT))
    figure, axes = _canvas(6.4, 1.0 + 0.5 * len(shown))
    for row, (_, correct, colour) in enumerate(shown):
        low, high = 100 * correct.interval.low, 100 * correct.interval.high
        axes.plot(
            [low, high], [row, row], color=colour, linewidth=8, alpha=0.3, solid_capstyle="butt"
        )
        axes.plot(100 * correct.rate, row, "o", color=colour, markersize=8)
        axes.annotate(
            f"{100 * correct.rate:.1f} %   {correct.count}/{correct.total}",
            (high, row),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=INK,
        )
    highest = max(100 * correct.interval.high for _, correct, _ in shown)
    axes.set_xlim(0, highest * 1.45 + 1)  # room for the text behind the longest interval
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.invert_yaxis()
    axes.set_yticks(range(len(shown)), [name for name, _, _ in shown])
    axes.set_xlabel("accuracy in percent, with 95 % interval")
    axes.grid(axis="x", color=GRID)
    _title(axes, evaluations[-1].benchmark)
    return _rendered(figure, form)


def groups_figure(groups: Sequence[Group], title: str, axis: str, form: Form = "png") -> bytes:
    """Accuracy by group (expert, or number of steps) with intervals and sizes.

    Raises:
        ValueError: no group.
    """
    if not groups:
        raise ValueError("expected at least one group, found none")
    figure, axes = _canvas(6.4, 3.2)
    for column, group in enumerate(groups):
        bounds = group.correct.interval
        axes.plot(
            [column, column],
            [100 * bounds.low, 100 * bounds.high],
            color=ACCENT,
            linewidth=8,
            alpha=0.3,
            solid_capstyle="butt",
        )
        axes.plot(column, 100 * group.correct.rate, "o", color=ACCENT, markersize=8)
    labels = [f"{_two_lines(g.name)}\nn = {g.correct.total}" for g in groups]
    axes.set_xticks(range(len(groups)), labels)
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.set_ylim(-3, 103)
    axes.set_ylabel("accuracy in percent")
    axes.set_xlabel(axis)
    axes.grid(axis="y", color=GRID)
    _title(axes, title)
    return _rendered(figure, form)


def verdicts_figure(evaluations: Sequence[Evaluation], form: Form = "png") -> bytes:
    """Shares of the kinds of verdict, one stacked bar a model.

    Raises:
        ValueError: no evaluation.
    """
    if not evaluations:
        raise ValueError("expected at least one evaluation, found none")
    figure, axes = _canvas(6.4, 1.5 + 0.5 * len(evaluations))
    counts = [evaluation.kinds() for evaluation in evaluations]
    starts = [0.0] * len(evaluations)
    for kind in reversed(VerdictKind):
        if not any(count[kind] for count in counts):
            continue
        for row, (count, evaluation) in enumerate(zip(counts, evaluations, strict=True)):
            share = 100 * count[kind] / max(evaluation.total, 1)
            label = str(kind).replace("_", " ") if row == 0 else None
            colour = KIND_COLOURS[kind]
            axes.barh(row, share, left=starts[row], height=0.6, color=colour, label=label)
            if share >= 6:
                middle = starts[row] + share / 2
                axes.text(
                    middle, row, f"{share:.0f}", color=INK, ha="center", va="center", fontsize=9
                )
            starts[row] += share
    axes.set_xlim(0, 100)
    axes.invert_yaxis()
    axes.set_yticks(range(len(evaluations)), [evaluation.model for evaluation in evaluations])
    axes.set_xlabel("percent of completions")
    _title(axes, f"Verdicts, {evaluations[-1].benchmark}")
    if any(evaluation.total for evaluation in evaluations):
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.55 / (0.5 + 0.5 * len(evaluations))),
            ncols=len(VerdictKind),
            frameon=False,
            fontsize=8.5,
            handlelength=1,
            columnspacing=1.2,
        )
    return _rendered(figure, form)


def loss_figure(
    records: Sequence[Record], step: str = "step", loss: str = "loss", form: Form = "png"
) -> bytes:
    """Training loss by optimizer step, with its moving average.

    Raises:
        ValueError: no record has both fields.
    """
    points = _points(records, step, loss)
    figure, axes = _canvas(6.4, 3.2)
    _line(axes, points, ACCENT, "loss per step")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("loss in nats per token")
    _title(axes, "Supervised fine-tuning")
    axes.legend(frameon=False, fontsize=9)
    return _rendered(figure, form)


def reward_figure(
    records: Sequence[Record],
    step: str = "iteration",
    reward: str = "reward",
    baseline: str = "baseline",
    form: Form = "png",
) -> bytes:
    """Mean reward by RL iteration, with the baseline where there is one.

    Raises:
        ValueError: no record has an iteration and a reward.
    """
    figure, axes = _canvas(6.4, 3.2)
    _line(axes, _points(records, step, reward), ACCENT, "mean reward")
    if any(baseline in record for record in records):
        points = _points(records, step, baseline)
        axes.plot(*points, color=SECOND, linewidth=1.5, linestyle="--", label="baseline")
    axes.set_xlabel("iteration")
    axes.set_ylabel("reward")
    _title(axes, "Reinforcement learning")
    axes.legend(frameon=False, fontsize=9)
    return _rendered(figure, form)


def diagnoses_figure(counts: Mapping[str, int], form: Form = "png") -> bytes:
    """How many predictions failed in each way, most frequent first.

    Raises:
        ValueError: no class of failure.
    """
    if not counts:
        raise ValueError("expected at least one class of failure, found none")
    figure, axes = _canvas(6.4, 0.9 + 0.3 * len(counts))
    for row, count in enumerate(counts.values()):
        axes.barh(row, count, height=0.62, color=ACCENT, alpha=0.75)
        axes.annotate(
            f"{count:,}", (count, row), xytext=(5, 0), textcoords="offset points",
            va="center", fontsize=9, color=INK,
        )  # fmt: skip
    axes.set_xlim(0, max(counts.values()) * 1.12)
    axes.invert_yaxis()
    axes.set_yticks(range(len(counts)), [name.replace("_", " ") for name in counts])
    axes.set_xlabel("predictions")
    _title(axes, "How predictions fail")
    return _rendered(figure, form)


def sample_size_figure(evaluation: Evaluation, form: Form = "png") -> bytes:
    """Accuracy over the first n problems with its 95 percent interval, for every n.

    Raises:
        ValueError: no prediction.
    """
    if not evaluation.total:
        raise ValueError("expected at least one prediction, found none")
    figure, axes = _canvas(6.4, 3.2)
    sizes = range(1, evaluation.total + 1)
    shares, lows, highs, correct = [], [], [], 0
    for size, prediction in zip(sizes, evaluation.predictions, strict=True):
        correct += prediction.correct
        so_far = Proportion(correct, size)
        shares.append(100 * so_far.rate)
        lows.append(100 * so_far.interval.low)
        highs.append(100 * so_far.interval.high)
    axes.fill_between(
        sizes, lows, highs, color=ACCENT, alpha=0.2, linewidth=0, label="95 % interval"
    )
    axes.plot(sizes, shares, color=ACCENT, linewidth=1.8, label="accuracy so far")
    axes.axhline(shares[-1], color=SECOND, linewidth=1.2, linestyle="--", label="all problems")
    for size in (size for size in PREFIXES if size < evaluation.total):
        share = shares[size - 1]
        axes.plot(size, share, "o", color=ACCENT, markersize=6)
        axes.annotate(
            f"{size}: {share:.1f} %", (size, share), xytext=(5, -14 if share > 85 else 7),
            textcoords="offset points", fontsize=8.5, color=INK,
        )  # fmt: skip
    if evaluation.total > 30:
        axes.set_xscale("log")
        ticks = [n for n in (1, 3, 10, 30, 100, 300, 1000, 3000) if n <= evaluation.total]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
    axes.set_ylim(-3, 103)
    axes.set_xlabel("first n problems")
    axes.set_ylabel("accuracy in percent")
    axes.grid(axis="y", color=GRID)
    _title(axes, "What fewer problems would have said")
    axes.legend(frameon=False, fontsize=8.5, loc="upper right")
    return _rendered(figure, form)


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of ``width`` x ``height`` inches with one quiet pair of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor("none")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)
    axes.tick_params(length=0, labelsize=9, colors=INK)
    axes.set_axisbelow(True)
    axes.xaxis.label.set(color=MUTED, fontsize=9)
    axes.yaxis.label.set(color=MUTED, fontsize=9)
    return figure, axes


def _two_lines(name: str) -> str:
    """A tick label that does not run into its neighbours: broken at the first gap."""
    return name.replace("_", " ").replace(" ", "\n", 1)


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", color=INK, fontsize=10.5, fontweight="bold")


def _line(
    axes: Axes,
    points: tuple[list[float], list[float]],
    colour: str,
    label: str,
) -> None:
    x, y = points
    window = max(1, len(y) // 15)
    if window == 1:
        axes.plot(x, y, color=colour, linewidth=1.8, marker="o", markersize=3, label=label)
    else:
        axes.plot(x, y, color=colour, linewidth=0.8, alpha=0.35, label=label)
        average = [
            sum(y[max(0, i - window + 1) : i + 1]) / min(window, i + 1) for i in range(len(y))
        ]
        axes.plot(x, average, color=colour, linewidth=1.8, label=f"average of the last {window}")
    axes.grid(axis="y", color=GRID)


def _points(records: Sequence[Record], x: str, y: str) -> tuple[list[float], list[float]]:
    found = [(record[x], record[y]) for record in records if x in record and y in record]
    if not found:
        raise ValueError(f"none of {len(records)} records has both {x!r} and {y!r}")
    return [a for a, _ in found], [b for _, b in found]


def _rendered(figure: Figure, form: Form) -> bytes:
    from matplotlib import rc_context

    buffer = io.BytesIO()
    # Text stays text in SVG, and its ids are the same in every run.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "trace_pipeline"}):
        figure.savefig(buffer, format=form, facecolor="none" if form == "svg" else "white")
    return buffer.getvalue()
