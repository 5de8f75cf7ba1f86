"""``generate`` and ``audit``: the synthetic data."""

from __future__ import annotations

from pathlib import Path

import click

from trace_pipeline.experiment import EXPERTS


@click.command()
@click.option("--n", "count", type=click.IntRange(1), required=True, help="Number of examples.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--schema", help="One schema alone, such as percentage/percent_off or percent_off.")
@click.option("--expert", type=click.Choice(EXPERTS), help="One expert alone.")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test", "heldout"]),
    default="train",
    show_default=True,
    help="heldout: phrasings that no other split uses.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="FILE.jsonl or FILE.parquet."
)
def generate(
    count: int, seed: int, schema: str | None, expert: str | None, split: str, out: Path
) -> None:
    """Write N verified examples: question, trace, answer, expert, schema, index, split."""
    from trace_pipeline.generation import Catalog, Generator, write_examples
    from trace_pipeline.paths import project_root

    root = project_root()
    catalog = Catalog.load(root / "schemas", root / "vocab")
    generator = Generator(catalog, seed=seed, schemas=[schema] if schema else None)
    mix = {expert: 1.0} if expert else None
    written = write_examples(out, generator.sample(count, mix, split))
    click.echo(f"{written} examples -> {out}")


@click.command()
@click.option(
    "--samples", type=click.IntRange(1), default=200, show_default=True, help="Per schema."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Also write the findings as JSON.")
def audit(samples: int, seed: int, out: Path | None) -> None:
    """Check every schema on samples; exit status 1 if anything was found."""
    from trace_pipeline.generation import Catalog
    from trace_pipeline.generation import audit as audit_catalog
    from trace_pipeline.paths import project_root
    from trace_pipeline.store import write_json

    root = project_root()
    report = audit_catalog(Catalog.load(root / "schemas", root / "vocab"), samples, seed)
    click.echo(report.to_table())
    if out:
        write_json(out, report)
    if not report.ok:
        raise SystemExit(1)


COMMANDS = [generate, audit]
