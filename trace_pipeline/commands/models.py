"""``ask``: the trained model on a problem of one's own."""

from __future__ import annotations

import click


@click.command()
@click.argument("problem")
@click.option(
    "--experiment",
    "name",
    envvar="TRACE_PIPELINE_EXPERIMENT",
    default="quickstart",
    show_default=True,
    help="Whose trained model answers.",
)
def ask(problem: str, name: str) -> None:
    """Let the trained model write a trace for PROBLEM, and the solver execute it."""
    from trace_pipeline.pipeline.asking import answer
    from trace_pipeline.pipeline.resources import bench_of

    found = answer(bench_of(name), problem)
    click.echo(found.completion.rstrip())
    click.echo()
    for line in found.steps:
        click.echo(line)
    click.echo(found.conclusion)
    if not found.solved:
        raise SystemExit(1)


COMMANDS = [ask]
