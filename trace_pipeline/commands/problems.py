"""``convert-gsm8k``: annotated problems as verified traces."""

from __future__ import annotations

from pathlib import Path

import click


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
def convert_gsm8k(source: Path, target: Path, experts: str) -> None:
    """Turn the annotated solutions of SOURCE into traces: JSON lines in TARGET.

    SOURCE holds {question, answer} lines in GSM-8K's format. Each line of TARGET has question,
    trace, answer, index, confidence, grounded; what does not reach its gold answer is left out
    and counted.
    """
    from trace_pipeline.gsm8k.conversion import Policy, convert_file

    report = convert_file(source, target, Policy(experts))
    for rejected in report.rejected:
        click.echo(f"{source}: line {rejected.line}: {rejected.reason}", err=True)
    click.echo(report.describe())


COMMANDS = [convert_gsm8k]
