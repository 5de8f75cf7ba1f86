"""``outputs``, ``rescore``: what a model wrote, published without questions and judged anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from msgspec.structs import replace

from trace_pipeline.validation import InvalidInputError

if TYPE_CHECKING:
    from trace_pipeline.evaluation import Evaluation
    from trace_pipeline.evaluation.sampled import Sampled


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--experiment",
    "name",
    envvar="TRACE_PIPELINE_EXPERIMENT",
    default="quickstart",
    show_default=True,
    help="Whose last evaluation it is.",
)
@click.option(
    "--completions",
    type=click.Path(path_type=Path),
    help="What `python -m trace_pipeline.modeling.decode` wrote, in place of an evaluation here.",
)
@click.option(
    "--checkpoint", type=click.Path(path_type=Path), help="The folder of the model that wrote them."
)
@click.option(
    "--part",
    type=click.Choice(["test", "validation"]),
    default="test",
    show_default=True,
    help="With --completions: of the test set, or of the training problems that are held out "
    "(validation.jsonl of the experiment's gsm8k_train_traces).",
)
def outputs(
    target: Path,
    name: str,
    completions: Path | None,
    checkpoint: Path | None,
    part: Literal["test", "validation"],
) -> None:
    """Write the completions of an evaluation on real problems to TARGET (.jsonl.gz).

    The file has no question and no answer of a problem, only its index.
    """
    from trace_pipeline.pipeline.publishing import publish_decoded, publish_outputs
    from trace_pipeline.pipeline.resources import bench_of

    if completions is None and checkpoint is None:
        if part != "test":
            raise click.UsageError("--part goes with --completions: gsm8k_eval is about the test")
        click.echo(publish_outputs(bench_of(name), target))
    elif completions is None or checkpoint is None:
        raise click.UsageError("--completions and --checkpoint go together; give both")
    else:
        held_out = bench_of(name) if part == "validation" else None
        click.echo(publish_decoded(name, completions, checkpoint, target, held_out))


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--gsm8k",
    type=click.Choice(["auto", "folder", "hub", "builtin"]),
    default="auto",
    show_default=True,
    help="Where the problems are.",
)
@click.option(
    "--part",
    type=click.Choice(["test", "validation"]),
    default="test",
    show_default=True,
    help="Whether the file is about the test set or about held-out training problems.",
)
@click.option(
    "--answer",
    "answerings",
    type=click.Choice(["first", "majority", "plausible", "probable"]),
    multiple=True,
    default=["first"],
    show_default=True,
    help="Which of several samples is a problem's answer (eval.answer of an experiment). "
    "Can be given several times.",
)
@click.option("--diagnose", is_flag=True, help="Also say where they are right and how they fail.")
@click.option("--mlflow", is_flag=True, help="Also record each as a run in MLflow, to compare.")
@click.option(
    "--figure",
    type=click.Path(path_type=Path),
    help="Also draw the accuracies, below the notebook's best, as this file (.png or .svg).",
)
def rescore(
    sources: tuple[Path, ...],
    gsm8k: Literal["auto", "folder", "hub", "builtin"],
    part: Literal["test", "validation"],
    answerings: tuple[Literal["first", "majority", "plausible", "probable"], ...],
    diagnose: bool,
    mlflow: bool,
    figure: Path | None,
) -> None:
    """Let the solver judge the completions in SOURCES anew, and print the figures.

    Those after the first are compared with it.
    """
    from trace_pipeline.evaluation import (
        compare,
        failures_table,
        groups_table,
        models_table,
        read_outputs,
        real_benchmark,
        rescore_each,
        shapes_table,
        with_reference_traces,
    )
    from trace_pipeline.gsm8k import load_problems
    from trace_pipeline.solver import Solver

    draw = _drawing(figure) if figure else None
    problems = load_problems(gsm8k, "test" if part == "test" else "train")
    benchmark = real_benchmark(problems)
    if diagnose:
        # Converting a solution takes its time: held-out problems are a tenth of their split.
        answered = {one.index for source in sources for one in read_outputs(source)[1]}
        items = tuple(item for item in benchmark.items if item.index in answered)
        benchmark = replace(benchmark, items=items)
        benchmark = with_reference_traces(benchmark, problems.problems)
    solver = Solver()
    found: list[Evaluation] = []
    sampled: dict[str, Sampled] = {}
    files: list[Path] = []
    for source in sources:
        judged = rescore_each(source, benchmark, solver, list(dict.fromkeys(answerings)))
        found += judged
        files += [source] * len(judged)
        if judged[0].sampled is not None:  # whichever of them answers, they are the same
            sampled[str(source)] = judged[0].sampled
    click.echo(f"{benchmark.name}: {benchmark.source}")
    click.echo(models_table(found).to_text())
    for name, samples in sampled.items():
        rows = ", ".join(" ".join(row) for row in samples.rows())
        click.echo(f"{name}, {samples.described}: {rows}")
    for evaluation in found[1:]:
        click.echo(compare(found[0], evaluation, common=True).sentence())
    for evaluation in found if diagnose else ():
        click.echo(f"\n{evaluation.model}, by the steps of the reference:")
        click.echo(groups_table("", "steps", evaluation.by_steps()).to_text())
        if doubted := evaluation.by_doubt():
            click.echo(f"\n{evaluation.model}, by what speaks against a valid trace:")
            click.echo(groups_table("", "doubt", doubted).to_text())
        click.echo(f"\n{evaluation.model}, failures:")
        click.echo(failures_table(evaluation).to_text())
        if part == "validation":  # what is added to the training data is not chosen by the test
            click.echo(f"\n{evaluation.model}, computations that fail most often:")
            click.echo(shapes_table(evaluation).to_text())
    if draw:
        draw(found)
    if mlflow:
        _record(list(zip(files, found, strict=True)))


def _drawing(target: Path) -> Callable[[list[Evaluation]], None]:
    """What draws accuracies as ``target``; refused before anything is judged."""
    from trace_pipeline.evaluation import accuracy_figure
    from trace_pipeline.evaluation.figures import Form
    from trace_pipeline.evaluation.reference import load_reference
    from trace_pipeline.store import write_atomic

    forms: dict[str, Form] = {".png": "png", ".svg": "svg"}
    form = forms.get(target.suffix.lower())
    if form is None:
        raise click.UsageError(f"--figure {target}: expected a file that ends in .png or .svg")
    if not target.absolute().parent.is_dir():
        raise click.UsageError(f"--figure {target}: there is no folder {target.parent}")

    def draw(found: list[Evaluation]) -> None:
        write_atomic(target, accuracy_figure(found, form, load_reference().best()))
        click.echo(f"{target}: {len(found)} accuracies")

    return draw


def _record(found: list[tuple[Path, Evaluation]]) -> None:
    from trace_pipeline.paths import project_root
    from trace_pipeline.pipeline.published import record_published
    from trace_pipeline.pipeline.resources import ArtifactsResource, TrackingResource

    tracking = TrackingResource().tracking()
    folder = ArtifactsResource().store().local_folder("published/tracking")
    there, missing = record_published(found, folder, project_root() / "experiments", tracking)
    if missing:
        raise InvalidInputError(
            f"MLflow at {tracking.shown} did not take {missing} of the {there + missing} runs; "
            "start it, or set MLFLOW_TRACKING_URI, and send them with: trace-pipeline sync"
        )
    click.echo(f"{there} runs are in MLflow, tagged stage = published; look with: make mlflow")


COMMANDS = [outputs, rescore]
