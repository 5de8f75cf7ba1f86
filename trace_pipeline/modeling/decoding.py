"""Batched decoding: sequences leave the batch when they end, waiting ones take their place."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from trace_pipeline.experiment import DecodingConfig
from trace_pipeline.modeling.checkpoints import Policy
from trace_pipeline.modeling.objective import shaped
from trace_pipeline.modeling.slots import SlotCache
from trace_pipeline.validation import InvalidInputError

PREFILL_TOKENS = 4096
"""Prompt tokens, padding included, that go through the model together."""

OnProgress = Callable[[int, int, int], None]
"""Called with completions done, their total, and tokens decoded so far."""


@dataclass(frozen=True)
class Completion:
    """What a model wrote after one prompt."""

    text: str
    tokens: int
    """Length in tokens, the end token included."""
    clipped: bool
    """Cut by the token limit: the model did not end it itself."""
    seconds: float
    """From the prompt's entry into the batch to the end."""
    logprob: float
    """Log-probability of the tokens under the distribution they were drawn from (greedy: of
    the model)."""
    prompt_ids: list[int] = field(repr=False)
    ids: list[int] = field(repr=False)
    """The completion's tokens, the end token included."""


@dataclass(frozen=True)
class Sampling:
    """Random draws, one independent stream a sequence."""

    seeds: Sequence[int]
    """Seed of each sequence; its draws depend on nothing else."""
    temperature: float = 1.0
    top_p: float = 1.0


@dataclass
class _Running:
    """A sequence in the batch."""

    index: int
    prompt: list[int]
    limit: int
    draws: np.ndarray[Any, np.dtype[np.float64]] | None
    started: float
    ids: list[int] = field(default_factory=list)
    logprob: float = 0.0


class Decoder:
    """Writes completions with a policy."""

    def __init__(self, policy: Policy, config: DecodingConfig) -> None:
        self._policy = policy
        self._config = config
        model_config = policy.model.config
        # Up to its window, a model with sliding-window attention sees all, as the masks here do.
        limits = (
            getattr(model_config, "max_position_embeddings", None),
            getattr(model_config, "sliding_window", None),
        )
        self._context = min((int(limit) for limit in limits if limit), default=2**31)
        generation = getattr(policy.model.generation_config, "eos_token_id", None)
        extra = [generation] if isinstance(generation, int) else generation or []
        self._stop_ids = policy.prompt.stop_ids | set(extra)

    def decode(
        self,
        questions: Sequence[str],
        sampling: Sampling | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[Completion]:
        """Completions of ``questions``, in order.

        Args:
            questions: word problems.
            sampling: how to draw tokens; None takes the likeliest.
            on_progress: told whenever a completion is done.

        Raises:
            InvalidInputError: a prompt that fills the model's context.
        """
        if sampling is not None and len(sampling.seeds) != len(questions):
            raise ValueError(f"{len(questions)} questions need as many seeds")
        waiting = [self._enter(index, q, sampling) for index, q in enumerate(questions)]
        # The longest first: sequences of one batch then have similar lengths, and the last
        # ones, which have the model to themselves, are short.
        waiting.sort(key=lambda r: (-len(r.prompt), r.index))
        waiting.reverse()
        done: dict[int, Completion] = {}
        with torch.inference_mode():
            self._run(waiting, sampling, done, len(questions), on_progress)
        return [done[index] for index in range(len(questions))]

    def _enter(self, index: int, question: str, sampling: Sampling | None) -> _Running:
        prompt = self._policy.prompt.prompt_ids(question)
        room = self._context - len(prompt)
        if room < 1:
            raise InvalidInputError(
                f"the prompt of problem {index} has {len(prompt)} tokens, the model's context "
                f"{self._context}; shorten the problem or the system prompt"
            )
        limit = min(self._config.max_tokens, room)
        draws = None
        if sampling is not None:
            draws = np.random.Generator(np.random.Philox(sampling.seeds[index])).random(limit)
        return _Running(index, prompt, limit, draws, 0.0)

    def _run(
        self,
        waiting: list[_Running],
        sampling: Sampling | None,
        done: dict[int, Completion],
        total: int,
        on_progress: OnProgress | None,
    ) -> None:
        model = self._policy.model
        slots = min(self._config.batch_size, total)
        cache = SlotCache(model.config, slots, model.dtype, model.device)
        running: list[_Running] = []
        tokens = 0
        while waiting or running:
            if waiting and len(running) < slots:
                entering = self._admit(waiting, slots - len(running))
                hidden = self._prefill(cache, entering)
                fresh = entering
                running += entering
            else:
                hidden = self._step(cache, running)
                fresh = running
            self._append(hidden, fresh, sampling)
            tokens += len(fresh)
            for slot in reversed(range(len(running) - len(fresh), len(running))):
                sequence = running[slot]
                if self._ended(sequence):
                    running[slot] = running[cache.release(slot)]
                    running.pop()
                    done[sequence.index] = self._complete(sequence)
                    if on_progress:
                        on_progress(len(done), total, tokens)

    def _admit(self, waiting: list[_Running], free: int) -> list[_Running]:
        """The next sequences, as many as fit into ``free`` slots and one prefill."""
        width = len(waiting[-1].prompt)
        count = max(1, min(free, len(waiting), PREFILL_TOKENS // width))
        now = time.perf_counter()
        entering = [waiting.pop() for _ in range(count)]
        for sequence in entering:
            sequence.started = now
        return entering

    def _prefill(self, cache: SlotCache, entering: list[_Running]) -> torch.Tensor:
        """(n, H) hidden states behind the prompts of ``entering``."""
        device = self._policy.model.device
        lengths = torch.tensor([len(r.prompt) for r in entering], device=device)
        width = int(lengths.max())
        # Padding on the right is never attended to: attention is causal, and a step's mask
        # ends at the sequence's own length.
        ids = [r.prompt + [0] * (width - len(r.prompt)) for r in entering]
        cache.begin_prefill(lengths, width)
        hidden = self._forward(torch.tensor(ids, device=device), cache, None, None)
        cache.end_prefill()
        return hidden[torch.arange(len(entering), device=device), lengths - 1]

    def _step(self, cache: SlotCache, running: list[_Running]) -> torch.Tensor:
        """(A, H) hidden states behind the last token of each running sequence."""
        ids = torch.tensor([[r.ids[-1]] for r in running], device=self._policy.model.device)
        positions, mask = cache.begin_step()
        hidden = self._forward(ids, cache, positions, mask)
        cache.end_step()
        return hidden[:, 0]

    def _forward(
        self,
        ids: torch.Tensor,
        cache: SlotCache,
        positions: torch.Tensor | None,
        mask: torch.Tensor | None,
    ) -> torch.Tensor:
        if positions is None:
            positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        output = self._policy.model.base_model(
            input_ids=ids,
            position_ids=positions,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
        )
        hidden: torch.Tensor = output.last_hidden_state
        return hidden

    def _append(
        self, hidden: torch.Tensor, fresh: list[_Running], sampling: Sampling | None
    ) -> None:
        """Choose the next token of each sequence in ``fresh``."""
        logits = self._policy.model.lm_head(hidden).float()  # (n, V)
        if sampling is None:
            chosen = logits.argmax(-1)
        else:
            logits = shaped(logits, sampling.temperature, sampling.top_p)
            draws = [float(r.draws[len(r.ids)]) for r in fresh if r.draws is not None]
            chosen = _draw(logits, torch.tensor(draws, dtype=torch.float64, device=logits.device))
        logprobs = logits.gather(-1, chosen[:, None])[:, 0] - logits.logsumexp(-1)
        for sequence, token, logprob in zip(fresh, chosen.tolist(), logprobs.tolist(), strict=True):
            sequence.ids.append(token)
            sequence.logprob += logprob

    def _ended(self, sequence: _Running) -> bool:
        return sequence.ids[-1] in self._stop_ids or len(sequence.ids) >= sequence.limit

    def _complete(self, sequence: _Running) -> Completion:
        return Completion(
            text=self._policy.prompt.decode(sequence.ids),
            tokens=len(sequence.ids),
            clipped=sequence.ids[-1] not in self._stop_ids,
            seconds=time.perf_counter() - sequence.started,
            logprob=sequence.logprob,
            prompt_ids=sequence.prompt,
            ids=sequence.ids,
        )


def _draw(logits: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Tokens by inversion: where the cumulated probability of a row first passes its draw.

    Args:
        logits: (n, V) float32.
        draws: (n,) uniform in [0, 1).
    """
    cumulated = logits.double().softmax(-1).cumsum(-1)
    # Rounding may leave the last value under 1; scaling keeps every draw inside.
    return torch.searchsorted(cumulated, (draws * cumulated[:, -1])[:, None], right=True)[:, 0]
