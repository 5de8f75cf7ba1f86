"""Decoding problems with a policy and scoring the completions, with progress and a cache."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from msgspec import to_builtins

from trace_pipeline.evaluation import (
    Benchmark,
    Evaluation,
    categories_table,
    diagnoses_figure,
    examples_markdown,
    failure_examples,
    failures_table,
    groups_table,
    read_evaluation,
    score,
    write_evaluation,
)
from trace_pipeline.experiment import DecodingConfig
from trace_pipeline.gsm8k.coverage import ShapeCatalogue
from trace_pipeline.pipeline import metadata
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.store import object_sha256

if TYPE_CHECKING:
    from trace_pipeline.modeling.base_models import BaseModel
    from trace_pipeline.modeling.checkpoints import Policy

FAST_TOKENS = 150
"""Token limit of ``eval.fast`` (the notebook's ``--fast``)."""

EXAMPLES_PER_SCHEMA = 6
"""Draws from which a schema's shapes are learnt: optional parts of a schema show in a few."""

PREDICTIONS = "predictions.parquet"
BASELINE = "base"
"""Folder of the untuned base's predictions beside the trained model's."""


def decoding_config(bench: Workbench) -> DecodingConfig:
    """How the experiment decodes in evaluation; ``eval.fast`` caps the length."""
    config = bench.experiment.decoding
    if not bench.experiment.eval.fast:
        return config
    return DecodingConfig(
        max_tokens=min(FAST_TOKENS, config.max_tokens), batch_size=config.batch_size
    )


def judge(
    bench: Workbench, policy: Policy, benchmark: Benchmark, config: DecodingConfig, model: str
) -> Evaluation:
    """Greedy completions of ``benchmark`` by ``policy``, scored by the solver."""
    from trace_pipeline.modeling.decoding import Decoder
    from trace_pipeline.modeling.progress import Progress

    with Progress(f"{model} on {benchmark.name}", len(benchmark.items), "problems") as progress:
        completions = Decoder(policy, config).decode(
            benchmark.questions,
            on_progress=lambda done, _total, tokens: progress.update(done, f"{tokens} tokens"),
        )
    return score(benchmark, completions, bench.solver, model)


def baseline(bench: Workbench, base: BaseModel, benchmark: Benchmark) -> Evaluation | None:
    """The untuned base model on the first problems, zero-shot; scored once and then cached.

    The cache is shared by all experiments: the key holds all that the figures depend on.
    """
    from trace_pipeline.modeling.checkpoints import load_base_policy

    experiment, config = bench.experiment, bench.experiment.eval.baseline
    if not config.problems:
        return None
    chosen = benchmark.first(config.problems)
    decoding = DecodingConfig(
        max_tokens=config.max_tokens, batch_size=experiment.decoding.batch_size
    )
    identity: dict[str, Any] = {
        "base": base.sha256,
        "prompt": to_builtins(experiment.prompt),
        "dtype": experiment.model.dtype,
        "problems": [[item.question, str(item.gold), item.expert] for item in chosen.items],
        "max_tokens": decoding.max_tokens,
        "solver": to_builtins(experiment.solver),
    }
    key = f"_baselines/{object_sha256(identity)[:16]}"
    if not bench.store.has(key):
        policy = load_base_policy(
            base, experiment.prompt, experiment.model.dtype, experiment.model.device
        )
        evaluation = judge(bench, policy, chosen, decoding, "base")
        with bench.store.write(key) as draft:
            write_evaluation(draft.path / PREDICTIONS, evaluation)
            draft.config = identity
            draft.summary = evaluation.metrics()
    return read_evaluation(bench.store.read(key).path / PREDICTIONS)


def learnt_shapes(bench: Workbench) -> ShapeCatalogue:
    """The computations of the schemas that the experiment draws its examples from."""
    return ShapeCatalogue(
        bench.generator.example(schema, index)
        for schema in bench.generator.plans
        for index in range(EXAMPLES_PER_SCHEMA)
    )


def failures_metadata(evaluation: Evaluation) -> dict[str, dg.MetadataValue]:
    """How the predictions fail, as an asset shows it; empty if all are right."""
    if not evaluation.diagnoses():
        return {}
    shown: dict[str, dg.MetadataValue] = {
        "failures": metadata.of_table(failures_table(evaluation)),
        "failure_categories": metadata.of_table(categories_table(evaluation)),
        "failure_examples": dg.MetadataValue.md(examples_markdown(failure_examples(evaluation))),
        "failures_plot": metadata.picture(diagnoses_figure(evaluation.diagnoses()), "failures"),
    }
    if covered := evaluation.by_coverage():
        shown["by_coverage"] = metadata.of_table(groups_table("", "coverage", covered))
    return shown


def stored_evaluation(folder: Path) -> Evaluation:
    """The evaluation among an artifact's files."""
    return read_evaluation(folder / PREDICTIONS)
