"""The report of an evaluation: what it says, in sections, and its Markdown.

The HTML page (``page/``) is rendered from the same sections, so the two cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable

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
    PREFIXES,
    Form,
    accuracy_figure,
    diagnoses_figure,
    groups_figure,
    sample_size_figure,
    verdicts_figure,
)
from trace_pipeline.evaluation.forgetting import Forgetting
from trace_pipeline.evaluation.scoring import Evaluation, Group
from trace_pipeline.evaluation.tables import (
    Table,
    groups_table,
    models_table,
    outcomes_table,
    samples_figures,
    samples_table,
    sizes_table,
    statuses_table,
)
from trace_pipeline.validation import InvalidInputError


class Figure(Struct, frozen=True):
    """A plot of the report."""

    name: str
    """Stem of its file beside the Markdown."""
    caption: str
    png: bytes
    svg: bytes = b""
    """The same for a page with themes; empty: the page shows the PNG."""

    @classmethod
    def drawn(cls, name: str, caption: str, draw: Callable[[Form], bytes]) -> Figure:
        """The figure that ``draw`` draws, in both forms."""
        return cls(name, caption, draw("png"), draw("svg"))


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
    forgetting: Forgetting | None = None
    """What training cost the model elsewhere, where that was measured."""
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
        return cautions(self.evaluation, self.base, self.forgetting)


class Block(Struct, frozen=True):
    """A table, a figure, a table with the figure that shows it, or an example."""

    table: Table | None = None
    figure: Figure | None = None
    example: FailureExample | None = None
    facet: str = ""
    """The page's filter of predictions that the table's first column holds values of."""


class Section(Struct, frozen=True, kw_only=True):
    """One section of the report, independent of its rendering."""

    title: str
    paragraphs: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    browsed: bool = False
    """The page's browser of predictions shows this, so the page leaves it out."""


def sections(report: Report) -> tuple[Section, ...]:
    """The report's content in order."""
    evaluation = report.evaluation
    found = [_models_section(report), _breakdown_section(evaluation), _failures_section(evaluation)]
    if evaluation.diagnoses():
        found.append(_examples_section(evaluation))
    if evaluation.total:
        found.append(_sizes_section(evaluation))
    if report.synthetic:
        found.append(_synthetic_section(report.synthetic))
    if report.curves:
        curves = tuple(Block(figure=curve) for curve in report.curves)
        found.append(Section(title="Training", blocks=curves))
    if report.forgetting:
        found.append(_forgetting_section(report.forgetting))
    samples = [Block(samples_table(evaluation))]
    if len(report.models) > 1:
        samples.append(Block(statuses_table(report.models)))
    found.append(Section(title="Samples", blocks=tuple(samples), browsed=True))
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


def _models_section(report: Report) -> Section:
    models = report.models
    blocks = [Block(models_table(models))]
    blocks += [Block(table) for table in map(samples_figures, models) if table is not None]
    if len(models) > 1:
        caption = "Accuracy by model with 95 percent intervals"
        draw = Figure.drawn("accuracy", caption, lambda form: accuracy_figure(models, form))
        blocks.append(Block(figure=draw))
    verdicts = Figure.drawn(
        "verdicts", "Kinds of verdict by model", lambda form: verdicts_figure(models, form)
    )
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
            _groups_block(
                "by_steps", "By number of steps", "steps", evaluation.by_steps(), "steps"
            ),
            _groups_block("by_expert", "By expert", expert, evaluation.by_expert(), "expert"),
            *_doubts_blocks(evaluation),
        ),
    )


def _doubts_blocks(evaluation: Evaluation) -> list[Block]:
    """Valid traces by what speaks against them, where that is known."""
    groups = evaluation.by_doubt()
    title = "Valid traces by what speaks against them"
    return [_groups_block("by_doubt", title, "doubt", groups, "doubt")] if groups else []


def _failures_section(evaluation: Evaluation) -> Section:
    blocks = [Block(outcomes_table(evaluation), facet="verdict")]
    counts = evaluation.diagnoses()
    if counts:
        caption = "Predictions by class of failure"
        figure = Figure.drawn("diagnoses", caption, lambda form: diagnoses_figure(counts, form))
        blocks.append(Block(failures_table(evaluation), figure, facet="diagnosis"))
        blocks.append(Block(categories_table(evaluation)))
    if covered := evaluation.by_coverage():
        blocks.append(_groups_block("by_coverage", "By coverage of the schemas", "class", covered))
    return Section(title="How it fails", blocks=tuple(blocks))


def _examples_section(evaluation: Evaluation) -> Section:
    blocks = tuple(Block(example=example) for example in failure_examples(evaluation))
    return Section(title="An example of each failure", blocks=blocks, browsed=True)


def _sizes_section(evaluation: Evaluation) -> Section:
    caption = "Accuracy over the first n problems with 95 percent intervals"
    figure = Figure.drawn("sample_size", caption, lambda form: sample_size_figure(evaluation, form))
    return Section(
        title="How much the sample says",
        paragraphs=(_width_sentence(evaluation),),
        blocks=(Block(sizes_table(evaluation, PREFIXES)), Block(figure=figure)),
    )


def _width_sentence(evaluation: Evaluation) -> str:
    whole = evaluation.correct
    width = 100 * (whole.interval.high - whole.interval.low)
    text = f"Over {whole.total:,} problems the interval is {width:.1f} points wide."
    for size in (size for size in PREFIXES if size < whole.total):
        part = evaluation.first(size).correct
        off = 100 * (part.rate - whole.rate)
        text += (
            f" The first {size} alone would have said {100 * part.rate:.1f} percent, "
            f"{abs(off):.1f} points too {'high' if off > 0 else 'low'}."
            if abs(off) >= 0.05
            else f" The first {size} alone would have said the same."
        )
    return text


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


def _forgetting_section(forgetting: Forgetting) -> Section:
    left_out = "The base model has no chat template, so only general text was scored."
    return Section(
        title="What training cost elsewhere",
        paragraphs=() if forgetting.chat else (left_out,),
        blocks=(Block(forgetting.table()),),
    )


def _groups_block(
    name: str, title: str, axis: str, groups: tuple[Group, ...], facet: str = ""
) -> Block:
    caption = f"{title}: accuracy with 95 percent intervals"
    figure = None
    if groups:
        figure = Figure.drawn(name, caption, lambda form: groups_figure(groups, title, axis, form))
    return Block(groups_table(title, axis, groups), figure, facet=facet)
