"""Examples as token sequences, and batches of them by length under a token budget."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import torch

from trace_pipeline.modeling.base.choices import Choices
from trace_pipeline.modeling.base.prompts import Prompt
from trace_pipeline.traces import Number, Trace, render_trace
from trace_pipeline.validation import InvalidInputError

log = logging.getLogger(__name__)

Ints = np.ndarray[Any, np.dtype[np.int64]]

POOL = 8
"""Batches that are sorted by length together: little padding, and still mixed problems."""
ROW = 8
"""Whole rows have a multiple of so many places, which kernels of a GPU like."""
_NOTHING = -1
"""Stands behind the end of a row; no token."""


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
    choices: list[bytes | None] | None = None
    """What each token of the completion was chosen from (``TokenSets.pack``); those without a
    choice are no targets. None where nothing constrained them: all are targets."""

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


@dataclass(frozen=True)
class Batch:
    """Sequences as a prefix tree and as padded rows, and where there is loss.

    A node of the tree is a token with all that precedes it, so sequences that begin alike
    share nodes. Rows are padded on the right, so causal attention needs no mask.
    """

    ids: torch.Tensor
    """(N,) the token of each node."""
    depths: torch.Tensor
    """(N,) its position in its sequence."""
    paths: torch.Tensor
    """(B, T) the nodes of each sequence; what lies behind its end is 0 and means nothing."""
    homes: torch.Tensor
    """(N,) index into the flattened (B*T) rows where each node comes first."""
    twins: torch.Tensor
    """(S,) index into the flattened rows where a node comes once more, shared with a row before."""
    positions: torch.Tensor
    """(M,) nodes that predict a target: a completion token, unless it was forced."""
    targets: torch.Tensor
    """(M,) the tokens they predict."""
    rows: torch.Tensor
    """(M,) the sequence in the batch that each target belongs to."""
    tokens: int
    """Tokens of all sequences, shared ones counted in each."""
    choices: Choices | None = None
    """What the targets were chosen from; None where that is the whole vocabulary."""
    whole_rows: bool = False
    """Whether each place of the rows is a node, padding too, so that nothing needs unfolding."""

    @property
    def input_ids(self) -> torch.Tensor:
        """(B, T) the rows as tokens."""
        return self.ids[self.paths]

    @property
    def padding(self) -> int:
        """Positions of the rows that hold nothing."""
        return self.paths.numel() - self.tokens

    @property
    def shared(self) -> int:
        """Tokens that are not computed, because another sequence begins with them too."""
        return 0 if self.whole_rows else self.tokens - len(self.ids)

    def to(self, device: torch.device) -> Batch:
        """The batch on ``device``."""
        fields = ("ids", "depths", "paths", "homes", "twins", "positions", "targets", "rows")
        moved: dict[str, Any] = {name: getattr(self, name).to(device) for name in fields}
        choices = None if self.choices is None else self.choices.to(device)
        return replace(self, **moved, choices=choices)


def tokenise(
    prompt: Prompt,
    examples: Sequence[TraceExample],
    max_len: int,
    overflow: Literal["error", "cut"] = "error",
) -> list[Sequences]:
    """Token sequences of ``examples``, in order, and behind them those of their explanations.

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
    told = [e for e in examples if getattr(e, "explanation", "")]
    prompts = [prompt.text(e.question) for e in examples]
    prompts += [prompt.explained(e.question) for e in told]
    targets = [render_trace(e.trace) for e in examples]
    targets += [getattr(e, "explanation", "") for e in told]
    pairs = zip(prompt.ids_of_many(prompts), prompt.target_ids_of_many(targets), strict=True)
    sequences = [Sequences(*pair) for pair in pairs]
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


def require_context(
    sequences: Sequence[Sequences], context: int | None, what: str = "example"
) -> None:
    """Refuse sequences that are longer than the model can take.

    Args:
        sequences: prompts and completions.
        context: the model's longest input in tokens; None if it names none.
        what: what they are, for the message.

    Raises:
        InvalidInputError: one is longer.
    """
    longest = max(sequences, key=len)
    if context is None or len(longest) <= context:
        return
    raise InvalidInputError(
        f"the base model takes {context} tokens, the longest {what} has {len(longest)} "
        f"({len(longest.prompt)} of prompt); take a model with a longer context, or a shorter "
        "prompt (prompt.system: one_line)"
    )


def plan_batches(
    lengths: Sequence[int], budget: int, seed: int | str, epoch: int = 0
) -> list[list[int]]:
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


def fill_batches(order: Sequence[int], lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Cut ``order``, a sequence of indices, into batches of at most ``budget`` tokens.

    The rows of a batch are as long as its longest, so neighbours should be of similar length.
    """
    batches: list[list[int]] = []
    current: list[int] = []
    longest = 0
    for index in order:
        longest = max(longest, lengths[index])
        if current and (len(current) + 1) * longest > budget:
            batches.append(current)
            current, longest = [], lengths[index]
        current.append(index)
    return [*batches, current] if current else batches


def collate(sequences: Sequence[Sequences], whole_rows: bool = False) -> Batch:
    """One batch of ``sequences``, all with choices or all without.

    Loss is on the completions only, and there on what was chosen. ``whole_rows`` shares nothing:
    each place of the rows is a node of its own, and rows end at a multiple of ``ROW``.
    """
    prompts = np.array([len(s.prompt) for s in sequences])
    lengths = np.array([len(s) for s in sequences])
    count, width = len(sequences), int(lengths.max())
    if whole_rows:
        width = -(-width // ROW) * ROW
    tokens = np.full((count, width), _NOTHING)
    for row, sequence in enumerate(sequences):
        tokens[row, : lengths[row]] = sequence.prompt + sequence.completion
    places = np.arange(count * width).reshape(count, width)
    column = np.arange(width)
    filled = column < lengths[:, None]
    if whole_rows:
        tokens[~filled] = 0
        homes, paths, twins = places.ravel(), places, places[:0]
    else:
        first = _first_places(tokens)
        is_home = (first == places) & filled
        homes, twins = np.flatnonzero(is_home), np.flatnonzero(filled & ~is_home)
        node_of_home = is_home.ravel().cumsum() - 1
        paths = np.where(filled, node_of_home[first], 0)
    target = filled & (column >= prompts[:, None])
    choices = None
    if sequences[0].choices is not None:
        sets = [packed for sequence in sequences for packed in sequence.choices or ()]
        target[target] = [packed is not None for packed in sets]
        choices = Choices.of([packed for packed in sets if packed is not None])
    predicts = np.zeros_like(target)
    predicts[:, :-1] = target[:, 1:]
    return Batch(
        ids=torch.from_numpy(tokens.ravel()[homes]),
        depths=torch.from_numpy(homes % width),
        paths=torch.from_numpy(paths),
        homes=torch.from_numpy(homes),
        twins=torch.from_numpy(twins.ravel()),
        positions=torch.from_numpy(paths[predicts]),
        targets=torch.from_numpy(tokens[target]),
        rows=torch.from_numpy(np.nonzero(target)[0]),
        tokens=int(lengths.sum()),
        choices=choices,
        whole_rows=whole_rows,
    )


def _first_places(tokens: Ints) -> Ints:
    """(B, T) index into the flattened rows where the prefix that ends in each place comes first.

    Sorted, rows with a prefix in common lie behind each other: in every column they are a run,
    which begins where a row shares less than that column with the row before.

    Args:
        tokens: (B, T), rows padded with a number that is no token.
    """
    count, width = tokens.shape
    order = np.lexsort(tokens.T[::-1])
    ordered = tokens[order]
    same = (ordered[1:] == ordered[:-1]) & (ordered[1:] != _NOTHING)
    begins = np.ones((width, count), dtype=bool)  # by column, so that a run lies in one piece
    begins[:, 1:] = ~np.logical_and.accumulate(same, axis=1).T
    runs = begins.ravel().cumsum() - 1
    rows = np.tile(order, width)
    first_rows = np.minimum.reduceat(rows, np.flatnonzero(begins))[runs].reshape(width, count)
    first = np.empty((count, width), dtype=np.int64)
    first[order] = first_rows.T * width + np.arange(width)
    return first
