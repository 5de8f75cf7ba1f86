"""``convert-gsm8k``: annotated problems as verified traces."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import click

from trace_pipeline.validation import InvalidInputError


@click.command("convert-gsm8k")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--experts",
    type=click.Choice(["arithmetic", "fitting"]),
    default="arithmetic",
    show_default=True,
    help="fitting: percent, rate and comparison structure goes to the expert that has it.",
)
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True)
def convert_gsm8k(source: Path, target: Path, experts: str, processes: int) -> None:
    """Turn the annotated solutions of SOURCE into traces: JSON lines in TARGET.

    SOURCE holds {question, answer} lines in GSM-8K's format, or is a .txt file as in
    word_problems/. Each line of TARGET has question,
    trace, answer, index, confidence, grounded; what does not reach its gold answer is left out
    and counted.
    """
    from trace_pipeline.gsm8k.conversion import Policy, convert_file
    from trace_pipeline.modeling.progress import Progress

    with ExitStack() as stack:

        def begin(total: int) -> Callable[[int], None]:
            return stack.enter_context(Progress(source.name, total, "problems")).update

        report = convert_file(source, target, Policy(experts), processes, begin)
    for rejected in report.rejected:
        click.echo(f"{source}: line {rejected.line}: {rejected.reason}", err=True)
    click.echo(report.describe())


@click.command("word-problems")
@click.argument("collections", nargs=-1)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A file in GSM-8K's format: how near any question comes to one of it. May be repeated.",
)
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True)
def word_problems(collections: tuple[str, ...], against: tuple[Path, ...], processes: int) -> None:
    """Check COLLECTIONS of word_problems/ (all if none is named) before they are trained on.

    Says by file and line what cannot be read, what reaches no trace or no sure one, and what tells
    another one's story again. Exit status 1 if there is anything to mend.
    """
    from trace_pipeline.gsm8k.loading import load_problem_file
    from trace_pipeline.gsm8k.overlap import GRAM, find_overlaps
    from trace_pipeline.gsm8k.word_problem_check import check_word_problems, nearest
    from trace_pipeline.gsm8k.word_problems import FOLDER, collections_of, read_word_problems
    from trace_pipeline.modeling.progress import Progress
    from trace_pipeline.paths import project_root

    folder = project_root() / FOLDER
    names = tuple(_collection(name, folder) for name in collections) or collections_of(folder)
    if not names:
        raise InvalidInputError(f"{folder}: no collection of word problems, that is, no folder")
    written = read_word_problems(folder, names)
    questions = [problem.question for problem in written.problems]
    for path in against if questions else ():
        others = [problem.question for problem in load_problem_file(path).problems]
        shared = len(find_overlaps(questions, others).train_indices)
        click.echo(f"{path.name}: {shared} share {GRAM} words in a row with one of {len(others):,}")
        share, mine, other = nearest(questions, others)
        click.echo(f"  nearest, {share:.1%} of their runs of four words: {written.places[mine]}")
        click.echo(f"  {questions[mine]}\n  {others[other]}")
    with Progress("word problems", len(questions), "converted") as shown:
        checked = check_word_problems(written, processes, shown.update)
    for finding in checked.findings:
        click.echo(f"{FOLDER}/{finding.place}: {finding.message}", err=True)
    counts = ", ".join(f"{count:,} of {n}" for n, count in checked.operations.items()) or "none"
    click.echo(f"{', '.join(names)}: {checked.sure:,} problems to train on; operations: {counts}")
    if checked.findings:
        click.echo(f"{len(checked.findings):,} to mend", err=True)
        raise SystemExit(1)


def _collection(named: str, folder: Path) -> str:
    """The name of a collection, also of one that a shell has completed to its folder."""
    path = Path(named)
    return path.name if path.resolve().parent == folder.resolve() else named


COMMANDS = [convert_gsm8k, word_problems]
