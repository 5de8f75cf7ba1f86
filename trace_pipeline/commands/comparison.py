"""``compare``, ``claims``: what experiments say about each other."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("names", nargs=-1, metavar="[RUN]...")
@click.option(
    "--common",
    is_flag=True,
    help="Compare what runs have in common although base model, split or problems differ.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write Markdown here.")
def compare(names: tuple[str, ...], common: bool, out: Path | None) -> None:
    """Compare finished experiments and the notebook's runs (notebook:run_18).

    Of the runs named, the first is compared with every other. Without names: the table of all,
    and each experiment against the one that it inherits from.
    """
    from trace_pipeline.evaluation.plain import to_markdown, to_text
    from trace_pipeline.pipeline.comparing import choose, comparison
    from trace_pipeline.pipeline.resources import ArtifactsResource, TrackingResource
    from trace_pipeline.store import write_atomic

    chosen = choose(ArtifactsResource().store(), TrackingResource().tracking(), names)
    sections = comparison(chosen, common, strict=bool(names))
    if out is None:
        click.echo(to_text(sections))
        return
    write_atomic(out, to_markdown("Comparison of runs", sections).encode())
    click.echo(f"{len(chosen.runs) + len(chosen.references)} runs compared in {out}")


COMMANDS = [compare]
