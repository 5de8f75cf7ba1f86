"""A key-value cache of slots: sequences enter, grow by any number of tokens and leave."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from transformers.cache_utils import Cache


class Pass:
    """One forward pass: ``counts[i]`` new tokens for each of the slots from ``first`` on.

    The tokens lie flat, sequence after sequence, so that nothing is computed for padding; N is
    their number, A that of the sequences, Q the most tokens of one, T the positions attended to.
    The hidden states behind the last ``wanted[i]`` tokens of each sequence are asked for, R in all;
    by default behind the last.
    """

    def __init__(
        self, cache: SlotCache, first: int, counts: list[int], wanted: list[int] | None = None
    ) -> None:
        device = cache.store.device
        count = torch.tensor(counts, device=device)
        starts = cache.lengths[first : first + len(counts)]
        ends = count.cumsum(0)
        self.first, self.sequences, self.tokens = first, len(counts), sum(counts)
        self.longest = max(counts)
        """Q."""
        self.wanted = ends - 1
        """(R,) places among the flat tokens of those behind which the states are asked for."""
        if wanted is not None and max(wanted) > 1:
            ranges = zip(ends.tolist(), wanted, strict=True)
            places = [place for end, size in ranges for place in range(end - size, end)]
            self.wanted = torch.tensor(places, device=device)
        self.rows = torch.repeat_interleave(torch.arange(len(counts), device=device), count)
        """(N,) sequence of each token."""
        self.columns = torch.arange(self.tokens, device=device) - (ends - count)[self.rows]
        """(N,) place of each token among its sequence's new ones."""
        self.positions = starts[self.rows] + self.columns
        """(N,) position of each token in its sequence."""
        self.slots = self.rows + first
        """(N,) slot of each token."""
        self.lengths = starts + count
        """(A,) lengths of the sequences after the pass."""
        self.width = int(self.lengths.max())
        """T."""
        self.ragged = self.longest > 1 and min(counts) < self.longest
        column = torch.arange(self.width, device=device)
        query = starts[:, None] + torch.arange(self.longest, device=device)
        self.mask = (column <= query[:, :, None])[:, None]
        """(A, 1, Q, T) whether a new token (its row, padded) attends to a position."""
        self.needs_mask = not bool(self.mask.all())

    def padded(self, flat: torch.Tensor) -> torch.Tensor:
        """(N, ...) by token as (A, Q, ...) by sequence, zeros where a sequence has fewer."""
        if not self.ragged:
            return flat.view(self.sequences, self.longest, *flat.shape[1:])
        result = flat.new_zeros(self.sequences, self.longest, *flat.shape[1:])
        result[self.rows, self.columns] = flat
        return result

    def flat(self, padded: torch.Tensor) -> torch.Tensor:
        """The inverse of :meth:`padded`."""
        if not self.ragged:
            return padded.reshape(self.tokens, *padded.shape[2:])
        return padded[self.rows, self.columns]


class SlotCache(Cache):  # type: ignore[misc]
    """Keys and values of up to ``slots`` sequences, each with a length of its own.

    Active sequences occupy slots 0 to ``active`` - 1, so that a pass reads plain slices. Room for
    ``length`` positions is there from the start: on a CPU, memory is taken only as it is filled.
    """

    def __init__(
        self, config: Any, slots: int, length: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        # The base class only keeps layer objects, of which this cache has none.
        self.layers: list[Any] = []
        layers, heads, width = _sizes(config)
        shape = (layers, 2, slots, heads, length, width)
        self.store = _lazy_zeros(shape, dtype, device)
        """(L, 2, S, H, T, D) keys and values; what is not filled is finite."""
        self.lengths = torch.zeros(slots, dtype=torch.long, device=device)
        """(S,) positions filled in each slot."""
        self.active = 0
        self._pass: Pass | None = None

    def begin(self, first: int, counts: list[int], wanted: list[int] | None = None) -> Pass:
        """Start a pass that appends ``counts`` tokens to the slots from ``first`` on."""
        self._pass = Pass(self, first, counts, wanted)
        return self._pass

    def end(self) -> None:
        """The appended tokens are part of their sequences from here on."""
        assert self._pass is not None
        first, lengths = self._pass.first, self._pass.lengths
        self.lengths[first : first + len(lengths)] = lengths
        self._pass = None

    def cut(self, lengths: list[int]) -> None:
        """Shorten the active sequences to ``lengths``: what follows did not come about."""
        self.lengths[: len(lengths)] = torch.tensor(lengths, device=self.lengths.device)

    def copy_start(self, source: int, targets: range, length: int) -> None:
        """Give the slots ``targets`` the first ``length`` positions of ``source``."""
        if len(targets):
            part = self.store[:, :, source : source + 1, :, :length]
            self.store[:, :, targets.start : targets.stop, :, :length] = part
            self.lengths[targets.start : targets.stop] = length

    def release(self, slot: int) -> int:
        """Free ``slot``; the last active sequence moves into it. Returns where it came from."""
        last = self.active - 1
        if slot != last:
            filled = int(self.lengths[last])
            self.store[:, :, slot, :, :filled] = self.store[:, :, last, :, :filled]
            self.lengths[slot] = self.lengths[last]
        self.active = last
        self.lengths[last] = 0
        return last

    def write(self, layer: int, flat: torch.Tensor) -> None:
        """Store a layer's new keys and values, (N, 2, H, D)."""
        assert self._pass is not None
        self.store[layer][:, self._pass.slots, :, self._pass.positions] = flat

    def read(self, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(A, H, T, D) keys and values that the pass attends to."""
        assert self._pass is not None
        rows = slice(self._pass.first, self._pass.first + self._pass.sequences)
        keys, values = self.store[layer, :, rows, :, : self._pass.width]
        return keys, values

    # -- what the layers of transformers call ------------------------------------------------

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        layer_idx: int,
        *_: Any,
        **__: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store a layer's new keys and values, (A, H, Q, D); what its queries attend to."""
        assert self._pass is not None
        both = torch.stack((key_states, value_states), 2).permute(0, 3, 2, 1, 4)  # (A, Q, 2, H, D)
        self.write(layer_idx, self._pass.flat(both))
        return self.read(layer_idx)

    def get_seq_length(self, layer_idx: int = 0, *_: Any) -> int:
        """What precedes a pass, for masks and positions; a pass is given both explicitly."""
        return 0

    def get_mask_sizes(self, query: Any, *_: Any) -> tuple[int, int]:
        """Keys that a pass attends to, and the first one."""
        assert self._pass is not None
        return self._pass.width, 0


def cache_bytes(config: Any, dtype: torch.dtype) -> int:
    """What one position of a sequence takes in a :class:`SlotCache`."""
    layers, heads, width = _sizes(config)
    return 2 * layers * heads * width * dtype.itemsize


def _sizes(config: Any) -> tuple[int, int, int]:
    """Layers, key-value heads, and the width of a head."""
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return config.num_hidden_layers, config.num_key_value_heads, width


def _lazy_zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Zeros whose memory, on a CPU, the system hands out page by page as it is written."""
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    size = int(np.prod(shape)) * dtype.itemsize
    return torch.from_numpy(np.zeros(size, dtype=np.uint8)).view(dtype).view(shape)
