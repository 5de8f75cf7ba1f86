"""Reinforcement learning with rewards that the solver verifies: one loop, three estimators.

Each iteration: draw problems, sample completions, let the solver judge them, turn rewards
into advantages, take one policy-gradient step. Left out of the usual machinery: importance
ratios and clipping, since each rollout is used for one step, taken with the weights that
wrote it; a value network; dropout. The loss is per token over the whole iteration, so that
long completions weigh by their length (DAPO, arXiv 2503.14476, section 3.3).
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from msgspec import to_builtins

from trace_pipeline.experiment import DecodingConfig, Experiment
from trace_pipeline.modeling.advantages import (
    MovingBaseline,
    group_normalised,
    leave_one_out,
    zero_variance_share,
)
from trace_pipeline.modeling.base_models import BaseModel
from trace_pipeline.modeling.batching import Sequences, TraceExample, collate, fill_batches
from trace_pipeline.modeling.checkpoints import (
    CheckpointInfo,
    Policy,
    finished_run,
    load_checkpoint,
    read_info,
    save_checkpoint,
)
from trace_pipeline.modeling.decoding import Completion, Decoder
from trace_pipeline.modeling.finetuning import METRICS, SNAPSHOTS
from trace_pipeline.modeling.objective import completion_logprobs
from trace_pipeline.modeling.optimizer import MasterAdamW
from trace_pipeline.modeling.progress import Progress
from trace_pipeline.modeling.records import RecordFile
from trace_pipeline.modeling.rollouts import (
    Rollout,
    draw_problems,
    evaluate,
    make_solver,
    roll_out,
    summarise,
)
from trace_pipeline.modeling.snapshots import Snapshot, Snapshots
from trace_pipeline.modeling.trainable import train_only
from trace_pipeline.modeling.training import (
    OnMetrics,
    prepare,
    require_finite,
    run_fingerprint,
    synchronise,
)
from trace_pipeline.solver import Solver
from trace_pipeline.validation import InvalidInputError

log = logging.getLogger(__name__)

ROLLOUTS = "rollouts.jsonl"


@dataclass
class _Loop:
    """The parts that every iteration uses."""

    experiment: Experiment
    policy: Policy
    reference: Any
    """The SFT policy's model, for the KL term; None without one."""
    decoder: Decoder
    judge: Decoder
    """Decodes greedily for the evaluations."""
    solver: Solver
    optimizer: MasterAdamW
    baseline: MovingBaseline


def train_rl(
    experiment: Experiment,
    sft_folder: Path,
    examples: Sequence[TraceExample],
    validation: Sequence[TraceExample],
    out_dir: Path,
    base: BaseModel | None = None,
    on_metrics: OnMetrics | None = None,
) -> CheckpointInfo:
    """Reinforce the checkpoint in ``sft_folder``; the same tensors are trained as there.

    Args:
        experiment: its sections seed, model, sft.batch_tokens, rl, decoding and solver are read.
        sft_folder: the checkpoint to start from; it is also the reference of the KL term.
        examples: problems to roll out on.
        validation: held-out problems; the first ``rl.evaluate_problems`` are used.
        out_dir: gets the checkpoint, ``metrics.jsonl`` and ``rollouts.jsonl`` (every completion
            with its verdict); holds snapshots meanwhile. An interrupted run is resumed when
            called with the same folder.
        base: the base model of the checkpoint, found by its reference when None.
        on_metrics: told the figures of each iteration (docs/training.md defines them).

    Returns:
        The checkpoint's description.

    Raises:
        InvalidInputError: data, model or settings that cannot be used.
        TrainingError: training diverged.
    """
    config = experiment.rl
    if config.iterations and not (examples and validation):
        raise InvalidInputError("RL needs training and validation examples; generate some first")
    parent = read_info(sft_folder)
    policy = load_checkpoint(sft_folder, base, experiment.model.dtype, experiment.model.device)
    run = run_fingerprint(
        "rl", experiment, policy.base, [examples, validation], parent.weights_sha256
    )
    finished = finished_run(out_dir, run)
    if finished is not None:
        return finished
    loop = _set_up(experiment, policy)

    snapshots = Snapshots(out_dir / SNAPSHOTS, run)
    resumed = snapshots.latest()
    counters = resumed.counters if resumed else {}
    records = RecordFile(out_dir / METRICS, counters.get("metrics", 0))
    rollout_file = RecordFile(out_dir / ROLLOUTS, counters.get("rollouts", 0))
    if resumed is None:
        snapshots.clear()
    else:
        loop.optimizer.load_state(resumed.tensors)
        loop.baseline.value = counters["baseline"]
        log.info("resuming at iteration %d of %d", counters["iteration"], config.iterations)
    metrics: dict[str, float] = {}
    with Progress("RL", config.iterations, "iterations", counters.get("iteration", 0)) as progress:
        for iteration in range(counters.get("iteration", 0), config.iterations):
            metrics, rollouts = _iterate(loop, examples, iteration)
            number = iteration + 1
            if number % config.evaluate_every == 0 or number == config.iterations:
                held_out = validation[: config.evaluate_problems]
                metrics |= evaluate(loop.judge, held_out, loop.solver)
            for rollout in rollouts:
                rollout_file.append(rollout)
            records.append({"iteration": number, **metrics})
            if on_metrics:
                on_metrics(number, metrics)
            progress.update(number, _note(metrics, len(rollouts)))
            if number % config.save_every == 0 and number < config.iterations:
                counters = {
                    "iteration": number,
                    "baseline": loop.baseline.value,
                    "metrics": records.sync(),
                    "rollouts": rollout_file.sync(),
                }
                snapshots.save(number, Snapshot(counters, loop.optimizer.state()))
    records.close()
    rollout_file.close()
    info = save_checkpoint(
        out_dir,
        policy,
        parent.tensors,
        stage="rl",
        run=run,
        config=to_builtins(config),
        metrics=metrics,
    )
    snapshots.clear()
    return info


def _set_up(experiment: Experiment, policy: Policy) -> _Loop:
    config = experiment.rl
    assert policy.info is not None
    chosen = train_only(policy.model, policy.info.tensors)
    prepare(policy.model, chosen, experiment.sft)
    decoding = DecodingConfig(
        max_tokens=config.max_tokens,
        batch_size=experiment.decoding.batch_size,
        constrained=experiment.decoding.constrained,
    )
    return _Loop(
        experiment,
        policy,
        _frozen_twin(policy.model) if config.kl_coefficient else None,
        Decoder(policy, decoding),
        Decoder(policy, experiment.decoding),
        make_solver(experiment),
        MasterAdamW(policy.model, chosen.names),
        MovingBaseline(config.baseline_momentum),
    )


def _frozen_twin(model: Any) -> Any:
    """A copy of ``model`` as it is now, which shares the tensors that are not trained."""
    shared = {id(p): p for p in model.parameters() if not p.requires_grad}
    return copy.deepcopy(model, shared).requires_grad_(False)  # the memo says what is shared


def _iterate(
    loop: _Loop, examples: Sequence[TraceExample], iteration: int
) -> tuple[dict[str, float], list[Rollout]]:
    """Roll out, judge and learn once."""
    config = loop.experiment.rl
    start = time.perf_counter()
    chosen = draw_problems(len(examples), config.prompts, loop.experiment.seed, iteration)
    rollouts, completions = roll_out(
        loop.decoder, examples, chosen, loop.solver, loop.experiment, iteration
    )
    baseline = loop.baseline.value
    rewards = torch.tensor([r.reward for r in rollouts]).view(len(chosen), config.samples)
    if config.estimator == "reinforce":
        advantages = loop.baseline.advantages(rewards)
    elif config.estimator == "rloo":
        advantages = leave_one_out(rewards)
    else:
        advantages = group_normalised(rewards)
    for rollout, advantage in zip(rollouts, advantages.flatten().tolist(), strict=True):
        rollout.advantage = advantage
    learned = time.perf_counter()
    figures = _learn(loop, completions, advantages.flatten(), iteration)
    synchronise(loop.policy.model.device)
    end = time.perf_counter()
    tokens = sum(rollout.tokens for rollout in rollouts)
    metrics = summarise(rollouts) | figures
    metrics["zero_variance_share"] = zero_variance_share(rewards)
    if config.estimator == "reinforce":
        mean = float(rewards.mean())
        metrics["baseline"] = mean if baseline is None else baseline
    metrics["rollout_tokens_per_second"] = tokens / (learned - start)
    metrics["seconds"] = end - start
    return metrics, rollouts


def _learn(
    loop: _Loop, completions: Sequence[Completion], advantages: torch.Tensor, iteration: int
) -> dict[str, float]:
    """One step on ``completions``; nothing moves where no advantage differs from zero."""
    config = loop.experiment.rl
    device: Any = loop.policy.model.device
    sequences = [Sequences(c.prompt_ids, c.ids) for c in completions]
    lengths = [len(s) for s in sequences]
    order = sorted(range(len(sequences)), key=lambda i: lengths[i])
    total = sum(len(s.completion) for s in sequences)
    sums = {"loss": 0.0, "entropy": 0.0, "kl": 0.0}
    for indices in fill_batches(order, lengths, loop.experiment.sft.batch_tokens):
        batch = collate([sequences[i] for i in indices], loop.policy.prompt.end_id).to(device)
        weights = advantages[indices].to(device)[batch.rows]  # (N,)
        logprobs, entropy = completion_logprobs(
            loop.policy.model, batch, config.temperature, config.top_p
        )
        loss = -(weights * logprobs).sum() / total
        if loop.reference is not None:
            kl = _divergence(loop, batch, logprobs) / total
            loss = loss + config.kl_coefficient * kl
            sums["kl"] += float(kl.detach())
        loss.backward()  # type: ignore[no-untyped-call]
        loop.optimizer.accumulate()
        sums["loss"] += float(loss.detach())
        sums["entropy"] += float(entropy.sum()) / total
    require_finite("the loss", sums["loss"], iteration + 1)
    moves = loop.reference is not None or bool(advantages.any())
    # Without a signal, the moments alone would still move the weights.
    norm = loop.optimizer.step(config.learning_rate if moves else 0.0, config.max_grad_norm)
    require_finite("the gradient norm", norm, iteration + 1)
    if loop.reference is None:
        del sums["kl"]
    return sums | {"grad_norm": norm}


def _divergence(loop: _Loop, batch: Any, logprobs: torch.Tensor) -> torch.Tensor:
    """Sum over tokens of the KL divergence to the reference.

    The estimator k3 of Schulman, "Approximating KL divergence", 2020: unbiased, never negative.
    """
    config = loop.experiment.rl
    with torch.no_grad():
        reference, _ = completion_logprobs(loop.reference, batch, config.temperature, config.top_p)
    ratio = reference - logprobs
    return (ratio.exp() - ratio - 1).sum()


def _note(metrics: dict[str, float], count: int) -> str:
    note = f"reward {metrics['reward']:.2f}, {metrics['correct']:.0f} of {count} correct"
    if "eval_accuracy" in metrics:
        note += f", held-out {100 * metrics['eval_accuracy']:.0f} %"
    return note
