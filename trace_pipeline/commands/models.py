"""``ask``, ``export``: the trained model on a problem of one's own, and as a plain folder."""

from __future__ import annotations

from pathlib import Path

import click

_experiment = click.option(
    "--experiment",
    "name",
    envvar="TRACE_PIPELINE_EXPERIMENT",
    default="quickstart",
    show_default=True,
    help="Whose trained model it is.",
)


@click.command()
@click.argument("problem", required=False)
@_experiment
@click.option(
    "--samples",
    type=click.IntRange(1, 128),
    help="Traces to draw; the most frequent answer of the least doubtful ones counts. "
    "By default as the experiment evaluates where that is a vote, else 1, which is greedy.",
)
@click.option("--page", is_flag=True, help="Ask on a local web page instead.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8501, show_default=True, help="Of the page."
)
def ask(problem: str | None, name: str, samples: int | None, page: bool, port: int) -> None:
    """Let the trained model write a trace for PROBLEM, and the solver execute it."""
    if page == (problem is not None):
        raise click.UsageError("give either a PROBLEM or --page")
    if page and samples:
        raise click.UsageError("--samples goes with a PROBLEM; the page asks for them itself")
    if problem is None:
        from trace_pipeline.pipeline.ask_page import serve

        serve(name, port)
        return
    from trace_pipeline.pipeline.asking import answer
    from trace_pipeline.pipeline.resources import bench_of

    found = answer(bench_of(name), problem, samples)
    click.echo(found.completion.rstrip())
    click.echo()
    for line in found.steps:
        click.echo(line)
    click.echo(found.conclusion)
    for doubt in found.doubts:
        click.echo(f"doubtful: {doubt}")
    if not found.solved:
        raise SystemExit(1)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@_experiment
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    help="What the commands of trace_pipeline.modeling made, in place of the artifact.",
)
@click.option(
    "--outputs",
    type=click.Path(path_type=Path),
    multiple=True,
    help="With --checkpoint: a published file of what it wrote, for the card. May be repeated.",
)
def export(folder: Path, name: str, checkpoint: Path | None, outputs: tuple[Path, ...]) -> None:
    """Write the trained model to FOLDER as plain transformers files, with its card."""
    from trace_pipeline.pipeline.exporting import export_bare, export_model
    from trace_pipeline.pipeline.resources import bench_of

    bench = bench_of(name)
    if checkpoint is not None:
        click.echo(export_bare(bench, checkpoint, folder, outputs))
        return
    if outputs:
        raise click.UsageError("--outputs goes with --checkpoint")
    click.echo(export_model(bench, folder))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@_experiment
def pack(folder: Path, name: str) -> None:
    """Make the data of EXPERIMENT, and write to FOLDER all that another host needs to train it.

    A script in FOLDER trains there, and lets the trained model answer the test questions. What the
    experiment goes on from (sft.continues) is trained there first, if it was not trained here.
    """
    from trace_pipeline.definitions import defs
    from trace_pipeline.pipeline.elsewhere import DATA_ASSETS, pack, require_packable
    from trace_pipeline.pipeline.resources import bench_of
    from trace_pipeline.pipeline.running import run_pipeline, untrained_parents

    target = folder.absolute()
    parents = untrained_parents(name, defs)
    require_packable(target, [bench_of(member) for member in [*parents, name]])
    for member in [*parents, name]:
        click.echo(run_pipeline(member, defs, 1, *DATA_ASSETS))
    click.echo(pack(bench_of(name), target, [bench_of(parent) for parent in parents]))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@_experiment
def bring(folder: Path, name: str) -> None:
    """Take the checkpoints that the script of `pack` made in FOLDER into EXPERIMENT.

    Those of experiments that it goes on from are taken into these; of all but the last
    weights.safetensors may be left there. The next run takes them over in place of training, if
    settings, base model and data are the same.
    """
    from trace_pipeline.definitions import defs
    from trace_pipeline.pipeline.elsewhere import bring
    from trace_pipeline.pipeline.resources import bench_of
    from trace_pipeline.pipeline.running import untrained_parents

    parents = [bench_of(parent) for parent in untrained_parents(name, defs)]
    click.echo(bring(bench_of(name), folder, parents))


COMMANDS = [ask, export, pack, bring]
