"""A report as one self-contained page.

Everything is in the file: style, scripts, plots, predictions. Its policy forbids any request.
"""

from __future__ import annotations

import base64
import html
from importlib import resources
from string import Template

import msgspec

from trace_pipeline.evaluation.page.plots import inline_svg
from trace_pipeline.evaluation.page.records import browsed
from trace_pipeline.evaluation.report import Block, Figure, Report, Section, sections
from trace_pipeline.evaluation.scoring import Evaluation
from trace_pipeline.evaluation.statistics import Proportion

SCRIPTS = ("facets.js", "list.js", "detail.js", "page.js")
"""In the order in which they stand in the page; all share one scope."""


def render_html(report: Report, parts: tuple[Section, ...] | None = None) -> str:
    """The report as one self-contained page with a browser of all predictions."""
    evaluation = report.evaluation
    shown = [part for part in parts or sections(report) if not part.browsed]
    return Template(_file("page.html")).substitute(
        title=html.escape(report.title),
        subtitle=html.escape(f"{evaluation.model} on {evaluation.benchmark}"),
        accuracy=f"{100 * evaluation.correct.rate:.1f} %",
        interval=_interval(evaluation.correct),
        count=f"{evaluation.correct.count:,} of {evaluation.total:,} problems solved",
        bars="".join(_bar(model, model is evaluation) for model in report.models),
        figures="".join(
            f"<div><dt>{name}</dt><dd>{100 * share.rate:.1f} %</dd></div>"
            for name, share in (
                ("valid", evaluation.valid),
                ("parsed", evaluation.parsed),
                ("clipped", evaluation.clipped),
            )
        ),
        source=html.escape(evaluation.source),
        cautions="".join(
            f'<p class="caution"><strong>Caution.</strong> {html.escape(c.text)}</p>'
            for c in report.cautions
        ),
        contents="".join(
            f'<li><a href="#section-{place}">{html.escape(part.title)}</a></li>'
            for place, part in enumerate(shown)
        ),
        sections="".join(_section(place, part) for place, part in enumerate(shown)),
        predictions=script_json(browsed(report)),
        style=_file("page.css"),
        script="\n".join(_file(name) for name in SCRIPTS),
    )


def script_json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    text = msgspec.json.encode(value).decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _bar(evaluation: Evaluation, own: bool) -> str:
    """The interval on a line from 0 to 100 percent, with the accuracy as a dot."""
    bounds, share = evaluation.correct.interval, 100 * evaluation.correct.rate
    left, width = 100 * bounds.low, 100 * (bounds.high - bounds.low)
    name = html.escape(evaluation.model)
    label = html.escape(f"{evaluation.model}: {evaluation.correct}")
    return (
        f'<div class="bar{" own" if own else ""}"><span class="name">{name}</span>'
        f'<span class="track" role="img" aria-label="{label}" title="{label}">'
        f'<span class="range" style="left:{left:.2f}%;width:{width:.2f}%"></span>'
        f'<span class="dot" style="left:{share:.2f}%"></span></span></div>'
    )


def _interval(share: Proportion) -> str:
    low, high = 100 * share.interval.low, 100 * share.interval.high
    return f"95 % interval {low:.1f} to {high:.1f} %"


def _section(place: int, part: Section) -> str:
    paragraphs = "".join(f"<p>{html.escape(text)}</p>" for text in part.paragraphs)
    blocks = "".join(map(_block, part.blocks))
    title = html.escape(part.title)
    return (
        f'<section id="section-{place}"><h2>{title}</h2>{paragraphs}'
        f'<div class="blocks">{blocks}</div></section>'
    )


def _block(block: Block) -> str:
    shown = ""
    if block.table:
        heading = html.escape(block.table.title)
        table = block.table.to_html(block.facet)
        shown += f'<div class="table"><h3>{heading}</h3>{table}</div>'
    if block.figure:
        shown += f'<figure class="plot">{_picture(block.figure)}</figure>'
    kind = "wide" if block.table else "narrow"
    return f'<div class="block {kind}">{shown}</div>'


def _picture(figure: Figure) -> str:
    if figure.svg:
        return inline_svg(figure.svg, figure.caption)
    data = base64.b64encode(figure.png).decode()
    return f'<img alt="{html.escape(figure.caption)}" src="data:image/png;base64,{data}">'


def _file(name: str) -> str:
    folder = resources.files("trace_pipeline.evaluation") / "page"
    return (folder / name).read_text(encoding="utf-8")
