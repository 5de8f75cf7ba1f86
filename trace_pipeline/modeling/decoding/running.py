"""The sequences that decode together: their state, their cache, their passes through the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from trace_pipeline.experiment import DecodingConfig
from trace_pipeline.modeling.decoding.constrained import TraceConstraint
from trace_pipeline.modeling.decoding.drafts import ORDERS, Drafts
from trace_pipeline.modeling.decoding.endings import EndOfTrace
from trace_pipeline.modeling.network.inference import Forward, forward_of
from trace_pipeline.modeling.network.slots import SlotCache, cache_bytes
from trace_pipeline.modeling.storage.checkpoints import Policy

PREFILL_TOKENS = {"cpu": 1024, "cuda": 4096}
"""Prompt tokens that go through the model together."""
CONTEXT = ORDERS[0]
"""Tokens that a draft depends on."""
TOGETHER = {"cpu": 128, "cuda": 1024}
"""Sequences decoded together at most under ``batch_size: auto``."""
CACHE_BYTES = 4 << 30
"""What their cache may take on a CPU, if all of them were as long as they may be."""


@dataclass
class Running:
    """A sequence in the batch."""

    index: int
    prompt: list[int]
    limit: int
    draws: np.ndarray[Any, np.dtype[np.float64]] | None
    constraint: TraceConstraint | None
    ending: EndOfTrace | None
    seconds: float = 0.0
    """Of the time of the steps that advanced it, its share."""
    ids: list[int] = field(default_factory=list)
    forced: list[bool] = field(default_factory=list)
    choices: list[bytes | None] = field(default_factory=list)
    """What each of ``ids`` was chosen from, packed; None if it was forced."""
    logprob: float = 0.0
    fed: int = 0
    """How many of ``ids`` went through the model."""
    draft: list[int] = field(default_factory=list)
    """Tokens that went through the model behind ``ids``, on the guess that they come next."""
    agreed: int = 0
    """How many of ``draft`` came next."""
    learnt: int = 0
    """How many of ``ids`` later drafts know of."""
    stopped: bool = False
    """Ended, or at its limit."""
    trimmed: bool = False
    """Ended by what it wrote behind a whole trace."""

    def context(self, end: int) -> list[int]:
        """The last tokens of the prompt and the first ``end`` of the completion: a draft's."""
        return (self.prompt[-CONTEXT:] + self.ids[max(0, end - CONTEXT) : end])[-CONTEXT:]

    def force(self, tokens: list[int]) -> None:
        """Append tokens about which there is no choice."""
        self.ids += tokens
        self.forced += [True] * len(tokens)
        self.choices += [None] * len(tokens)


def sequences_together(config: DecodingConfig, device: torch.device) -> int:
    """How many sequences ``config`` decodes together at most."""
    if config.batch_size == "auto":
        return TOGETHER.get(device.type, TOGETHER["cpu"])
    return config.batch_size


def _room(config: DecodingConfig, model: Any, length: int) -> int:
    """How many sequences of up to ``length`` tokens ``config`` lets into the cache."""
    together = sequences_together(config, model.device)
    if config.batch_size != "auto" or model.device.type != "cpu":
        return together
    size = length * cache_bytes(model.config, model.dtype)
    return max(1, min(together, CACHE_BYTES // size))


class RunningBatch:
    """The running sequences, their cache, and the passes through the model."""

    def __init__(self, policy: Policy, config: DecodingConfig, waiting: list[Running]) -> None:
        model = policy.model
        self._device = model.device
        self._forward: Forward = forward_of(model)
        length = max(len(r.prompt) + r.limit for r in waiting)
        self.slots = min(_room(config, model, length), len(waiting))
        # One slot more: the start that all prompts share waits in the last.
        self._shared = _shared_start(policy, waiting)
        slots = self.slots + bool(self._shared)
        self._cache = SlotCache(model.config, slots, length, model.dtype, model.device)
        self.running: list[Running] = []
        self._drafts = Drafts()
        self._most = config.drafts
        if self._shared:
            self._pass(self.slots, [waiting[0].prompt[: self._shared]])

    def admit(self, waiting: list[Running]) -> tuple[list[Running], torch.Tensor]:
        """Let waiting sequences in, as many as have room and go through the model together.

        Returns:
            The new sequences and (n, H) hidden states behind their prompts.
        """
        first, size = len(self.running), 0
        most = PREFILL_TOKENS.get(self._device.type, PREFILL_TOKENS["cpu"])
        entering: list[Running] = []
        distinct: list[int] = []
        """Places of the first sequences of each prompt."""
        while waiting and first + len(entering) < self.slots:
            sequence = waiting[-1]
            if not entering or sequence.prompt != entering[-1].prompt:
                size += len(sequence.prompt) - self._shared
                if distinct and size > most:
                    break
                distinct.append(len(entering))
            entering.append(waiting.pop())
        # Equal prompts share a pass: theirs stand in the first slots, copies go behind.
        order = {place: slot for slot, place in enumerate(distinct)}
        twins = [place for place in range(len(entering)) if place not in order]
        entering = [entering[place] for place in (*distinct, *twins)]
        return self._fill(entering, len(distinct), first)

    def _fill(
        self, entering: list[Running], distinct: int, first: int
    ) -> tuple[list[Running], torch.Tensor]:
        cache = self._cache
        if self._shared:
            cache.copy_start(self.slots, range(first, first + distinct), self._shared)
        prompts = [r.prompt[self._shared :] for r in entering[:distinct]]
        hidden = self._pass(first, prompts)
        sources = {tuple(r.prompt): place for place, r in enumerate(entering[:distinct])}
        behind = [sources[tuple(r.prompt)] for r in entering]
        for place in range(distinct, len(entering)):
            length = len(entering[place].prompt)
            slot = first + place
            cache.copy_start(first + behind[place], range(slot, slot + 1), length)
        cache.active += len(entering)
        self.running += entering
        hidden = hidden[behind]
        forced = [r for r in entering if r.ids]
        if forced:  # what a constraint forces at the very beginning
            hidden = self._pass(first, [r.ids for r in entering])
            for sequence in entering:
                sequence.fed = len(sequence.ids)
        return entering, hidden

    def step(self) -> torch.Tensor:
        """(R, H) hidden states behind the last token of each sequence and those of its draft."""
        new = []
        for sequence in self.running:
            most = min(self._most, sequence.limit - len(sequence.ids) - 1)
            sequence.draft = self._drafts.guess(sequence.context(len(sequence.ids)), most)
            new.append(sequence.ids[sequence.fed :] + sequence.draft)
            sequence.fed, sequence.agreed = len(sequence.ids), 0
        return self._pass(0, new, [1 + len(sequence.draft) for sequence in self.running])

    def settle(self) -> None:
        """Forget the drafted tokens that did not come next; learn from those that did."""
        drafted = False
        for sequence in self.running:
            if self._most:
                before = sequence.context(sequence.learnt)
                self._drafts.learn(before, sequence.ids[sequence.learnt :])
                sequence.learnt = len(sequence.ids)
            drafted = drafted or len(sequence.draft) > sequence.agreed
            sequence.fed += sequence.agreed
            sequence.draft, sequence.agreed = [], 0
        if drafted:
            self._cache.cut([len(s.prompt) + s.fed for s in self.running])

    def release(self, slot: int) -> None:
        """The sequence in ``slot`` is done."""
        self.running[slot] = self.running[-1]
        self.running.pop()
        self._cache.release(slot)

    def _pass(
        self, first: int, new: list[list[int]], wanted: list[int] | None = None
    ) -> torch.Tensor:
        ids = torch.tensor([token for tokens in new for token in tokens], device=self._device)
        plan = self._cache.begin(first, [len(tokens) for tokens in new], wanted)
        hidden = self._forward(ids, plan, self._cache)
        self._cache.end()
        return hidden


def _shared_start(policy: Policy, waiting: list[Running]) -> int:
    """Tokens that begin every prompt, whatever is asked; 0 where sharing them saves nothing."""
    if len({tuple(sequence.prompt) for sequence in waiting}) < 2:
        return 0
    some, other = policy.prompt.prompt_ids("How many?"), policy.prompt.prompt_ids("A 1")
    length = next(
        (n for n, pair in enumerate(zip(some, other, strict=False)) if pair[0] != pair[1]), 0
    )
    length = min(length, min(len(sequence.prompt) for sequence in waiting) - 1)
    start = some[:length]
    return length if all(sequence.prompt[:length] == start for sequence in waiting) else 0
