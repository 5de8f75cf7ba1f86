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


@click.command()
@click.option(
    "--collect",
    "collecting",
    is_flag=True,
    help="First take the outcomes of the claims' experiments from their stored evaluations.",
)
@click.option(
    "--run",
    "running",
    is_flag=True,
    help="First run the claims' experiments that have no outcomes here, or had other problems "
    "than the schemas give now, and collect them. Interrupted, it goes on where it was.",
)
def claims(collecting: bool, running: bool) -> None:
    """Write docs/claims.md from the outcomes kept in docs/results/claims."""
    from trace_pipeline.evaluation.claims import load_claims, measure, presets_of, render_claims
    from trace_pipeline.evaluation.results import outdated, read_results
    from trace_pipeline.experiment import available_experiments, load_experiment
    from trace_pipeline.paths import project_root
    from trace_pipeline.store import write_atomic

    root, known = project_root(), load_claims()
    folder, page = root / "docs/results/claims", root / "docs/claims.md"
    names = presets_of(known)
    if running:
        from trace_pipeline.definitions import defs
        from trace_pipeline.pipeline.collecting import asks_other_problems
        from trace_pipeline.pipeline.resources import bench_of
        from trace_pipeline.pipeline.running import run_pipeline

        before = read_results(folder)
        for name in names:
            if name not in before or asks_other_problems(bench_of(name), before[name]):
                click.echo(run_pipeline(name, defs))
                _collect(folder, [name])
    if collecting:
        _collect(folder, names)
    results = read_results(folder)
    for name in sorted(set(results) & set(available_experiments(root / "experiments"))):
        preset = load_experiment(name, root / "experiments")
        changed = [d.field for d in outdated(results[name], preset.parameters())]
        if changed:
            click.echo(f"{name}: {', '.join(changed)} changed since it was measured; run it again")
    write_atomic(page, render_claims(known, results).encode())
    measured = sum(measure(claim, results) is not None for claim in known)
    click.echo(f"{page}: {measured} of {len(known)} claims measured")


def _collect(folder: Path, names: list[str]) -> None:
    from trace_pipeline.evaluation.results import write_result
    from trace_pipeline.pipeline.collecting import collect
    from trace_pipeline.pipeline.resources import ArtifactsResource

    for result in collect(ArtifactsResource().store(), names):
        click.echo(f"{result.experiment}: {write_result(folder, result)}")


COMMANDS = [compare, claims]
