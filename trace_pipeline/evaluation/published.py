"""Our runs on GSM-8K against the notebook's small samples."""

from __future__ import annotations

from collections.abc import Sequence

from trace_pipeline.evaluation.benchmark import BenchmarkKind
from trace_pipeline.evaluation.reference import PublishedProblem, Reference, ReferenceRun
from trace_pipeline.evaluation.report import Block, Section
from trace_pipeline.evaluation.runs import NOTHING, Run
from trace_pipeline.evaluation.statistics import compare_proportions, mcnemar_exact
from trace_pipeline.evaluation.tables import Table

TEST_SPLIT = "GSM-8K test"
"""Name of the benchmark whose problems the notebook's are."""


def against_reference(
    runs: Sequence[Run], reference: Reference, chosen: Sequence[ReferenceRun]
) -> Section:
    """Each run on GSM-8K against each of the notebook's samples: can they be told apart?

    Which problems the notebook drew is known of its ten alone, so the shares are compared as
    those of different problems; on the ten, problem by problem.
    """
    ours = [run for run in runs if run.real and run.real.kind is BenchmarkKind.GSM8K]
    title = "Against the notebook's samples of GSM-8K"
    if not ours:
        none = "No run has answered problems of GSM-8K, so none is set against these."
        return Section(title=title, paragraphs=(none,))
    sentences = [
        compare_proportions(sample.accuracy, run.real.correct).sentence(published.label, run.name)
        for run in ours
        for published in chosen
        for sample in published.gsm8k[-1:]
        if run.real
    ]
    paired = [_paired(run, published, reference.problems) for run in ours for published in chosen]
    table = ten_problems_table(ours, reference, chosen)
    return Section(
        title=title,
        paragraphs=(*sentences, *(sentence for sentence in paired if sentence)),
        blocks=(Block(table),),
    )


def ten_problems_table(
    runs: Sequence[Run], reference: Reference, chosen: Sequence[ReferenceRun]
) -> Table:
    """The ten problems of the notebook's samples: status in each of its runs and in ours."""
    published = [run for run in chosen if any(sample.statuses for sample in run.gsm8k)]
    statuses = [{k: v for s in run.gsm8k for k, v in s.statuses.items()} for run in published]
    answered = [_statuses(run) for run in runs]
    rows = tuple(
        (
            problem.title,
            str(problem.gold),
            *(known.get(key, NOTHING) for known in statuses),
            *(
                NOTHING if problem.index is None else a.get(problem.index, NOTHING)
                for a in answered
            ),
        )
        for key, problem in reference.problems.items()
    )
    columns = ("problem", "gold", *(run.label for run in published), *(run.name for run in runs))
    shown = published or any(answered)
    return Table("The notebook's ten problems", columns, rows if shown else ())


def _statuses(run: Run) -> dict[int | None, str]:
    """Status by line of GSM-8K's test split; a problem that is not there has none."""
    if run.real is None or run.real.benchmark != TEST_SPLIT:
        return {}
    return {p.index: p.status for p in run.real.predictions}


def _paired(run: Run, published: ReferenceRun, problems: dict[str, PublishedProblem]) -> str | None:
    """The exact test on those of the ten problems whose status both published and we have."""
    answered = _statuses(run)
    pairs = [
        (status == "correct", answered[index] == "correct")
        for sample in published.gsm8k
        for key, status in sample.statuses.items()
        if (index := problems[key].index) is not None and index in answered
    ]
    if not pairs:
        return None
    before, after = [a for a, _ in pairs], [b for _, b in pairs]
    test = mcnemar_exact(before, after)
    return (
        f"On {len(pairs)} problems whose outcome {published.label} gives, it solves {sum(before)} "
        f"and {run.name} {sum(after)}: {test.only_second} won, {test.only_first} lost, exact "
        f"McNemar p = {test.p_value:.2g}."
    )
