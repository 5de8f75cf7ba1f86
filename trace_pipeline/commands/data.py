"""``generate``, ``show`` and ``audit``: the synthetic data."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from trace_pipeline.experiment import EXPERTS, MIXES


def _shard(context: click.Context, option: click.Parameter, text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and int(part) < int(parts)):
        raise click.BadParameter(f"expected K/OF with K from 0 to OF - 1, found {text!r}")
    return int(part), int(parts)


def _phrasings(context: click.Context, option: click.Parameter, text: str) -> int | Literal["all"]:
    if text == "all":
        return "all"
    if not text.isdecimal() or not int(text):
        raise click.BadParameter(f"expected a number from 1 on, or all, found {text!r}")
    return int(text)


@click.command()
@click.option("--n", "count", type=click.IntRange(1), required=True, help="Number of examples.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--schema", help="One schema alone, such as percentage/percent_off or percent_off.")
@click.option("--expert", type=click.Choice(EXPERTS), help="One expert alone.")
@click.option(
    "--mix", type=click.Choice(list(MIXES)), help="The experts' shares in a notebook run."
)
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test", "heldout"]),
    default="train",
    show_default=True,
    help="heldout: phrasings that no other split uses.",
)
@click.option(
    "--naming",
    type=click.Choice(["hybrid", "semantic", "abstract"]),
    default="hybrid",
    show_default=True,
    help="How variables are named in the traces.",
)
@click.option(
    "--phrasings",
    callback=_phrasings,
    default="all",
    metavar="K|all",
    show_default=True,
    help="Templates in use per schema.",
)
@click.option(
    "--wording",
    type=click.Choice(["plain", "varied"]),
    default="plain",
    show_default=True,
    help="varied also perturbs the finished text.",
)
@click.option(
    "--interleaved-ratio",
    type=click.FloatRange(0, 1),
    help="Share of arithmetic with an init after an operation.",
)
@click.option("--composition-share", type=click.FloatRange(0, 1), help="Share of compositions.")
@click.option(
    "--shard",
    callback=_shard,
    default="0/1",
    metavar="K/OF",
    show_default=True,
    help="Every OF-th of the N examples from the K-th on.",
)
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="FILE.jsonl or FILE.parquet."
)
def generate(
    count: int,
    schema: str | None,
    expert: str | None,
    mix: str | None,
    processes: int,
    out: Path,
    **options: Any,
) -> None:
    """Write N verified examples: question, trace, answer, expert, schema, index, split.

    A large file is written in parts; the same command goes on where a killed one stopped.
    """
    from trace_pipeline.generation.production import Request, Source, produce
    from trace_pipeline.modeling.progress import Progress
    from trace_pipeline.paths import project_root

    if expert and mix:
        raise click.UsageError("--expert and --mix exclude each other; give one")
    if expert and options["composition_share"] is not None:
        raise click.UsageError("--expert and --composition-share exclude each other; give one")
    weights = {expert: 1.0} if expert else MIXES[mix] if mix else None
    request = Request(n=count, mix=weights, schemas=[schema] if schema else None, **options)
    root = project_root()
    with Progress(out.name, request.total, "examples") as shown:
        source = Source(root / "schemas", root / "vocab")
        written = produce(request, out, source, processes, shown.update)
    click.echo(f"{written} examples -> {out}")


@click.command()
@click.option(
    "--n", "count", type=click.IntRange(1), default=40, show_default=True, help="Of each expert."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--schema", help="One schema alone, such as percentage/percent_off or percent_off.")
@click.option("--expert", type=click.Choice(EXPERTS), help="One expert alone.")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test", "heldout"]),
    default="train",
    show_default=True,
)
@click.option(
    "--wording", type=click.Choice(["plain", "varied"]), default="plain", show_default=True
)
def show(
    count: int,
    seed: int,
    schema: str | None,
    expert: str | None,
    split: str,
    wording: Literal["plain", "varied"],
) -> None:
    """Print examples to be read: question, answer and the trace's steps, as Markdown.

    Another seed prints others.
    """
    from trace_pipeline.generation import Catalog, Generator, reading_page
    from trace_pipeline.paths import project_root

    root = project_root()
    generator = Generator(
        Catalog.load(root / "schemas", root / "vocab"),
        seed,
        wording=wording,
        schemas=[schema] if schema else None,
    )
    there = sorted({plan.expert for plan in generator.plans.values()})
    for name in [expert] if expert else there:
        click.echo(reading_page(generator.sample(count, {name: 1.0}, split)))


@click.command()
@click.option(
    "--samples", type=click.IntRange(1), default=200, show_default=True, help="Per schema."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--schema", help="One schema alone, such as percentage/percent_off; without the --diversity."
)
@click.option(
    "--experiment",
    default="quickstart",
    show_default=True,
    help="Hold the examples' tokens against the limits of this experiment's model.",
)
@click.option(
    "--lengths/--no-lengths", default=True, help="Whether to count tokens.", show_default=True
)
@click.option(
    "--diversity/--no-diversity",
    default=True,
    help="Whether to count the skeletons of 3,000 balanced examples.",
    show_default=True,
)
@click.option("--out", type=click.Path(path_type=Path), help="Also write the findings as JSON.")
def audit(
    samples: int,
    seed: int,
    schema: str | None,
    experiment: str,
    lengths: bool,
    diversity: bool,
    out: Path | None,
) -> None:
    """Check every schema on samples, or one; exit status 1 if anything was found."""
    from trace_pipeline.generation import Catalog, Generator
    from trace_pipeline.generation import audit as audit_catalog
    from trace_pipeline.paths import project_root
    from trace_pipeline.store import write_json

    root = project_root()
    measure = None
    if lengths:
        from trace_pipeline.experiment import load_experiment
        from trace_pipeline.modeling.base.lengths import lengths_for

        measure = lengths_for(load_experiment(experiment, root / "experiments"))
    catalog = Catalog.load(root / "schemas", root / "vocab")
    generator = Generator(catalog, seed, schemas=[schema] if schema else None)
    diversity = diversity and schema is None  # which is of the whole catalogue
    report = audit_catalog(generator, samples, lengths=measure, diversity=diversity)
    click.echo(report.to_table())
    if out:
        write_json(out, report)
    if not report.ok:
        raise SystemExit(1)


COMMANDS = [generate, show, audit]
