"""Reinforcement learning with rewards that the solver verifies: one loop for all estimators.

Each iteration: draw problems, sample completions, let the solver judge them, turn rewards
into advantages, take policy-gradient steps. Left out of the usual machinery: a value network
and dropout. By default the loss is per token over the whole iteration, so that long
completions weigh by their length (DAPO, arXiv 2503.14476, section 3.3). Under ``torchrun``
problems and batches are dealt out to the processes.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from msgspec import convert, to_builtins

from trace_pipeline.experiment import DecodingConfig, Experiment
from trace_pipeline.modeling.base.base_models import BaseModel, resolve_base
from trace_pipeline.modeling.decoding.decoder import Decoder
from trace_pipeline.modeling.distributed import World, joined
from trace_pipeline.modeling.network.batching import TraceExample
from trace_pipeline.modeling.network.optimizer import MasterAdamW
from trace_pipeline.modeling.network.trainable import train_only
from trace_pipeline.modeling.progress import Progress
from trace_pipeline.modeling.rl.advantages import (
    MovingBaseline,
    group_normalised,
    leave_one_out,
    zero_variance_share,
)
from trace_pipeline.modeling.rl.collapse import CollapseWatch
from trace_pipeline.modeling.rl.expert_iteration import ROUNDS, iterate_experts
from trace_pipeline.modeling.rl.kept_rollouts import LINES, drop_lines, write_table
from trace_pipeline.modeling.rl.policy_gradient import Learner
from trace_pipeline.modeling.sft.finetuning import METRICS, SNAPSHOTS
from trace_pipeline.modeling.storage.checkpoints import (
    CheckpointInfo,
    Policy,
    finished_run,
    hand_on_checkpoint,
    load_checkpoint,
    read_info,
    save_checkpoint,
)
from trace_pipeline.modeling.storage.records import RecordFile
from trace_pipeline.modeling.storage.snapshots import Snapshot, Snapshots
from trace_pipeline.modeling.training.best_weights import Best, BestWeights
from trace_pipeline.modeling.training.problem_stream import Position, ProblemStream, RlData
from trace_pipeline.modeling.training.rollouts import (
    Group,
    make_solver,
    rewards_of,
    roll_out,
    summarise,
    validate,
)
from trace_pipeline.modeling.training.run import OnMetrics, prepare, run_fingerprint, synchronise
from trace_pipeline.modeling.training.schedule import require_same_steps
from trace_pipeline.solver import Solver

log = logging.getLogger(__name__)


def train_rl(
    experiment: Experiment,
    sft_folder: Path,
    examples: Sequence[TraceExample],
    validation: Sequence[TraceExample],
    out_dir: Path,
    base: BaseModel | None = None,
    on_metrics: OnMetrics | None = None,
    real: Sequence[TraceExample] = (),
    real_validation: Sequence[TraceExample] = (),
) -> CheckpointInfo:
    """Reinforce the checkpoint in ``sft_folder``; the same tensors are trained as there.

    Args:
        experiment: its sections seed, model, prompt, sft, rl, decoding and solver are read.
        sft_folder: the checkpoint to start from; it is also the reference of the KL term.
        examples: synthetic problems to roll out on.
        validation: held-out ones; the first ``rl.evaluate_problems`` are used.
        out_dir: gets the checkpoint, ``metrics.jsonl`` and the rollouts (docs/training.md);
            holds snapshots meanwhile. An interrupted run is resumed when called with the same
            folder.
        base: the base model of the checkpoint, found by its reference when None.
        on_metrics: told the figures of each iteration (docs/training.md defines them).
        real: converted GSM-8K train problems, for ``rl.source: real`` or ``mix``.
        real_validation: held-out ones.

    Returns:
        The checkpoint's description.

    Raises:
        InvalidInputError: data, model or settings that cannot be used.
        TrainingError: training diverged.
    """
    data = RlData(examples, real, validation, real_validation)
    config, model = experiment.rl, experiment.model
    if config.iterations:
        data.require(config)
    parent = read_info(sft_folder)
    base = base or resolve_base(parent.base)
    used = [examples, validation, real, real_validation]
    run = run_fingerprint("rl", experiment, base, used, parent.weights_sha256)
    with joined(model.device) as world:
        done = finished_run(out_dir, run) is not None
        world.wait()
        if not done and not config.iterations:
            if world.writes:
                settings = to_builtins(config)
                hand_on_checkpoint(sft_folder, out_dir, base, stage="rl", run=run, config=settings)
        elif not done and config.method == "expert_iteration":
            iterate_experts(experiment, sft_folder, base, data, out_dir, run, world, on_metrics)
        elif not done:
            policy = load_checkpoint(sft_folder, base, model.dtype, model.device, merge=False)
            _Loop(experiment, policy, data, out_dir, run, world).run(on_metrics)
        world.wait()
        if world.writes:
            drop_lines(out_dir)
            for folder in (SNAPSHOTS, ROUNDS):  # a kill behind the checkpoint left them
                shutil.rmtree(out_dir / folder, ignore_errors=True)
        return read_info(out_dir)


@dataclass
class _Sampled:
    """What an iteration rolled out."""

    groups: list[Group]
    learned: list[Group]
    """Those to learn from."""
    resampled: int
    """Problems that were drawn in place of others."""


@dataclass
class _Files:
    """What the process that writes writes."""

    metrics: RecordFile
    rollouts: RecordFile


class _Loop:
    """A policy-gradient run and the parts that its iterations use."""

    def __init__(
        self,
        experiment: Experiment,
        policy: Policy,
        data: RlData,
        out_dir: Path,
        run: str,
        world: World,
    ) -> None:
        config = experiment.rl
        assert policy.info is not None
        self._names = policy.info.tensors
        chosen = train_only(policy.model, self._names)
        prepare(policy.model, chosen, experiment.sft)
        rollouts = DecodingConfig(
            max_tokens=config.max_tokens,
            batch_size=experiment.decoding.batch_size,
            constrained=experiment.decoding.constrained,
        )
        self._experiment, self._policy, self._data = experiment, policy, data
        self._out_dir, self._run, self._world = out_dir, run, world
        self._solver: Solver = make_solver(experiment)
        self._decoder = Decoder(policy, rollouts, self._solver)
        self._judge = Decoder(policy, experiment.decoding, self._solver)
        optimizer = MasterAdamW(policy.model, chosen.names)
        self._learner = Learner(experiment, policy, optimizer, world)
        self._snapshots = Snapshots(out_dir / SNAPSHOTS, run)
        self._processes = {"processes": world.size}
        self._resume()

    def _resume(self) -> None:
        """Take over the newest snapshot, or start anew."""
        config = self._experiment.rl
        resumed = self._snapshots.latest()
        counters: dict[str, Any] = resumed.counters if resumed else {}
        require_same_steps(counters, self._processes)
        self._done: int = counters.get("iteration", 0)
        self._baseline = MovingBaseline(config.baseline_momentum, counters.get("baseline"))
        self._watch = CollapseWatch(config.collapse, counters.get("below"))
        self._stream = ProblemStream(
            self._data,
            config,
            self._experiment.seed,
            convert(counters.get("position", {}), Position),
        )
        best = counters.get("best")
        self._best = BestWeights(
            self._snapshots.folder,
            self._policy.model,
            self._names,
            convert(best, Best) if best else None,
        )
        if resumed is not None:
            self._learner.optimizer.load_state(resumed.tensors)
            log.info("resuming at iteration %d of %d", self._done, config.iterations)
        self._world.wait()  # all have read what rank 0 may now remove or write over
        self._files = None
        if self._world.writes:
            if resumed is None:
                self._snapshots.clear()
            self._files = _Files(
                RecordFile(self._out_dir / METRICS, counters.get("metrics", 0)),
                RecordFile(self._out_dir / LINES, counters.get("rollouts", 0)),
            )

    def run(self, on_metrics: OnMetrics | None) -> None:
        """All iterations that are left, and the checkpoint."""
        config = self._experiment.rl
        metrics: dict[str, float] = {}
        stopped = ""
        if config.select == "best" and config.iterations and not self._done:
            # The start takes part: RL must not make the checkpoint worse.
            self._record(0, self._validate(0), [], on_metrics)
        with Progress(
            "RL", config.iterations, "iterations", self._done, self._world.writes
        ) as progress:
            for iteration in range(self._done, config.iterations):
                number = iteration + 1
                metrics, groups = self._iterate(iteration)
                last = number == config.iterations
                stopped = "" if last else self._watch.reason(number, metrics)
                if number % config.evaluate_every == 0 or last or stopped:
                    metrics |= self._validate(number)
                self._record(number, metrics, groups, on_metrics)
                progress.update(number, _note(metrics))
                if stopped:
                    log.warning("RL stops after iteration %d: %s", number, stopped)
                    break
                if number % config.save_every == 0 and not last and self._files is not None:
                    self._save(number, self._files)
        if self._files is not None:
            self._finish(self._files, metrics, stopped)

    def _iterate(self, iteration: int) -> tuple[dict[str, float], list[Group]]:
        """Roll out, judge and learn once."""
        config = self._experiment.rl
        start = time.perf_counter()
        sampled = self._sample(iteration)
        baseline = self._baseline.value
        rewards = rewards_of(sampled.groups)
        if config.estimator == "reinforce":
            advantages = self._baseline.advantages(rewards)
        elif config.estimator == "rloo":
            advantages = leave_one_out(rewards)
        else:
            advantages = group_normalised(rewards, config.scale_std)
        for group, row in zip(sampled.groups, advantages.tolist(), strict=True):
            for rollout, advantage in zip(group.rollouts, row, strict=True):
                rollout.advantage = advantage
        learning = time.perf_counter()
        completions = [c for group in sampled.learned for c in group.completions]
        values = torch.tensor([r.advantage for g in sampled.learned for r in g.rollouts])
        for rollout in (r for group in sampled.groups for r in group.rollouts):
            if config.mask_clipped and rollout.clipped:
                rollout.advantage = 0.0  # as it is kept: nothing is learned from it
        figures = self._learner.learn(completions, values, iteration + 1)
        synchronise(self._policy.model.device)
        end = time.perf_counter()
        metrics = summarise([r for group in sampled.groups for r in group.rollouts]) | figures
        metrics["zero_variance_share"] = zero_variance_share(rewards)
        if config.resample:
            metrics["resampled"] = sampled.resampled
        if config.curriculum:
            metrics["longest_chain"] = self._stream.longest(iteration)
        if config.estimator == "reinforce":
            metrics["baseline"] = float(rewards.mean()) if baseline is None else baseline
        metrics["rollout_tokens_per_second"] = metrics["tokens"] / (learning - start)
        metrics["seconds"] = end - start
        return metrics, sampled.groups

    def _sample(self, iteration: int) -> _Sampled:
        """Roll out on ``rl.prompts`` problems, and on others where all rewards are equal.

        The second part is the dynamic sampling of DAPO (arXiv 2503.14476, section 3.2), with a
        bound on the draws; what is learned from are then the varied groups alone.
        """
        config = self._experiment.rl

        def rolled_out(wanted: int, first: int) -> list[Group]:
            problems = self._stream.draw(wanted, iteration)
            return roll_out(
                self._decoder, problems, self._solver, self._experiment, iteration, first,
                self._world,
            )  # fmt: skip

        groups = rolled_out(config.prompts, 0)
        if not config.resample:
            return _Sampled(groups, groups, 0)
        for _ in range(config.resample):
            missing = config.prompts - sum(group.varied for group in groups)
            if not missing:
                break
            groups += rolled_out(missing, len(groups))
        learned = [group for group in groups if group.varied]
        return _Sampled(groups, learned, len(groups) - config.prompts)

    def _validate(self, number: int) -> dict[str, float]:
        figures = validate(self._judge, self._data, self._solver, self._experiment, self._world)
        if self._experiment.rl.select == "best" and self._world.writes:
            self._best.offer(number, figures["validation_reward"])
        return figures

    def _record(
        self,
        number: int,
        metrics: dict[str, float],
        groups: Sequence[Group],
        on_metrics: OnMetrics | None,
    ) -> None:
        if self._files is None:
            return
        every = self._experiment.rl.keep_rollouts_every
        if every and number % every == 0:
            for group in groups:
                for rollout in group.rollouts:
                    self._files.rollouts.append(rollout)
        self._files.metrics.append({"iteration": number, **metrics})
        if on_metrics:
            on_metrics(number, metrics)

    def _save(self, number: int, files: _Files) -> None:
        tensors = self._learner.optimizer.state()
        if not self._snapshots.affordable(tensors):
            return
        counters = {
            "iteration": number,
            "baseline": self._baseline.value,
            "below": self._watch.below,
            "position": to_builtins(self._stream.position),
            "best": to_builtins(self._best.best),
            "metrics": files.metrics.sync(),
            "rollouts": files.rollouts.sync(),
            **self._processes,
        }
        self._snapshots.save(number, Snapshot(counters, tensors))
        self._best.saved()

    def _finish(self, files: _Files, metrics: dict[str, float], stopped: str) -> None:
        files.metrics.close()
        files.rollouts.close()
        metrics = metrics | {"snapshot_share": self._snapshots.share}
        best = self._best.best
        if best is not None:
            self._best.restore()
            metrics = metrics | {"best_validation_reward": best.score}
        write_table(self._out_dir)
        save_checkpoint(
            self._out_dir,
            self._policy,
            self._names,
            stage="rl",
            run=self._run,
            config=to_builtins(self._experiment.rl),
            metrics=metrics,
            stopped=stopped,
            selected=best.step if best is not None else None,
        )
        self._snapshots.clear()


def _note(metrics: dict[str, float]) -> str:
    note = f"reward {metrics['reward']:.2f}, "
    note += f"{metrics['correct']:.0f} of {metrics['rollouts']:.0f} correct"
    for name, what in (("eval_accuracy", "held-out"), ("eval_real_accuracy", "real held-out")):
        if name in metrics:
            note += f", {what} {100 * metrics[name]:.0f} %"
    return note
