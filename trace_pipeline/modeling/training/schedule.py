"""What happens at which step of SFT: batches, learning rate, evaluations."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trace_pipeline.experiment import Experiment, SftConfig
from trace_pipeline.modeling.network.batching import Sequences, plan_batches
from trace_pipeline.validation import InvalidInputError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """The steps of a run, the same in all of its processes."""

    steps: list[list[list[int]]]
    """For each optimizer step its batches, of all processes, each a list of indices."""
    first_epoch: list[list[int]]
    """The batches of the first epoch."""
    evaluations: frozenset[int]
    """Steps, from 1, after which the validation examples are scored."""
    counters: dict[str, int]
    """What a snapshot must say of the steps, for :func:`require_same_steps`."""


def step_counters(config: SftConfig, processes: int) -> dict[str, int]:
    """What decides of which batches an optimizer step is made: their number, and processes."""
    return {"batches_per_step": config.accumulate * processes, "processes": processes}


def require_same_steps(before: Mapping[str, Any], now: Mapping[str, int]) -> None:
    """Refuse to go on where the steps would be other ones; say where their sums may be.

    Args:
        before: ``processes`` and ``batches_per_step`` of the interrupted run, as far as they were
            noted; without a bound on the batches the steps do not depend on the processes.
        now: of this one.

    Raises:
        InvalidInputError: it took another number of batches per step.
    """
    processes = before.get("processes", now["processes"])
    batches = now.get("batches_per_step")
    if before.get("batches_per_step", batches) != batches:
        raise InvalidInputError(
            f"the interrupted run had {processes} processes and {before['batches_per_step']} "
            f"batches per step; with {now['processes']} there are {batches}. Go on with "
            f"{processes} processes, or remove its folder to start anew"
        )
    if processes != now["processes"]:
        log.warning(
            "going on with %d processes what %d began: the steps are the same, the weights agree "
            "up to the order of sums",
            now["processes"],
            processes,
        )


def plan_steps(sequences: Sequence[Sequences], experiment: Experiment, processes: int = 1) -> Plan:
    """The plan of a run; ``sft.accumulate`` batches of each process make a step."""
    config = experiment.sft
    lengths = [len(s) for s in sequences]
    seed = f"{experiment.seed}/order {config.order}" if config.order else experiment.seed
    epochs = [
        plan_batches(lengths, config.batch_tokens, seed, epoch) for epoch in range(config.epochs)
    ]
    batches = list(itertools.chain.from_iterable(epochs))
    counters = step_counters(config, processes)
    size = counters["batches_per_step"]
    steps = [batches[i : i + size] for i in range(0, len(batches), size)]
    if config.evaluate_every:
        evaluations = {*range(config.evaluate_every, len(steps), config.evaluate_every)}
    else:
        evaluations = {math.ceil(n / size) for n in itertools.accumulate(map(len, epochs))}
    return Plan(steps, epochs[0], frozenset({*evaluations, len(steps)}), counters)


def learning_rate(config: SftConfig, step: int, steps: int) -> float:
    """Learning rate of ``step`` (from 0) of ``steps``: linear warm-up, then the decay.

    A warm-up longer than half of the run is shortened to that half.
    """
    warmup = min(config.warmup_steps, steps // 2)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / (steps - warmup)
    factor = {
        "constant": 1.0,
        "linear": 1.0 - progress,
        "cosine": 0.5 * (1.0 + math.cos(math.pi * progress)),
    }[config.schedule]
    return config.learning_rate * factor
