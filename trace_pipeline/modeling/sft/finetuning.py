"""Supervised fine-tuning: the model learns to write the traces of verified examples.

Everything random is a function of the seed and the step, nothing of a generator's state.
So a run that was killed goes on from its last snapshot to the very same weights (compiled layers
may order sums otherwise after it). Under ``torchrun`` each step's batches are dealt out to the
processes; their gradients are summed.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from msgspec import convert, to_builtins

from trace_pipeline.experiment import Experiment
from trace_pipeline.modeling.base.base_models import BaseModel
from trace_pipeline.modeling.base.devices import peak_memory
from trace_pipeline.modeling.distributed import World, joined
from trace_pipeline.modeling.network.batching import (
    Batch,
    TraceExample,
    collate,
    require_context,
    tokenise,
)
from trace_pipeline.modeling.network.frozen import FrozenStates, keep_frozen_states
from trace_pipeline.modeling.network.linear import (
    Matmul,
    kernels_of,
    resolve_compile,
    resolve_matmul,
    with_matmul,
)
from trace_pipeline.modeling.network.lora import add_adapters
from trace_pipeline.modeling.network.objective import completion_logprobs
from trace_pipeline.modeling.network.optimizer import MasterAdamW
from trace_pipeline.modeling.network.rows import compiled
from trace_pipeline.modeling.network.trainable import (
    Trainable,
    select_trainable,
    train_only,
)
from trace_pipeline.modeling.progress import Progress
from trace_pipeline.modeling.storage.checkpoints import (
    CheckpointInfo,
    Policy,
    finished_run,
    hand_on_checkpoint,
    load_base_policy,
    load_checkpoint,
    read_info,
    save_checkpoint,
)
from trace_pipeline.modeling.storage.continuing import require_same
from trace_pipeline.modeling.storage.records import RecordFile
from trace_pipeline.modeling.storage.snapshots import Snapshot, Snapshots
from trace_pipeline.modeling.training.best_weights import Best, BestWeights
from trace_pipeline.modeling.training.run import (
    OnMetrics,
    prepare,
    require_finite,
    run_fingerprint,
    synchronise,
)
from trace_pipeline.modeling.training.schedule import (
    Plan,
    learning_rate,
    plan_steps,
    require_same_steps,
)
from trace_pipeline.modeling.training.validation import Validation
from trace_pipeline.validation import InvalidInputError

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
    validation: Sequence[TraceExample] = (),
) -> CheckpointInfo:
    """Fine-tune ``base`` on ``examples`` as ``experiment`` says.

    Args:
        experiment: its sections seed, model, prompt, sft and decoding are read.
        base: the base model.
        examples: problems with traces; their order does not matter beyond the seed.
        out_dir: gets the checkpoint and ``metrics.jsonl``; holds snapshots meanwhile. A run
            that was interrupted is resumed when called with the same folder. Several
            processes share it.
        on_metrics: told the figures of each step (docs/training.md defines them).
        start: a checkpoint of ``base`` to go on from, with the tensors that it trained.
        validation: held-out examples on which ``sft.evaluate_every`` and ``sft.select`` rest.

    Returns:
        The checkpoint's description.

    Raises:
        InvalidInputError: data, model or settings that cannot be used.
        TrainingError: training diverged.
    """
    if experiment.sft.select == "best" and not validation:
        raise InvalidInputError(
            "sft.select: best needs validation examples; raise data.validation, or set "
            "sft.select: last"
        )
    with joined(experiment.model.device) as world:
        parent = read_info(start).weights_sha256 if start else None
        # Products of bytes give other weights: what auto means here is part of the run.
        meanings: tuple[Matmul, ...] = ("float", "int8")
        asked = experiment.sft.matmul
        runs = {
            matmul: run_fingerprint(
                "sft", with_matmul(experiment, matmul), base, [examples, validation], parent
            )
            for matmul in meanings
            if asked in ("auto", matmul)
        }
        finished = finished_run(out_dir, *runs.values())
        world.wait()
        if finished is not None:
            if world.writes:  # a kill behind the checkpoint left them
                shutil.rmtree(out_dir / SNAPSHOTS, ignore_errors=True)
            return finished
        if not experiment.sft.epochs:
            if start is None:
                raise InvalidInputError(
                    "sft.epochs: 0 takes a trained model as it is; name it as start"
                )
            require_same(read_info(start), experiment, start)
            if world.writes:
                run, settings = next(iter(runs.values())), to_builtins(experiment.sft)
                hand_on_checkpoint(start, out_dir, base, stage="sft", run=run, config=settings)
            world.wait()
            return read_info(out_dir)
        policy, chosen = _load(experiment, base, start)
        matmul = resolve_matmul(experiment, policy.model)
        experiment, run = with_matmul(experiment, matmul), runs[matmul]
        trainer = _Trainer(experiment, policy, chosen, examples, validation, out_dir, run, world)
        trainer.run(on_metrics)
        world.wait()
        return read_info(out_dir)


def _load(experiment: Experiment, base: BaseModel, start: Path | None) -> tuple[Policy, Trainable]:
    """The model to train, and which part of it."""
    config, model = experiment.sft, experiment.model
    if start is not None:
        require_same(read_info(start), experiment, start)
        policy = load_checkpoint(start, base, model.dtype, model.device, merge=False)
        assert policy.info is not None
        return policy, train_only(policy.model, policy.info.tensors)
    policy = load_base_policy(base, experiment.prompt, model.dtype, model.device)
    if config.trainable == "lora":
        add_adapters(policy.model, config.lora, experiment.seed)
        policy = replace(policy, adapters=config.lora)
    return policy, select_trainable(policy.model, config.trainable, config.layers)


class _Trainer:
    """A run of SFT in one of its processes, and the parts that its steps use."""

    def __init__(
        self,
        experiment: Experiment,
        policy: Policy,
        chosen: Trainable,
        examples: Sequence[TraceExample],
        validation: Sequence[TraceExample],
        out_dir: Path,
        run: str,
        world: World,
    ) -> None:
        config = experiment.sft
        self._experiment, self._config, self._policy = experiment, config, policy
        self._names, self._out_dir, self._run, self._world = chosen.names, out_dir, run, world
        self._sequences = tokenise(policy.prompt, examples, config.max_len, config.overflow)
        require_context(
            self._sequences, getattr(policy.model.config, "max_position_embeddings", None)
        )
        assert config.matmul != "auto"
        self._kernels = kernels_of(config.matmul)
        self._whole_rows = resolve_compile(config, policy.model, self._sequences)
        if self._whole_rows:
            self._kernels = compiled()
        prepare(policy.model, chosen, config)
        self._plan: Plan = plan_steps(self._sequences, experiment, world.size)
        self._validation = Validation(experiment, policy, validation, world)
        self._frozen = self._kept_states()
        self._optimizer = MasterAdamW(policy.model, chosen.names, config.weight_decay)
        self._ahead: dict[int, list[Batch]] = {}
        """Batches of the next step, put together while a device worked on those before."""
        self._snapshots = Snapshots(out_dir / SNAPSHOTS, run)
        self._resume()

    def _kept_states(self) -> FrozenStates | None:
        """What frozen layers give in training, if kept; the validation keeps its own then."""
        kept, taken, size = None, 0, self._world.size
        if self._config.reuse_frozen and self._config.epochs > 1:
            kept = keep_frozen_states(
                self._policy.model,
                self._sequences,
                self._plan.first_epoch,
                self._out_dir,
                self._kernels,
                processes=size,
            )
            taken = size * kept.size if kept else 0
        if self._config.reuse_frozen and len(self._plan.evaluations) > 1:
            self._validation.keep_frozen(self._out_dir, taken)
        return kept

    def _resume(self) -> None:
        """Take over the newest snapshot, or start anew."""
        resumed = self._snapshots.latest()
        counters: dict[str, Any] = resumed.counters if resumed else {}
        require_same_steps(counters, self._plan.counters)
        self._done: int = counters.get("step", 0)
        best = counters.get("best")
        self._best = BestWeights(
            self._snapshots.folder,
            self._policy.model,
            self._names,
            convert(best, Best) if best else None,
        )
        if resumed is not None:
            self._optimizer.load_state(resumed.tensors)
            log.info("resuming at step %d of %d", self._done, len(self._plan.steps))
        self._world.wait()  # all have read what rank 0 may now remove or write over
        self._records = None
        if self._world.writes:
            if resumed is None:
                self._snapshots.clear()
            self._records = RecordFile(self._out_dir / METRICS, counters.get("metrics", 0))

    def run(self, on_metrics: OnMetrics | None) -> None:
        """All steps that are left, and the checkpoint."""
        steps, metrics = self._plan.steps, dict[str, float]()
        with Progress("SFT", len(steps), "steps", self._done, self._world.writes) as progress:
            for step in range(self._done, len(steps)):
                number = step + 1
                metrics = self._step(step)
                require_finite("the loss", metrics["loss"], number)
                require_finite("the gradient norm", metrics["grad_norm"], number)
                if number in self._plan.evaluations and self._validation:
                    metrics |= self._evaluate(number)
                if self._records is None:
                    continue
                self._records.append({"step": number, **metrics})
                if on_metrics:
                    on_metrics(number, metrics)
                note = f"loss {metrics['loss']:.3f}, {metrics['tokens_per_second']:.0f} tokens/s"
                if "val_loss" in metrics:
                    note += f", validation loss {metrics['val_loss']:.4f}"
                progress.update(number, note)
                if number % self._config.save_every == 0 and number < len(steps):
                    self._save(number, self._records)
        if self._records is not None:
            self._records.close()
            self._finish(metrics)

    def _step(self, step: int) -> dict[str, float]:
        """One optimizer step on the mean loss over all target tokens of its batches."""
        device: Any = self._policy.model.device
        start = time.perf_counter()
        batches = self._plan.steps[step]
        targets = sum(len(self._sequences[i].completion) for batch in batches for i in batch)
        parts, tokens, places, shared = list[torch.Tensor](), 0, 0, 0
        dropout = self._config.dropout
        mine = self._world.share(batches)
        collated = self._ahead.pop(step, None) or self._collated(step)
        for index, (indices, batch) in enumerate(zip(mine, collated, strict=True)):
            if dropout:
                self._seed_dropout(step, self._world.place(index))
            lower = self._frozen.of(indices, batch) if self._frozen else None
            logprobs, _ = completion_logprobs(
                self._policy.model,
                batch.to(device),
                lower=lower,
                entropies=False,
                dropout=dropout,
                kernels=self._kernels,
            )
            part = -logprobs.sum() / targets
            part.backward()  # type: ignore[no-untyped-call]
            self._optimizer.accumulate()
            parts.append(part.detach())
            tokens += batch.tokens
            places += batch.paths.numel()
            shared += batch.shared
        if step + 1 < len(self._plan.steps):
            self._ahead = {step + 1: self._collated(step + 1)}
        loss = sum(float(part) for part in parts)
        loss, tokens, places, shared = self._world.sum([loss, tokens, places, shared])  # type: ignore[assignment]
        self._world.sum_tensors(self._optimizer.gradients())
        rate = learning_rate(self._config, step, len(self._plan.steps))
        norm = self._optimizer.step(rate, self._config.max_grad_norm)
        synchronise(device)
        seconds = time.perf_counter() - start
        return {
            "loss": loss,
            "learning_rate": rate,
            "grad_norm": norm,
            "tokens": tokens,
            "target_tokens": targets,
            "padding_share": 1 - tokens / places,
            "shared_share": shared / tokens,
            "seconds": seconds,
            "tokens_per_second": tokens / seconds,
            "peak_memory_gib": peak_memory(device) / 2**30,
        }

    def _collated(self, step: int) -> list[Batch]:
        """This process's batches of a step."""
        return [
            collate([self._sequences[i] for i in indices], self._whole_rows)
            for indices in self._world.share(self._plan.steps[step])
        ]

    def _seed_dropout(self, step: int, batch: int) -> None:
        """What is dropped depends on seed, step and batch alone, whatever ran before."""
        seed = f"{self._experiment.seed}/{self._config.order}/dropout/{step}/{batch}"
        torch.manual_seed(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:7]))

    def _evaluate(self, number: int) -> dict[str, float]:
        figures = self._validation.evaluate()
        require_finite("the validation loss", figures["val_loss"], number)
        if self._config.select == "best" and self._world.writes:
            self._best.offer(number, figures.get("val_accuracy", -figures["val_loss"]))
        return figures

    def _save(self, number: int, records: RecordFile) -> None:
        tensors = self._optimizer.state()
        if not self._snapshots.affordable(tensors):
            return
        counters = {
            "step": number,
            "best": to_builtins(self._best.best),
            "metrics": records.sync(),
            **self._plan.counters,
        }
        self._snapshots.save(number, Snapshot(counters, tensors))
        self._best.saved()

    def _finish(self, metrics: dict[str, float]) -> None:
        metrics = metrics | {"snapshot_share": self._snapshots.share}
        best = self._best.best
        if best is not None:
            self._best.restore()
            metrics = metrics | {"best_step": best.step}
        save_checkpoint(
            self._out_dir,
            self._policy,
            self._names,
            stage="sft",
            run=self._run,
            config=to_builtins(self._config),
            metrics=metrics,
            selected=best.step if best is not None else None,
        )
        self._snapshots.clear()
