"""The report of an evaluation: one Markdown file with figures, and one HTML page of its own.

Both are rendered from the same sections, so they cannot disagree. The page needs no
network: figures and predictions are embedded, and its policy forbids any request.
"""

from __future__ import annotations

import base64
import html
from importlib import resources
from pathlib import Path
from string import Template

import msgspec
from msgspec import Struct

from trace_pipeline.evaluation.benchmark import BenchmarkKind
from trace_pipeline.evaluation.cautions import Caution, cautions
from trace_pipeline.evaluation.comparison import compare
from trace_pipeline.evaluation.failures import (
    FailureExample,
    categories_table,
    failure_examples,
    failures_table,
)
from trace_pipeline.evaluation.figures import (
    accuracy_figure,
    diagnoses_figure,
    groups_figure,
    verdicts_figure,
)
from trace_pipeline.evaluation.scoring import Evaluation, Group, Prediction
from trace_pipeline.evaluation.tables import (
    Table,
    groups_table,
    models_table,
    outcomes_table,
    samples_table,
    statuses_table,
)
from trace_pipeline.store import write_atomic
from trace_pipeline.traces import format_number
from trace_pipeline.validation import InvalidInputError


class Figure(Struct, frozen=True):
    """A plot of the report."""

    name: str
    """Stem of its file beside the Markdown."""
    caption: str
    png: bytes


class Report(Struct, frozen=True, kw_only=True):
    """Everything that a report shows."""

    title: str
    """The experiment's name."""
    evaluation: Evaluation
    """The model that the report is about."""
    base: Evaluation | None = None
    """The untuned base model on (some of) the same problems."""
    others: tuple[Evaluation, ...] = ()
    """Further models on the same problems, earliest first."""
    synthetic: Evaluation | None = None
    """The same model on held-out synthetic problems."""
    curves: tuple[Figure, ...] = ()
    """Training curves."""
    facts: tuple[tuple[str, str], ...] = ()
    """Settings and provenance, shown as they are: base model, data hash, git revision..."""

    @property
    def headline(self) -> str:
        """The result in one line."""
        return f"{self.evaluation.model} on {self.evaluation.benchmark}: {self.evaluation.correct}"

    @property
    def models(self) -> tuple[Evaluation, ...]:
        """All evaluations on the real problems, the report's own last."""
        base = (self.base,) if self.base else ()
        return (*base, *self.others, self.evaluation)

    @property
    def cautions(self) -> tuple[Caution, ...]:
        """What to know before believing the headline."""
        return cautions(self.evaluation, self.base)


class Block(Struct, frozen=True):
    """A table, a figure, a table with the figure that shows it, or an example."""

    table: Table | None = None
    figure: Figure | None = None
    example: FailureExample | None = None


class Section(Struct, frozen=True, kw_only=True):
    """One section of the report, independent of its rendering."""

    title: str
    paragraphs: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()


def write_report(folder: Path, report: Report) -> tuple[Path, Path]:
    """Write ``report.md`` (with ``figures/*.png``) and ``report.html``; returns their paths."""
    parts = sections(report)
    for part in parts:
        for figure in (block.figure for block in part.blocks if block.figure):
            write_atomic(folder / "figures" / f"{figure.name}.png", figure.png)
    markdown, page = folder / "report.md", folder / "report.html"
    write_atomic(markdown, render_markdown(report, parts).encode())
    write_atomic(page, render_html(report, parts).encode())
    return markdown, page


def sections(report: Report) -> tuple[Section, ...]:
    """The report's content in order."""
    evaluation = report.evaluation
    found = [_models_section(report), _breakdown_section(evaluation)]
    if evaluation.diagnoses():
        found += [_failures_section(evaluation), _examples_section(evaluation)]
    if report.synthetic:
        found.append(_synthetic_section(report.synthetic))
    if report.curves:
        curves = tuple(Block(figure=curve) for curve in report.curves)
        found.append(Section(title="Training", blocks=curves))
    samples = [Block(samples_table(evaluation))]
    if len(report.models) > 1:
        samples.append(Block(statuses_table(report.models)))
    found.append(Section(title="Samples", blocks=tuple(samples)))
    facts = (("problems", evaluation.source), *report.facts)
    found.append(
        Section(
            title="Source and settings",
            paragraphs=evaluation.notes,
            blocks=(Block(Table("Settings", ("setting", "value"), facts)),),
        )
    )
    return tuple(found)


def render_markdown(report: Report, parts: tuple[Section, ...] | None = None) -> str:
    """The report as Markdown; figures are linked as ``figures/<name>.png``."""
    lines = [f"# {report.title}", f"**{report.headline}**"]
    lines += [f"> **Caution.** {caution.text}" for caution in report.cautions]
    for part in parts or sections(report):
        lines.append(f"## {part.title}")
        lines += part.paragraphs
        for block in part.blocks:
            if block.table:
                lines += [f"### {block.table.title}", block.table.to_markdown()]
            if block.figure:
                lines.append(f"![{block.figure.caption}](figures/{block.figure.name}.png)")
            if block.example:
                lines.append(block.example.to_markdown())
    return "\n\n".join(lines) + "\n"


def render_html(report: Report, parts: tuple[Section, ...] | None = None) -> str:
    """The report as one self-contained page with a browser of all predictions."""
    evaluation = report.evaluation
    bounds = evaluation.correct.interval
    return Template(_page_file("report.html")).substitute(
        title=html.escape(report.title),
        subtitle=html.escape(f"{evaluation.model} on {evaluation.benchmark}"),
        accuracy=f"{100 * evaluation.correct.rate:.1f} %",
        interval=f"95 % interval {100 * bounds.low:.1f} to {100 * bounds.high:.1f} %",
        count=f"{evaluation.correct.count:,} of {evaluation.total:,} problems solved",
        source=html.escape(evaluation.source),
        cautions="".join(f'<p class="caution">{html.escape(c.text)}</p>' for c in report.cautions),
        sections="".join(map(_section_html, parts or sections(report))),
        predictions=_script_json([_browsed(p) for p in evaluation.predictions]),
        style=_page_file("report.css"),
        script=_page_file("report.js"),
    )


def _models_section(report: Report) -> Section:
    models = report.models
    blocks = [Block(models_table(models))]
    if len(models) > 1:
        caption = "Accuracy by model with 95 percent intervals"
        blocks.append(Block(figure=Figure("accuracy", caption, accuracy_figure(models))))
    verdicts = Figure("verdicts", "Kinds of verdict by model", verdicts_figure(models))
    return Section(
        title="Result",
        paragraphs=tuple(_against(other, report.evaluation) for other in models[:-1]),
        blocks=(*blocks, Block(figure=verdicts)),
    )


def _against(other: Evaluation, evaluation: Evaluation) -> str:
    try:
        return compare(other, evaluation, common=True).sentence()
    except InvalidInputError as error:
        return f"Not compared: {error}."


def _breakdown_section(evaluation: Evaluation) -> Section:
    synthetic = evaluation.kind is BenchmarkKind.SYNTHETIC
    expert = "expert" if synthetic else "expert used"
    return Section(
        title="Where it is right",
        blocks=(
            _groups_block("by_steps", "By number of steps", "steps", evaluation.by_steps()),
            _groups_block("by_expert", "By expert", expert, evaluation.by_expert()),
            Block(outcomes_table(evaluation)),
        ),
    )


def _failures_section(evaluation: Evaluation) -> Section:
    counts = evaluation.diagnoses()
    figure = Figure("diagnoses", "Predictions by class of failure", diagnoses_figure(counts))
    blocks = [
        Block(failures_table(evaluation), figure),
        Block(categories_table(evaluation)),
    ]
    if covered := evaluation.by_coverage():
        blocks.append(_groups_block("by_coverage", "By coverage of the schemas", "class", covered))
    return Section(title="How it fails", blocks=tuple(blocks))


def _examples_section(evaluation: Evaluation) -> Section:
    blocks = tuple(Block(example=example) for example in failure_examples(evaluation))
    return Section(title="An example of each failure", blocks=blocks)


def _synthetic_section(evaluation: Evaluation) -> Section:
    experts = evaluation.by_expert()
    return Section(
        title="Held-out synthetic problems",
        paragraphs=(f"{evaluation.model} on {evaluation.benchmark}: {evaluation.correct}.",),
        blocks=(
            _groups_block("synthetic_by_expert", "Synthetic, by expert", "expert", experts),
            Block(outcomes_table(evaluation)),
            *([Block(failures_table(evaluation))] if evaluation.diagnoses() else []),
        ),
    )


def _groups_block(name: str, title: str, axis: str, groups: tuple[Group, ...]) -> Block:
    caption = f"{title}: accuracy with 95 percent intervals"
    figure = Figure(name, caption, groups_figure(groups, title, axis)) if groups else None
    return Block(groups_table(title, axis, groups), figure)


def _section_html(part: Section) -> str:
    paragraphs = "".join(f"<p>{html.escape(text)}</p>" for text in part.paragraphs)
    blocks = "".join(map(_block_html, part.blocks))
    title = html.escape(part.title)
    return f'<section><h2>{title}</h2>{paragraphs}<div class="blocks">{blocks}</div></section>'


def _block_html(block: Block) -> str:
    shown = ""
    if block.table:
        heading = html.escape(block.table.title)
        shown += f'<div class="table"><h3>{heading}</h3>{block.table.to_html()}</div>'
    if block.figure:
        data = base64.b64encode(block.figure.png).decode()
        caption = html.escape(block.figure.caption)
        shown += f'<img alt="{caption}" src="data:image/png;base64,{data}">'
    if block.example:
        shown += f'<div class="table">{block.example.to_html()}</div>'
    kind = "wide" if block.table or block.example else "narrow"
    return f'<div class="block {kind}">{shown}</div>'


def _browsed(prediction: Prediction) -> dict[str, object]:
    """What the page's browser of predictions needs; the names are those of report.js."""
    return {
        "index": prediction.index,
        "question": prediction.question,
        "status": prediction.status,
        "outcome": prediction.outcome,
        "kind": str(prediction.kind),
        "gold": format_number(prediction.gold),
        "expert": prediction.predicted_expert or "",
        "steps": prediction.steps,
        "tokens": prediction.tokens,
        "clipped": prediction.clipped,
        "message": prediction.message,
        "completion": prediction.completion,
        "reference": prediction.reference,
    }


def _script_json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    text = msgspec.json.encode(value).decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _page_file(name: str) -> str:
    folder = resources.files("trace_pipeline.evaluation") / "page"
    return (folder / name).read_text(encoding="utf-8")
