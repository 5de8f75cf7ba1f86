"""Decoding problems with a policy and scoring the completions, with progress and a cache."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import msgspec
from msgspec import to_builtins
from msgspec.structs import replace

from trace_pipeline.evaluation import (
    Answering,
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
from trace_pipeline.pipeline.locking import LOCKS, in_turn
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.store import Artifact, object_sha256
from trace_pipeline.validation import InvalidInputError

if TYPE_CHECKING:
    from trace_pipeline.modeling.base.base_models import BaseModel
    from trace_pipeline.modeling.base.prompts import Shot
    from trace_pipeline.modeling.storage.checkpoints import Policy

log = logging.getLogger(__name__)

FAST_TOKENS = 150
"""Token limit of ``eval.fast`` (the notebook's ``--fast``)."""

EXAMPLES_PER_SCHEMA = 6
"""Draws from which a schema's shapes are learnt: optional parts of a schema show in a few."""

PREDICTIONS = "predictions.parquet"
BASELINE = "base"
"""Folder of the untuned base's predictions beside the trained model's."""
FEW_SHOT = "base_few_shot"
"""The same, with solved problems in the prompt."""
BASELINES = "_baselines"
"""Where the figures of untuned bases are kept for all experiments."""

COMPLETIONS = "completions.jsonl"
"""What an evaluation that goes on has decoded."""

LONG_PROMPTS = 8
"""Few-shot prompts in one batch: each takes a cache of some 2,000 tokens."""


def decoding_config(bench: Workbench) -> DecodingConfig:
    """How the experiment decodes in evaluation; ``eval.fast`` caps the length."""
    config = bench.experiment.decoding
    if not bench.experiment.eval.fast:
        return config
    return replace(config, max_tokens=min(FAST_TOKENS, config.max_tokens))


def judge(
    bench: Workbench,
    policy: Policy,
    benchmark: Benchmark,
    config: DecodingConfig,
    model: str,
    answering: Answering = "first",
    folder: Path | None = None,
) -> Evaluation:
    """Completions of ``benchmark`` by ``policy``, scored by the solver: greedy, or sampled.

    Args:
        bench: the experiment.
        policy: the model.
        benchmark: the problems.
        config: how to decode.
        model: what reports call it.
        answering: which of several samples is a problem's answer.
        folder: keeps completions as they are done; those that it has are not done again.
    """
    from trace_pipeline.modeling.decoding.engines import open_engine
    from trace_pipeline.modeling.decoding.likelihood import likelihoods_of_samples
    from trace_pipeline.modeling.progress import Progress
    from trace_pipeline.modeling.training.samples import KeptCompletions, write_samples

    count = len(benchmark.items) * config.samples
    title = f"{model} on {benchmark.name}"
    with closing(KeptCompletions(folder / COMPLETIONS if folder else None)) as kept:
        if len(kept):
            log.info("%s: %d of %d completions are done", title, len(kept), count)
        completions = kept.in_order()
        if len(kept) < count:
            with Progress(title, count, "completions", len(kept)) as progress:
                completions = write_samples(
                    open_engine(policy, config, bench.solver),
                    benchmark.questions,
                    config,
                    bench.experiment.seed,
                    lambda done, _total, tokens: progress.update(done, f"{tokens} tokens"),
                    kept,
                )
    likelihoods = None
    if answering == "probable":
        title = f" of {model} on {benchmark.name}"
        likelihoods = likelihoods_of_samples(policy, benchmark.questions, completions, title)
    return score(
        benchmark,
        completions,
        bench.solver,
        model,
        config.samples,
        answering,
        config.greedy_first,
        likelihoods,
    )


def unfinished(
    bench: Workbench, asset: str, checkpoint: Artifact, benchmark: Benchmark
) -> AbstractContextManager[Path]:
    """Keeps what ``asset`` has decoded, for the same model, problems and settings.

    Until the asset is done; of a chain, until that is. Neither finds what the other has.
    """
    from trace_pipeline.modeling.base.devices import precision

    chain = bench.trained_since
    identity = {
        "chain": chain,
        "weights": checkpoint.sha256,
        "problems": benchmark.fingerprint,
        "settings": bench.settings("seed", "model", "prompt", "decoding", "eval"),
        "dtype": precision(bench.experiment.model),
        "allow_short_circuit": bench.solver.allow_short_circuit,
    }
    key = bench.key(asset)
    if chain:
        return nullcontext(bench.store.workspace(key, identity))
    return bench.unfinished(key, identity)


def baseline(bench: Workbench, base: BaseModel, benchmark: Benchmark) -> Evaluation | None:
    """The untuned base model on the first problems, zero-shot; None where it is left out."""
    config = bench.experiment.eval.baseline
    if not config.problems:
        return None
    return _untuned(bench, base, benchmark.first(config.problems), ())


def few_shot_baseline(
    bench: Workbench, base: BaseModel, benchmark: Benchmark, traces: Artifact
) -> Evaluation | None:
    """The untuned base model shown solved training problems; None where it is left out.

    Args:
        bench: The experiment.
        base: Its base model.
        benchmark: The problems.
        traces: ``gsm8k_train_traces``, which keeps the solved problems for prompts.
    """
    config = bench.experiment.eval.baseline
    if not config.shots:
        return None
    return _untuned(
        bench, base, benchmark.first(config.few_shot_problems), read_shots(traces, config.shots)
    )


def read_shots(traces: Artifact, count: int) -> tuple[Shot, ...]:
    """The first ``count`` solved problems for prompts.

    Raises:
        InvalidInputError: there are fewer.
    """
    from trace_pipeline.modeling.base.prompts import Shot

    stored = msgspec.json.decode((traces.path / "shots.json").read_bytes(), type=list[Shot])
    if count > len(stored):
        raise InvalidInputError(
            f"eval.baseline.shots: {count} solved problems asked for, {traces.manifest.key} keeps "
            f"{len(stored)}; ask for at most that many, 0 leaves the few-shot baseline out"
        )
    return tuple(stored[:count])


def _untuned(
    bench: Workbench, base: BaseModel, chosen: Benchmark, shots: tuple[Shot, ...]
) -> Evaluation:
    """The untuned base on ``chosen``; scored once and then cached.

    The cache is shared by all experiments: the key holds all that the figures depend on.
    """
    from trace_pipeline.modeling.base.devices import precision
    from trace_pipeline.modeling.base.trace_tokens import known_to_base
    from trace_pipeline.modeling.storage.checkpoints import load_base_policy

    experiment = bench.experiment
    prompt = known_to_base(experiment.prompt)
    decoding = DecodingConfig(
        max_tokens=experiment.eval.baseline.max_tokens,
        batch_size=LONG_PROMPTS if shots else experiment.decoding.batch_size,
        constrained=experiment.decoding.constrained,
    )
    identity: dict[str, Any] = {
        "base": base.sha256,
        "prompt": to_builtins(prompt),
        "dtype": precision(experiment.model),
        "problems": [[item.question, str(item.gold), item.expert] for item in chosen.items],
        "max_tokens": decoding.max_tokens,
        "constrained": decoding.constrained,
        "solver": to_builtins(experiment.solver),
        "seconds": "shared",  # what was kept before has each one's wait in its batch
    }
    if shots:
        identity["shots"] = to_builtins(shots)
    key = f"{BASELINES}/{object_sha256(identity)[:16]}"
    name = f"base, {len(shots)}-shot" if shots else "base"
    lock = bench.store.local_folder(f"{BASELINES}/{LOCKS}") / Path(key).name
    with in_turn(lock, f"{name} on {chosen.name}"):
        if not bench.store.has(key):
            policy = load_base_policy(
                base, prompt, experiment.model.dtype, experiment.model.device, shots
            )
            with bench.unfinished(key, identity) as folder:
                evaluation = judge(bench, policy, chosen, decoding, name, folder=folder)
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
