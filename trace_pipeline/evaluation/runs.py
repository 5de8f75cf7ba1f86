"""Runs of experiments side by side, and two of them against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from trace_pipeline.evaluation.comparison import Comparison, compare, shared_problems
from trace_pipeline.evaluation.reference import PublishedShare, ReferenceRun
from trace_pipeline.evaluation.report import Block, Section
from trace_pipeline.evaluation.scoring import Evaluation, Group, Prediction
from trace_pipeline.evaluation.statistics import Proportion
from trace_pipeline.evaluation.tables import Table, interval, percent
from trace_pipeline.experiment import differences
from trace_pipeline.traces import format_number
from trace_pipeline.validation import InvalidInputError

NOTHING = "–"

SHOWN_PROBLEMS = 20
"""Problems won or lost whose texts a comparison shows."""


class Run(Struct, frozen=True, kw_only=True):
    """A finished experiment: its settings and what its model did."""

    name: str
    base_model: str
    """Reference of the base model."""
    base_sha256: str
    settings: dict[str, str]
    """``section.field`` -> text."""
    synthetic: Evaluation | None = None
    real: Evaluation | None = None
    tracked: str = NOTHING
    """Id of its MLflow run."""

    @property
    def answering(self) -> list[str]:
        """How its answers were chosen of several completions, as :func:`answerer` says it."""
        found = (e.model.partition(", ")[2] for e in (self.synthetic, self.real) if e is not None)
        return [how for how in dict.fromkeys(found) if how]

    @property
    def evaluations(self) -> dict[str, Evaluation]:
        """By what was answered, named as this run."""
        both = {"synthetic problems": self.synthetic, "real problems": self.real}
        return {name: replace(e, model=self.name) for name, e in both.items() if e is not None}


class Pair(Struct, frozen=True, kw_only=True):
    """Two runs that may be compared, and on what."""

    first: Run
    second: Run
    common: bool

    def sections(self) -> list[Section]:
        """Which settings differ; then for each kind of problems, what changed."""
        first, second = self.first, self.second
        found = [
            Section(
                title=f"{second.name} against {first.name}",
                blocks=(Block(settings_table(first, second)),),
            )
        ]
        for name, evaluation in first.evaluations.items():
            other = second.evaluations.get(name)
            if other is None:
                continue
            try:
                before, after = shared_problems(evaluation, other, self.common)
            except InvalidInputError as error:
                found.append(Section(title=name.capitalize(), paragraphs=(f"{error}.",)))
                continue
            found.append(_on_problems(name, before, after))
        return found


def pair(first: Run, second: Run, common: bool = False) -> Pair:
    """Two runs of one base model on the same problems, or with ``common`` what they share.

    Raises:
        InvalidInputError: the base model, the kind of problems or the problems themselves
            differ; the message names all that does.
    """
    differ = []
    if (first.base_model, first.base_sha256) != (second.base_model, second.base_sha256):
        differ.append(
            f"base model: {first.base_model} ({first.base_sha256[:12]}) and "
            f"{second.base_model} ({second.base_sha256[:12]})"
        )
    ours, theirs = first.evaluations, second.evaluations
    shared = 0
    for name in dict.fromkeys((*ours, *theirs)):
        if name not in ours or name not in theirs:
            missing = second.name if name in ours else first.name
            differ.append(f"{name}: {missing} has not answered any")
            continue
        text, count = _difference(ours[name], theirs[name])
        shared += count
        if text:
            differ.append(f"{name}: {text}")
    title = f"{first.name} and {second.name}"
    if not shared:
        raise InvalidInputError(
            f"{title} have no problem in common, so nothing can be compared:\n  "
            + "\n  ".join(differ)
        )
    if differ and not common:
        raise InvalidInputError(
            f"{title} differ in more than their settings:\n  "
            + "\n  ".join(differ)
            + "\ncompare what they have in common with --common, or evaluate both on the same "
            "problems (data.held_out and eval.problems in experiments/)"
        )
    return Pair(first=first, second=second, common=common)


def runs_table(runs: Sequence[Run], references: Sequence[ReferenceRun] = ()) -> Table:
    """One row a run: synthetic and real accuracy with intervals, parsed and valid.

    A vote says that it is one. The notebook's synthetic figures are over examples that were
    trained on.
    """
    rows: list[tuple[str, ...]] = [
        (
            run.name,
            ", ".join((run.base_model, *run.answering)),
            *_cells(run.synthetic),
            *_cells(run.real),
            run.real.benchmark if run.real else NOTHING,
            run.tracked,
        )
        for run in runs
    ]
    rows += [_reference_row(run) for run in references]
    columns = (
        "run",
        "model or change",
        "synthetic",
        "accuracy",
        "parsed",
        "real",
        "accuracy",
        "parsed",
        "of",
        "MLflow run",
    )
    return Table("Runs", columns, tuple(rows))


def settings_table(first: Run, second: Run) -> Table:
    """The settings in which two runs differ."""
    rows = tuple((d.field, d.first, d.second) for d in differences(first.settings, second.settings))
    return Table("Settings that differ", ("setting", first.name, second.name), rows)


def hardest_table(runs: Sequence[Run], count: int = 20) -> Table:
    """Real problems that all runs answered, those first that the most of them got wrong."""
    answered = [run for run in runs if run.real is not None]
    known = [{p.question: p for p in run.real.predictions} for run in answered if run.real]
    shared = [q for q in (known[0] if known else {}) if all(q in other for other in known)]
    wrong = {q: sum(not other[q].correct for other in known) for q in shared}
    chosen = sorted((q for q in shared if wrong[q]), key=lambda q: (-wrong[q], known[0][q].index))
    rows = tuple(
        (
            str(known[0][question].index),
            question,
            format_number(known[0][question].gold),
            f"{wrong[question]} of {len(known)}",
            *(other[question].status for other in known),
        )
        for question in chosen[:count]
    )
    columns = ("index", "question", "gold", "wrong", *(run.name for run in answered))
    return Table("The same problems wrong, run by run", columns, rows)


def failure_class(prediction: Prediction) -> str:
    """The diagnosis where there is one, else the solver's verdict."""
    return prediction.diagnosis or prediction.outcome


def _difference(first: Evaluation, second: Evaluation) -> tuple[str, int]:
    """What differs between the problems of two evaluations, and how many are the same."""
    try:
        ours, _ = shared_problems(first, second, common=True)
    except InvalidInputError:
        ours = replace(first, predictions=())
    if (first.kind, first.benchmark) == (second.kind, second.benchmark):
        if first.fingerprint == second.fingerprint:
            return "", ours.total
        named = f"{first.total} and {second.total} of {first.benchmark}"
    else:
        named = f"{first.total} of {first.benchmark} and {second.total} of {second.benchmark}"
    return f"{named}, {ours.total} of them the same", ours.total


def _on_problems(name: str, before: Evaluation, after: Evaluation) -> Section:
    verdict = compare(before, after)
    return Section(
        title=name.capitalize(),
        paragraphs=(verdict.sentence(),),
        blocks=(
            Block(_groups(f"{name}, by expert", verdict, before.by_expert(), after.by_expert())),
            Block(_groups(f"{name}, by steps", verdict, before.by_steps(), after.by_steps())),
            Block(_failures(name, before, after)),
            Block(_problems(f"{name}, won by {after.model}", before, after, verdict.won)),
            Block(_problems(f"{name}, lost by {after.model}", before, after, verdict.lost)),
        ),
    )


def _groups(
    title: str, verdict: Comparison, before: Sequence[Group], after: Sequence[Group]
) -> Table:
    ours, theirs = ({group.name: group.correct for group in groups} for groups in (before, after))
    rows = []
    for name in dict.fromkeys((*ours, *theirs)):
        one, two = ours.get(name, Proportion(0, 0)), theirs.get(name, Proportion(0, 0))
        points = f"{100 * (two.rate - one.rate):+.1f}" if one.total and two.total else NOTHING
        rows.append((name, f"{one.count} of {one.total}", f"{two.count} of {two.total}", points))
    return Table(title, ("group", verdict.first, verdict.second, "points"), tuple(rows))


def _failures(name: str, before: Evaluation, after: Evaluation) -> Table:
    ours, theirs = (
        Counter(failure_class(p) for p in e.predictions if not p.correct) for e in (before, after)
    )
    classes = sorted({*ours, *theirs}, key=lambda key: (-ours[key] - theirs[key], key))
    rows = tuple(
        (key, str(ours[key]), str(theirs[key]), f"{theirs[key] - ours[key]:+d}") for key in classes
    )
    columns = ("failure", before.model, after.model, "change")
    return Table(f"{name}, how predictions fail", columns, rows)


def _problems(title: str, before: Evaluation, after: Evaluation, indices: Sequence[int]) -> Table:
    earlier = {p.question: p for p in before.predictions}
    chosen = [p for p in after.predictions if p.index in set(indices)]
    rows = tuple(
        (
            str(p.index),
            p.question,
            format_number(p.gold),
            earlier[p.question].status,
            p.status,
        )
        for p in chosen[:SHOWN_PROBLEMS]
    )
    more = len(chosen) - len(rows)
    heading = f"{title}: {len(chosen)}" + (f", the first {len(rows)}" if more else "")
    return Table(heading, ("index", "question", "gold", before.model, after.model), rows)


def _cells(evaluation: Evaluation | None) -> tuple[str, str, str]:
    if evaluation is None or not evaluation.total:
        return (NOTHING, NOTHING, NOTHING)
    correct = evaluation.correct
    return (
        f"{correct.count} of {correct.total}",
        f"{percent(correct)} ({interval(correct)})",
        percent(evaluation.parsed),
    )


def _reference_row(run: ReferenceRun) -> tuple[str, ...]:
    stage = run.final or run.sft
    sample = run.gsm8k[-1] if run.gsm8k else None
    real = (NOTHING, NOTHING, NOTHING)
    if sample:
        parsed = NOTHING
        if sample.parsed is not None:
            parsed = percent(Proportion(sample.parsed, sample.problems))
        shown = f"{percent(sample.accuracy)} ({interval(sample.accuracy)})"
        real = (f"{sample.correct} of {sample.problems}", shown, parsed)
    synthetic = (NOTHING, NOTHING, NOTHING)
    if stage:
        parsed = f"{100 * stage.parsed.share:.1f} %" if stage.parsed else NOTHING
        synthetic = (*_published(stage.all), parsed)
    of = "GSM-8K test" if sample else NOTHING
    return (run.label, run.changed, *synthetic, *real, of, NOTHING)


def _published(share: PublishedShare) -> tuple[str, str]:
    counted = share.proportion
    if counted is None:
        return NOTHING, f"{100 * share.share:.1f} %"
    shown = f"{percent(counted)} ({interval(counted)})"
    return f"{counted.count} of {counted.total}", shown
