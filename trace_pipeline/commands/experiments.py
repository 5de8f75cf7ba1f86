"""``run``, ``experiments``, ``report``, ``sync``: experiments as a whole."""

from __future__ import annotations

import click

from trace_pipeline.validation import InvalidInputError

_experiment = click.option(
    "--experiment",
    "name",
    envvar="TRACE_PIPELINE_EXPERIMENT",
    default="quickstart",
    show_default=True,
    help="A file of experiments/, without .yaml.",
)


@click.command()
@_experiment
@click.option(
    "--processes",
    type=click.IntRange(1),
    envvar="TRACE_PIPELINE_PROCESSES",
    default=1,
    show_default=True,
    help="Processes that SFT trains in; a GPU each where there are any.",
)
@click.option(
    "--until", metavar="ASSET", help="Stop after this asset, such as sft_checkpoint; default: all."
)
@click.option(
    "--retrain",
    is_flag=True,
    help="Discard what an earlier run that did not come to its end has trained and decoded.",
)
def run(name: str, processes: int, until: str | None, retrain: bool) -> None:
    """Run the whole chain of an experiment: data, SFT, RL, evaluation, report.

    What it goes on from (sft.continues, sft.average) is trained first, unless it is there. A run
    that did not come to its end goes on: what it has trained with the same settings on the same
    data is taken over, and so are snapshots and completions of what it had begun.
    """
    from trace_pipeline.experiment import load_experiment
    from trace_pipeline.paths import project_root

    load_experiment(name, project_root() / "experiments")
    from trace_pipeline.definitions import defs
    from trace_pipeline.pipeline.running import run_pipeline, untrained_parents

    again = f"trace-pipeline run --experiment {name}"
    again += f" --processes {processes}" if processes > 1 else ""
    again += f" --until {until}" if until else ""
    stop = [until] if until else []
    for parent in untrained_parents(name, defs, stop):
        click.echo(f"{name} goes on from {parent}, which has no trained model here: that first")
        ready = run_pipeline(parent, defs, processes, "rl_checkpoint", again=again, retrain=retrain)
        click.echo(ready)
    click.echo(run_pipeline(name, defs, processes, *stop, again=again, retrain=retrain))


@click.command()
@click.option(
    "--diff", "compared", nargs=2, metavar="A B", help="The settings in which A and B differ."
)
@click.option("--show", metavar="NAME", help="One experiment: what it changes, and departures.")
def experiments(compared: tuple[str, str] | None, show: str | None) -> None:
    """List the experiments, by what they inherit from; or show one, or the difference of two."""
    from trace_pipeline.experiment.listing import described, difference_text, listing
    from trace_pipeline.paths import project_root

    folder = project_root() / "experiments"
    if compared:
        click.echo(difference_text(*compared, folder))
    elif show:
        click.echo(described(show, folder))
    else:
        click.echo(listing(folder))


@click.command()
@_experiment
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
@click.option("--synthetic", is_flag=True, help="Open the page of the held-out synthetic problems.")
def report(name: str, show: bool, synthetic: bool) -> None:
    """Print the summary of an experiment's last evaluation and where its reports are."""
    from trace_pipeline.pipeline.resources import bench_of
    from trace_pipeline.pipeline.summary import report_page, summary

    bench = bench_of(name)
    click.echo(summary(bench))
    if show or synthetic:
        page = report_page(bench, "synthetic_eval" if synthetic else "gsm8k_eval")
        click.launch(page.as_uri())


@click.command()
def sync() -> None:
    """Send MLflow the metrics that were kept while its server was down."""
    from trace_pipeline.pipeline.resources import ArtifactsResource, TrackingResource

    store, tracking = ArtifactsResource().store(), TrackingResource().tracking()
    sent = failed = 0
    for folder in sorted(store.local_folder("").glob("*/tracking")):
        done, left = tracking.send_all(folder)
        sent, failed = sent + done, failed + left
    click.echo(f"{sent} runs are complete at {tracking.shown}, {failed} could not be sent")
    if failed:
        raise InvalidInputError(f"{tracking.shown} does not answer; see above, and try again later")


COMMANDS = [run, experiments, report, sync]
