"""How good a model in training is on held-out examples: loss, and the solver's verdict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from trace_pipeline.experiment import Experiment
from trace_pipeline.modeling.base.base_models import context_of
from trace_pipeline.modeling.decoding.decoder import Decoder
from trace_pipeline.modeling.distributed import World
from trace_pipeline.modeling.network.batching import (
    TraceExample,
    collate,
    fill_batches,
    require_context,
    tokenise,
)
from trace_pipeline.modeling.network.frozen import FrozenStates, keep_frozen_states
from trace_pipeline.modeling.network.objective import completion_logprobs
from trace_pipeline.modeling.storage.checkpoints import Policy
from trace_pipeline.modeling.training.rollouts import make_solver, scored


class Validation:
    """Held-out examples, dealt out to the processes of a run."""

    def __init__(
        self, experiment: Experiment, policy: Policy, examples: Sequence[TraceExample], world: World
    ) -> None:
        """Refuses (InvalidInputError) examples that are too long for the settings or the model."""
        config = experiment.sft
        self._policy, self._world, self._batches = policy, world, list[list[int]]()
        self._experiment = experiment
        self._problems = examples[: config.evaluate_problems]
        self._sequences = []
        self._frozen: FrozenStates | None = None
        if examples:
            self._sequences = tokenise(policy.prompt, examples, config.max_len, config.overflow)
            require_context(self._sequences, context_of(policy.base), "validation example")
            lengths = [len(s) for s in self._sequences]
            order = sorted(range(len(lengths)), key=lambda index: lengths[index])
            self._batches = [*world.share(fill_batches(order, lengths, config.batch_tokens))]

    def __bool__(self) -> bool:
        """Whether there are any examples."""
        return bool(self._sequences)

    def keep_frozen(self, folder: Path, taken: int = 0) -> None:
        """Compute what frozen layers give for the examples once, for several evaluations.

        Losses stay what they are, bit for bit. Of the file in ``folder`` each process fills its
        part; ``taken`` is what others are going to fill (see :func:`keep_frozen_states`).
        """
        if self._sequences:
            self._frozen = keep_frozen_states(
                self._policy.model, self._sequences, self._batches, folder, taken=taken
            )

    def evaluate(self) -> dict[str, float]:
        """Mean loss per target token, and the solver's accuracy where problems are decoded.

        All processes must call it together.
        """
        loss = 0.0
        with torch.no_grad():
            for indices in self._batches:
                batch = collate([self._sequences[i] for i in indices])
                lower = self._frozen.of(indices, batch) if self._frozen else None
                logprobs, _ = completion_logprobs(
                    self._policy.model,
                    batch.to(self._policy.model.device),
                    lower=lower,
                    entropies=False,
                )
                loss -= float(logprobs.sum())
        targets = sum(len(s.completion) for s in self._sequences)
        figures = {"val_loss": self._world.sum([loss])[0] / targets}
        if self._problems:
            figures["val_problems"] = len(self._problems)
            figures["val_accuracy"] = self._world.sum([self._correct()])[0] / len(self._problems)
        return figures

    def _correct(self) -> float:
        """How many of this process's problems the model solves greedily."""
        mine = self._world.share(self._problems)
        if not mine:
            return 0
        solver = make_solver(self._experiment)
        decoder = Decoder(self._policy, self._experiment.decoding, solver)
        figures = scored("val", decoder, mine, solver)
        return figures["val_correct"]
