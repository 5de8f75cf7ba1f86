"""Supervised fine-tuning: the model learns to write the traces of verified examples.

Everything random is a function of the seed and the step, nothing of a generator's state.
So a run that was killed goes on from its last snapshot to the very same weights.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from trace_pipeline.experiment import Experiment
from trace_pipeline.modeling.base_models import BaseModel
from trace_pipeline.modeling.batching import (
    Sequences,
    TraceExample,
    collate,
    plan_batches,
    tokenise,
)
from trace_pipeline.modeling.checkpoints import (
    CheckpointInfo,
    Policy,
    finished_run,
    load_base_policy,
    load_checkpoint,
    read_info,
    save_checkpoint,
)
from trace_pipeline.modeling.objective import completion_logprobs
from trace_pipeline.modeling.optimizer import MasterAdamW
from trace_pipeline.modeling.progress import Progress
from trace_pipeline.modeling.records import RecordFile
from trace_pipeline.modeling.snapshots import Snapshot, Snapshots
from trace_pipeline.modeling.trainable import select_trainable, train_only
from trace_pipeline.modeling.training import (
    OnMetrics,
    learning_rate,
    prepare,
    require_finite,
    run_fingerprint,
    synchronise,
)

log = logging.getLogger(__name__)

METRICS = "metrics.jsonl"
SNAPSHOTS = "snapshots"


def train_sft(
    experiment: Experiment,
    base: BaseModel,
    examples: Sequence[TraceExample],
    out_dir: Path,
    on_metrics: OnMetrics | None = None,
    start: Path | None = None,
) -> CheckpointInfo:
    """Fine-tune ``base`` on ``examples`` as ``experiment`` says.

    Args:
        experiment: its sections seed, model, prompt and sft are read.
        base: the base model.
        examples: problems with traces; their order does not matter beyond the seed.
        out_dir: gets the checkpoint and ``metrics.jsonl``; holds snapshots meanwhile. A run
            that was interrupted is resumed when called with the same folder.
        on_metrics: told the figures of each step (docs/training.md defines them).
        start: a checkpoint of ``base`` to go on from, with the tensors that it trained.

    Returns:
        The checkpoint's description.

    Raises:
        InvalidInputError: data, model or settings that cannot be used.
        TrainingError: training diverged.
    """
    config = experiment.sft
    parent = read_info(start).weights_sha256 if start else None
    run = run_fingerprint("sft", experiment, base, [examples], parent)
    finished = finished_run(out_dir, run)
    if finished is not None:
        return finished
    model = experiment.model
    if start is None:
        policy = load_base_policy(base, experiment.prompt, model.dtype, model.device)
    else:
        policy = load_checkpoint(start, base, model.dtype, model.device)
    sequences = tokenise(policy.prompt, examples, config.max_len, config.overflow)
    if policy.info is None:
        chosen = select_trainable(policy.model, config.trainable, config.layers)
    else:
        chosen = train_only(policy.model, policy.info.tensors)
    prepare(policy.model, chosen, config)
    optimizer = MasterAdamW(policy.model, chosen.names, config.weight_decay)
    steps = _plan(sequences, experiment)

    snapshots = Snapshots(out_dir / SNAPSHOTS, run)
    resumed = snapshots.latest()
    first = 0
    records = RecordFile(out_dir / METRICS, resumed.counters["metrics"] if resumed else 0)
    if resumed is None:
        snapshots.clear()
    else:
        optimizer.load_state(resumed.tensors)
        first = resumed.counters["step"]
        log.info("resuming at step %d of %d", first, len(steps))
    metrics: dict[str, float] = {}
    with Progress("SFT", len(steps), "steps", first) as progress:
        for step in range(first, len(steps)):
            rate = learning_rate(config, step, len(steps))
            metrics = _train_step(policy, optimizer, sequences, steps[step], rate, experiment)
            require_finite("the loss", metrics["loss"], step + 1)
            require_finite("the gradient norm", metrics["grad_norm"], step + 1)
            records.append({"step": step + 1, **metrics})
            if on_metrics:
                on_metrics(step + 1, metrics)
            note = f"loss {metrics['loss']:.3f}, {metrics['tokens_per_second']:.0f} tokens/s"
            progress.update(step + 1, note)
            if (step + 1) % config.save_every == 0 and step + 1 < len(steps):
                counters = {"step": step + 1, "metrics": records.sync()}
                snapshots.save(step + 1, Snapshot(counters, optimizer.state()))
    records.close()
    info = save_checkpoint(
        out_dir,
        policy,
        chosen.names,
        stage="sft",
        run=run,
        config=to_builtins(config),
        metrics=metrics,
    )
    snapshots.clear()
    return info


def _plan(sequences: Sequence[Sequences], experiment: Experiment) -> list[list[list[int]]]:
    """For each optimizer step, its batches, each a list of indices."""
    config = experiment.sft
    lengths = [len(s) for s in sequences]
    batches = [
        batch
        for epoch in range(config.epochs)
        for batch in plan_batches(lengths, config.batch_tokens, experiment.seed, epoch)
    ]
    return [batches[i : i + config.accumulate] for i in range(0, len(batches), config.accumulate)]


def _train_step(
    policy: Policy,
    optimizer: MasterAdamW,
    sequences: Sequence[Sequences],
    batches: Sequence[Sequence[int]],
    rate: float,
    experiment: Experiment,
) -> dict[str, float]:
    """One optimizer step on the mean loss over all target tokens of ``batches``."""
    device: Any = policy.model.device
    start = time.perf_counter()
    loss, tokens, padding = 0.0, 0, 0
    targets = sum(len(sequences[i].completion) for batch in batches for i in batch)
    for indices in batches:
        batch = collate([sequences[i] for i in indices]).to(device)
        logprobs, _ = completion_logprobs(policy.model, batch)
        part = -logprobs.sum() / targets
        part.backward()  # type: ignore[no-untyped-call]
        optimizer.accumulate()
        loss += float(part.detach())
        tokens += batch.tokens
        padding += batch.padding
    norm = optimizer.step(rate, experiment.sft.max_grad_norm)
    synchronise(device)
    seconds = time.perf_counter() - start
    return {
        "loss": loss,
        "learning_rate": rate,
        "grad_norm": norm,
        "tokens": tokens,
        "target_tokens": targets,
        "padding_share": padding / (tokens + padding),
        "seconds": seconds,
        "tokens_per_second": tokens / seconds,
    }
