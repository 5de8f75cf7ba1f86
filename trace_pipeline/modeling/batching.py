"""Examples as token sequences, and batches of them by length under a token budget."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch

from trace_pipeline.modeling.prompts import Prompt
from trace_pipeline.traces import Number, Trace, render_trace
from trace_pipeline.validation import InvalidInputError

log = logging.getLogger(__name__)

POOL = 8
"""Batches that are sorted by length together: little padding, and still mixed problems."""


class TraceExample(Protocol):
    """A problem with its trace; ``generation.Example`` is one."""

    @property
    def question(self) -> str:
        """The word problem."""

    @property
    def trace(self) -> Trace:
        """What the model is to write."""

    @property
    def answer(self) -> Number:
        """What the solver computes from it."""

    @property
    def expert(self) -> str | None:
        """The expert that the trace must name; None if any may answer."""


@dataclass(frozen=True)
class Sequences:
    """One prompt and its completion as token ids."""

    prompt: list[int]
    completion: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


@dataclass(frozen=True)
class Batch:
    """Padded sequences, and where there is loss.

    Padding is on the right, so causal attention needs no mask: no real token sees it.
    """

    input_ids: torch.Tensor
    """(B, T)."""
    positions: torch.Tensor
    """(N,) indices into the flattened (B*T) positions that predict a completion token."""
    targets: torch.Tensor
    """(N,) the tokens they predict."""
    rows: torch.Tensor
    """(N,) the sequence in the batch that each target belongs to."""
    tokens: int
    """Real tokens."""

    @property
    def padding(self) -> int:
        """Positions that hold nothing."""
        return self.input_ids.numel() - self.tokens

    def to(self, device: torch.device) -> Batch:
        """The batch on ``device``."""
        return Batch(
            self.input_ids.to(device),
            self.positions.to(device),
            self.targets.to(device),
            self.rows.to(device),
            self.tokens,
        )


def tokenise(
    prompt: Prompt,
    examples: Sequence[TraceExample],
    max_len: int,
    overflow: Literal["error", "cut"] = "error",
) -> list[Sequences]:
    """Token sequences of ``examples``, in order.

    Args:
        prompt: how questions are asked.
        examples: problems with traces.
        max_len: longest prompt plus target in tokens.
        overflow: what happens to longer ones. ``cut`` drops the end of the target, which
            teaches a model to write broken traces; it exists to repeat that experiment.

    Raises:
        InvalidInputError: no examples, or a sequence over ``max_len`` (with ``cut``: a prompt
            that leaves no room for a target).
    """
    if not examples:
        raise InvalidInputError("there are no training examples; generate some first")
    sequences = [
        Sequences(prompt.prompt_ids(e.question), prompt.target_ids(render_trace(e.trace)))
        for e in examples
    ]
    too_long = [i for i, s in enumerate(sequences) if len(s) > max_len]
    if not too_long:
        return sequences
    longest = max(too_long, key=lambda index: len(sequences[index]))
    found = (
        f"{len(too_long)} of {len(sequences)} examples are longer than sft.max_len {max_len}; "
        f"the longest, example {longest}, has {len(sequences[longest])} tokens "
        f"({len(sequences[longest].prompt)} of prompt)"
    )
    if overflow == "error" or any(len(s.prompt) >= max_len for s in sequences):
        raise InvalidInputError(f"{found}. Raise sft.max_len, or shorten the prompt")
    log.warning("%s; their targets are cut, as sft.overflow: cut says", found)
    return [Sequences(s.prompt, s.completion[: max_len - len(s.prompt)]) for s in sequences]


def plan_batches(lengths: Sequence[int], budget: int, seed: int, epoch: int = 0) -> list[list[int]]:
    """Indices of the sequences of each batch of one epoch.

    Every sequence is in exactly one batch. A batch holds at most ``budget`` tokens, padding
    included, or a single longer sequence. The same arguments give the same plan.
    """
    shuffler = random.Random(f"{seed}/{epoch}")
    order = list(range(len(lengths)))
    shuffler.shuffle(order)
    batches: list[list[int]] = []
    pool: list[int] = []
    pooled = 0
    for index in order:
        pool.append(index)
        pooled += lengths[index]
        if pooled >= POOL * budget:
            batches += fill_batches(sorted(pool, key=lambda i: lengths[i]), lengths, budget)
            pool, pooled = [], 0
    batches += fill_batches(sorted(pool, key=lambda i: lengths[i]), lengths, budget)
    shuffler.shuffle(batches)
    return batches


def fill_batches(order: list[int], lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Cut ``order``, indices sorted by length, into batches of at most ``budget`` tokens."""
    batches: list[list[int]] = []
    current: list[int] = []
    for index in order:
        if current and (len(current) + 1) * lengths[index] > budget:
            batches.append(current)
            current = []
        current.append(index)
    return [*batches, current] if current else batches


def collate(sequences: Sequence[Sequences], pad_id: int) -> Batch:
    """One padded batch of ``sequences``; loss is on the completions only."""
    width = max(len(s) for s in sequences)
    rows: list[list[int]] = []
    positions: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    for row, sequence in enumerate(sequences):
        ids = sequence.prompt + sequence.completion
        rows.append(ids + [pad_id] * (width - len(ids)))
        start = row * width + len(sequence.prompt) - 1
        positions += range(start, start + len(sequence.completion))
        targets += sequence.completion
        owners += [row] * len(sequence.completion)
    return Batch(
        torch.tensor(rows),
        torch.tensor(positions),
        torch.tensor(targets),
        torch.tensor(owners),
        tokens=sum(len(s) for s in sequences),
    )
