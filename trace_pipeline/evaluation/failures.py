"""How an evaluation's predictions fail: counts by class, and examples side by side."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

from trace_pipeline.evaluation.diagnosis import Category
from trace_pipeline.evaluation.scoring import Evaluation, Prediction
from trace_pipeline.evaluation.statistics import Proportion
from trace_pipeline.evaluation.tables import Table, interval, percent
from trace_pipeline.solver.graph import computation_graph
from trace_pipeline.solver.graph_shape import shape
from trace_pipeline.traces import format_number, parse_trace

UNDIAGNOSED = "not diagnosed"
"""Wrong answers to problems without a reference trace."""
OUTSIDE = "none of the five"
"""Failures that the notebook counted apart: faults of form, and what is not diagnosed."""


def failures_table(evaluation: Evaluation) -> Table:
    """How often each diagnosis was made among the wrong predictions, most frequent first.

    Wrong predictions that could not be diagnosed stand last, so that the rows add up.
    """
    counts = evaluation.diagnoses()
    wrong = _wrong(evaluation)
    undiagnosed = sum(p.diagnosis is None for p in wrong)
    if undiagnosed:
        counts |= {UNDIAGNOSED: undiagnosed}
    return _shares("How predictions fail", "diagnosis", counts, len(wrong))


def categories_table(evaluation: Evaluation) -> Table:
    """The wrong predictions by the notebook's five categories (NOTEBOOK, run 19)."""
    wrong = _wrong(evaluation)
    counts = {str(c): sum(p.category == c for p in wrong) for c in Category}
    counts |= {OUTSIDE: sum(p.category is None for p in wrong)}
    return _shares("The notebook's categories", "category", counts, len(wrong))


def shapes_table(evaluation: Evaluation, most: int = 20) -> Table:
    """The computations that fail most often: what to write schemas, variants or contrasts for.

    A shape is the reference's computation without names and values: ``(a - b) * c``. Problems
    without a reference trace are left out.
    """
    groups: dict[str, list[Prediction]] = {}
    for prediction in evaluation.predictions:
        if prediction.reference_trace:
            graph = computation_graph(parse_trace(prediction.reference_trace))
            groups.setdefault(shape(graph), []).append(prediction)
    failing = {own: [p for p in group if not p.correct] for own, group in groups.items()}
    ordered = sorted((own for own in groups if failing[own]), key=lambda x: (-len(failing[x]), x))
    rows = []
    for own in ordered[:most]:
        counts = Counter(p.diagnosis or UNDIAGNOSED for p in failing[own])
        said = ", ".join(f"{label} {count}" for label, count in counts.most_common(2))
        rows.append((own, str(len(groups[own])), str(len(failing[own])), said))
    return Table(
        "Which computations fail", ("computation", "problems", "wrong", "mostly"), tuple(rows)
    )


def _shares(title: str, name: str, counts: Mapping[str, int], total: int) -> Table:
    rows = []
    for label, count in counts.items():
        share = Proportion(count, total)
        rows.append((label, str(count), percent(share), interval(share)))
    columns = (name, "count", "share of failures", "95 % interval")
    return Table(title, columns, tuple(rows))


def _wrong(evaluation: Evaluation) -> list[Prediction]:
    return [p for p in evaluation.predictions if not p.correct]


class FailureExample(Struct, frozen=True):
    """One wrong prediction beside the reference trace."""

    prediction: Prediction

    @property
    def title(self) -> str:
        """The class, the problem's index and what the trace computed."""
        found = self.prediction
        return f"{found.diagnosis}: problem {found.index}, {found.status}"

    def to_markdown(self) -> str:
        """Question, explanation and both traces in two columns, in GitHub's Markdown."""
        found = self.prediction
        question = html.escape(" ".join(found.question.split()))
        cells = "".join(
            f"\n<td>\n\n{_fenced(text)}\n\n</td>" for text in (found.completion, self._reference)
        )
        return (
            f"**{self.title}**\n\n> {question} (gold {format_number(found.gold)})\n\n"
            f"{html.escape(found.explanation)}\n\n"
            f"<table>\n<tr><th>predicted</th><th>reference</th></tr>\n<tr>{cells}\n</tr>\n</table>"
        )

    @property
    def _reference(self) -> str:
        return self.prediction.reference_trace or self.prediction.reference


def failure_examples(evaluation: Evaluation, each: int = 1) -> tuple[FailureExample, ...]:
    """The first ``each`` predictions of every class, the most frequent class first."""
    wrong = _wrong(evaluation)
    return tuple(
        FailureExample(prediction)
        for name in evaluation.diagnoses()
        for prediction in [p for p in wrong if p.diagnosis == name][:each]
    )


def examples_markdown(examples: Iterable[FailureExample]) -> str:
    """Several examples one below the other."""
    return "\n\n---\n\n".join(example.to_markdown() for example in examples)


def _fenced(text: str) -> str:
    """A code block that ``text`` cannot end."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}yaml\n{text.rstrip()}\n{fence}"
