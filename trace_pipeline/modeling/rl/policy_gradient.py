"""One iteration's learning: policy-gradient steps on judged completions."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from trace_pipeline.experiment import Experiment
from trace_pipeline.modeling.decoding.decoder import Completion
from trace_pipeline.modeling.distributed import World
from trace_pipeline.modeling.network.batching import Batch, Sequences, collate, fill_batches
from trace_pipeline.modeling.network.forward import frozen_layers, lower_states
from trace_pipeline.modeling.network.linear import kernels_of, resolve_matmul
from trace_pipeline.modeling.network.objective import completion_logprobs
from trace_pipeline.modeling.network.optimizer import MasterAdamW
from trace_pipeline.modeling.rl.surrogate import surrogate
from trace_pipeline.modeling.storage.checkpoints import Policy
from trace_pipeline.modeling.training.run import require_finite


@dataclass
class _Part:
    """Completions that go through the model together."""

    batch: Batch
    advantages: torch.Tensor
    """(B,)."""
    teaches: bool
    """Whether any gradient comes from it."""
    old: torch.Tensor | None = None
    """(M,) log-probabilities under the policy that wrote them, multiplied as learning does (see
    ``sft.matmul``), once they are known."""
    lower: torch.Tensor | None = None
    """(N, H) what the frozen layers make of the batch, once it is known and needed again."""
    reference: torch.Tensor | None = None
    """(M,) log-probabilities under the SFT policy, once they are known."""


class Learner:
    """Takes the optimizer steps of ``rl.updates`` on each iteration's completions.

    Log-probabilities, ratios, entropy and divergence are those of the distribution that each
    token was drawn from: with a constraint, of that over the allowed tokens. What was forced
    is no term of any of them, for there the probability is 1 whatever the weights are.
    """

    def __init__(
        self,
        experiment: Experiment,
        policy: Policy,
        optimizer: MasterAdamW,
        world: World | None = None,
    ) -> None:
        """Each process of ``world`` does its share of the batches; gradients are summed."""
        self._experiment = experiment
        self._world = world or World()
        self._policy = policy
        self._kernels = kernels_of(resolve_matmul(experiment, policy.model))
        self._reference = _twin(policy.model) if experiment.rl.kl_coefficient else None
        """The SFT policy's model, for the KL term; None without one."""
        again = experiment.rl.updates > 1 or self._reference is not None
        self._keeps_lower = again and frozen_layers(policy.model) > 0
        self.optimizer = optimizer

    def learn(
        self, completions: Sequence[Completion], advantages: torch.Tensor, iteration: int
    ) -> dict[str, float]:
        """Figures of the steps; nothing moves where no advantage differs from zero.

        Args:
            completions: of the policy as it is now.
            advantages: (n,) one for each.
            iteration: from 1, for messages.

        Raises:
            TrainingError: training diverged.
        """
        config = self._experiment.rl
        kept = [
            index
            for index, completion in enumerate(completions)
            if not (config.mask_clipped and completion.clipped)
        ]
        parts = self._parts([completions[i] for i in kept], advantages[kept])
        moves = any(part.teaches for part in parts)
        terms = len(kept)
        if config.loss == "token":
            chosen = (len(completions[i].ids) - sum(completions[i].forced) for i in kept)
            terms = max(1, sum(chosen))
        updates = [
            self._update(parts, terms, moves, iteration)
            for _ in range(config.updates if moves else 1)
        ]
        first, count = updates[0], len(updates)
        means = {
            name: sum(update[name] for update in updates) / count
            for name in ("loss", "grad_norm", "ratio_clip_share")
        }
        return first | means

    def _parts(self, completions: Sequence[Completion], advantages: torch.Tensor) -> list[_Part]:
        """Completions in batches by length; those that teach apart from those that do not."""
        sequences = [Sequences(c.prompt_ids, c.ids, c.choices) for c in completions]
        lengths = [len(s) for s in sequences]
        always = self._reference is not None
        silent = [not always and value == 0 for value in advantages.tolist()]
        parts = []
        for wanted in (False, True):
            chosen = [index for index in range(len(sequences)) if silent[index] is wanted]
            order = sorted(chosen, key=lambda i: lengths[i])
            for indices in fill_batches(order, lengths, self._experiment.sft.batch_tokens):
                batch = collate([sequences[i] for i in indices])
                parts.append(_Part(batch, advantages[indices], not wanted))
        return parts

    def _update(
        self, parts: Sequence[_Part], terms: int, moves: bool, iteration: int
    ) -> dict[str, float]:
        """One optimizer step on all ``parts``; the policy's entropy and divergence before it."""
        config = self._experiment.rl
        device: Any = self._policy.model.device
        sums = {"loss": 0.0, "kl": 0.0, "clipped": 0.0}
        entropy, tokens = 0.0, 0.0
        for part in self._world.share(parts):
            if part.old is not None and not part.teaches:
                continue
            batch = part.batch.to(device)
            if self._keeps_lower and part.lower is None:
                part.lower = lower_states(self._policy.model, batch, self._kernels)
            with torch.set_grad_enabled(part.teaches):
                logprobs, entropies = self._logprobs(self._policy.model, batch, part.lower)
                if part.old is None:
                    part.old = logprobs.detach()
                    entropy += float(entropies.sum())
                    tokens += len(entropies)
                found = surrogate(
                    logprobs,
                    part.old,
                    batch.rows,
                    part.advantages.to(device),
                    config.loss,
                    config.clip_low,
                    config.clip_high,
                )
                loss = found.loss / terms
                sums["clipped"] += found.clipped
                if self._reference is not None:
                    kl = self._divergence(part, batch, logprobs, part.old) / terms
                    loss = loss + config.kl_coefficient * kl
                    sums["kl"] += float(kl.detach())
            if part.teaches:
                loss.backward()  # type: ignore[no-untyped-call]
                self.optimizer.accumulate()
            sums["loss"] += float(loss.detach())
        local = [sums["loss"], sums["kl"], sums["clipped"], entropy, tokens]
        loss_sum, kl_sum, clipped, entropy, tokens = self._world.sum(local)
        require_finite("the loss", loss_sum, iteration)
        if moves:
            self._world.sum_tensors(self.optimizer.gradients())
        norm = self.optimizer.step(config.learning_rate, config.max_grad_norm) if moves else 0.0
        require_finite("the gradient norm", norm, iteration)
        figures = {"loss": loss_sum, "grad_norm": norm}
        figures["ratio_clip_share"] = clipped / max(1, terms)
        if tokens:
            figures["entropy"] = entropy / tokens
        if self._reference is not None:
            figures["kl"] = kl_sum
        return figures

    def _logprobs(
        self, model: Any, batch: Batch, lower: torch.Tensor | None, entropies: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(M,) log-probabilities and entropies of the distribution that was drawn from."""
        config = self._experiment.rl
        return completion_logprobs(
            model, batch, config.temperature, config.top_p, lower, entropies, kernels=self._kernels
        )

    def _divergence(
        self, part: _Part, batch: Batch, logprobs: torch.Tensor, old: torch.Tensor
    ) -> torch.Tensor:
        """Sum over targets of the KL divergence to the SFT policy.

        The estimator k3 of Schulman, "Approximating KL divergence", 2020: unbiased, never
        negative. Weighted by the importance ratio, which is 1 at first, its gradient is
        unbiased as well (DeepSeek-V3.2, arXiv 2512.02556); without, it is not.
        """
        if part.reference is None:
            with torch.no_grad():
                part.reference, _ = self._logprobs(self._reference, batch, part.lower, False)
        gap = part.reference - logprobs
        return ((logprobs - old).exp() * (gap.exp() - gap - 1)).sum()


def _twin(model: Any) -> Any:
    """A copy of ``model`` as it is now, which shares the tensors that are not trained."""
    shared = {id(p): p for p in model.parameters() if not p.requires_grad}
    return copy.deepcopy(model, shared)  # the memo says what is shared
