"""The tables of a report, as data: rendered to Markdown, HTML or a terminal elsewhere."""

from __future__ import annotations

import html
from collections.abc import Sequence

from msgspec import Struct

from trace_pipeline.evaluation.scoring import Evaluation, Group
from trace_pipeline.evaluation.statistics import Proportion, subset_interval
from trace_pipeline.traces import format_number


class Table(Struct, frozen=True):
    """Rows of text under headings; the first column is the row's name."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def to_markdown(self) -> str:
        """The table in GitHub's Markdown, without its title."""
        lines = [self.columns, tuple("---" for _ in self.columns), *self.rows]
        return "\n".join("| " + " | ".join(map(_markdown_cell, line)) + " |" for line in lines)

    def to_html(self, facet: str = "") -> str:
        """The table as HTML, escaped, without its title.

        With ``facet`` the first cell of each row is a button that carries the facet's name
        and its own text as data, for a script to filter by.
        """
        head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in self.columns)
        rows = []
        for row in self.rows:
            name = html.escape(row[0])
            if facet:
                told = f'data-facet="{facet}" data-value="{name}"'
                name = f'<button type="button" {told}>{name}</button>'
            cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
            rows.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
        body = "".join(rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def to_text(self) -> str:
        """The table in aligned columns for a terminal."""
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )


def samples_figures(evaluation: Evaluation) -> Table | None:
    """pass@k and majority@k, where each problem was sampled several times."""
    if evaluation.sampled is None:
        return None
    title = f"{evaluation.model}: {evaluation.sampled.described}"
    rows = tuple((name, figure) for name, figure in evaluation.sampled.rows())
    return Table(title, ("measure", "share of problems"), rows)


def models_table(evaluations: Sequence[Evaluation]) -> Table:
    """One row a model: accuracy with interval, valid, parsed, clipped, length, time.

    Outputs that were published say nothing of the time, and where none does, nor does the table.
    """
    rows = []
    for evaluation in evaluations:
        total = max(evaluation.total, 1)
        tokens = sum(p.tokens for p in evaluation.predictions) / total
        seconds = sum(p.seconds for p in evaluation.predictions) / total
        rows.append(
            (
                evaluation.model,
                f"{evaluation.correct.count} of {evaluation.total}",
                percent(evaluation.correct),
                interval(evaluation.correct),
                percent(evaluation.valid),
                percent(evaluation.parsed),
                percent(evaluation.clipped),
                f"{tokens:.0f}",
                f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds:.2g} s",
            )
        )
    columns = (
        "model",
        "correct",
        "accuracy",
        "95 % interval",
        "valid",
        "parsed",
        "clipped",
        "tokens each",
        "time each",
    )
    timed = any(prediction.seconds for e in evaluations for prediction in e.predictions)
    if not timed:
        return Table("Models", columns[:-1], tuple(row[:-1] for row in rows))
    return Table("Models", columns, tuple(rows))


def groups_table(title: str, name: str, groups: Sequence[Group]) -> Table:
    """One row a group: accuracy with interval, valid, parsed."""
    rows = tuple(
        (
            group.name,
            f"{group.correct.count} of {group.correct.total}",
            percent(group.correct),
            interval(group.correct),
            percent(group.valid),
            percent(group.parsed),
        )
        for group in groups
    )
    columns = (name, "correct", "accuracy", "95 % interval", "valid", "parsed")
    return Table(title, columns, rows)


def outcomes_table(evaluation: Evaluation) -> Table:
    """How often each outcome occurred, invalid traces by reason."""
    rows = tuple(
        (outcome, str(count), percent(Proportion(count, evaluation.total)))
        for outcome, count in evaluation.outcomes().items()
    )
    return Table("Outcomes", ("outcome", "count", "share"), rows)


def sizes_table(evaluation: Evaluation, sizes: Sequence[int]) -> Table:
    """What the first 10, 30, ... problems alone would have said, beside all of them.

    The last column is where the accuracy on so many problems drawn at random lies in 95 of 100
    draws: how far off a sample of that size is without anybody's doing anything wrong.
    """
    whole = evaluation.correct
    rows = []
    for size in (*(size for size in sizes if size < whole.total), whole.total):
        part = evaluation.first(size).correct
        drawn = subset_interval(whole.count, whole.total, size) if size else whole.interval
        rows.append(
            (
                f"{size:,}" if size < whole.total else f"all {size:,}",
                f"{part.count} of {part.total}",
                percent(part),
                interval(part),
                f"{100 * (part.interval.high - part.interval.low):.0f} points",
                f"{100 * (part.rate - whole.rate):+.1f} points",
                f"{100 * drawn.low:.1f} to {100 * drawn.high:.1f} %",
            )
        )
    columns = (
        "first",
        "correct",
        "accuracy",
        "95 % interval",
        "its width",
        "off the whole by",
        "95 of 100 random samples",
    )
    return Table("What fewer problems would have said", columns, tuple(rows))


def samples_table(evaluation: Evaluation, count: int = 10) -> Table:
    """The first problems with their status."""
    rows = tuple(
        (str(p.index), p.question, format_number(p.gold), p.status)
        for p in evaluation.predictions[:count]
    )
    return Table(f"First {len(rows)} problems", ("index", "question", "gold", "status"), rows)


def statuses_table(evaluations: Sequence[Evaluation], count: int = 10) -> Table:
    """The last evaluation's first problems with every model's status, model by model.

    A model that did not answer a problem has an empty cell.
    """
    statuses = [{p.question: p.status for p in e.predictions} for e in evaluations]
    rows = tuple(
        (str(p.index), p.question, *(known.get(p.question, "") for known in statuses))
        for p in evaluations[-1].predictions[:count]
    )
    columns = ("index", "question", *(evaluation.model for evaluation in evaluations))
    return Table("The same problems, model by model", columns, rows)


def percent(proportion: Proportion) -> str:
    """``4.2 %``."""
    return f"{100 * proportion.rate:.1f} %"


def interval(proportion: Proportion) -> str:
    """``2.1 to 8.0 %``."""
    bounds = proportion.interval
    return f"{100 * bounds.low:.1f} to {100 * bounds.high:.1f} %"


def _markdown_cell(text: str) -> str:
    """Text that cannot end the cell or the row, and that no renderer takes for HTML."""
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return " ".join(escaped.split())
