"""A key-value cache of slots: sequences enter, grow and leave independently."""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache

GROWTH = 128
"""Positions by which the cache is enlarged at least; each enlargement copies it."""


class SlotCache(Cache):  # type: ignore[misc]
    """Keys and values of up to ``slots`` sequences, each with a length of its own.

    Active sequences occupy slots 0 to ``active`` - 1, so that a step reads plain slices. A
    forward pass is either a *prefill*, which fills new slots from position 0, or a *step*,
    which appends one position to every active slot.
    """

    def __init__(self, config: Any, slots: int, dtype: torch.dtype, device: torch.device) -> None:
        # The base class only keeps layer objects, of which this cache has none.
        self.layers: list[Any] = []
        heads = config.num_key_value_heads
        width = getattr(config, "head_dim", None) or (
            config.hidden_size // config.num_attention_heads
        )
        shape = (config.num_hidden_layers, 2, slots, heads, 0, width)
        self._store = torch.empty(shape, dtype=dtype, device=device)  # (L, 2, S, H, T, D)
        self._rows = torch.arange(slots, device=device)
        self.lengths = torch.zeros(slots, dtype=torch.long, device=device)
        """(S,) positions filled in each slot."""
        self.active = 0
        self._prefill = 0
        self._width = 0

    # -- slots ---------------------------------------------------------------------------

    def begin_prefill(self, lengths: torch.Tensor, width: int) -> None:
        """The next forward pass fills ``len(lengths)`` new slots with up to ``width`` positions."""
        self._prefill = len(lengths)
        self.lengths[self.active : self.active + len(lengths)] = lengths
        self._reserve(width + 1)

    def end_prefill(self) -> None:
        """The new slots are active from here on."""
        self.active += self._prefill
        self._prefill = 0

    def begin_step(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The next forward pass appends a position to each active slot.

        Returns:
            (A, 1) the new positions, and (A, 1, 1, T) which positions each slot attends to.
        """
        lengths = self.lengths[: self.active]
        self._width = int(lengths.max()) + 1
        self._reserve(self._width)
        columns = torch.arange(self._width, device=lengths.device)
        return lengths[:, None], (columns <= lengths[:, None])[:, None, None, :]

    def end_step(self) -> None:
        """The appended positions are part of their sequences from here on."""
        self.lengths[: self.active] += 1

    def release(self, slot: int) -> int:
        """Free ``slot``; the last active sequence moves into it. Returns where it came from."""
        last = self.active - 1
        if slot != last:
            filled = int(self.lengths[last])
            self._store[:, :, slot, :, :filled] = self._store[:, :, last, :, :filled]
            self.lengths[slot] = self.lengths[last]
        self.active = last
        return last

    def _reserve(self, width: int) -> None:
        """Room for ``width`` positions in every slot."""
        have = self._store.shape[4]
        if width <= have:
            return
        shape = list(self._store.shape)
        shape[4] = max(width, have + GROWTH)
        larger = torch.zeros(shape, dtype=self._store.dtype, device=self._store.device)
        larger[..., :have, :] = self._store
        self._store = larger

    # -- what the model's layers call -------------------------------------------------------

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        layer_idx: int,
        *_: Any,
        **__: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store a layer's new keys and values; what its queries attend to."""
        keys, values = self._store[layer_idx]
        if self._prefill:
            new = slice(self.active, self.active + self._prefill)
            keys[new, :, : key_states.shape[2]] = key_states
            values[new, :, : value_states.shape[2]] = value_states
            return key_states, value_states
        rows, lengths = self._rows[: self.active], self.lengths[: self.active]
        keys[rows, :, lengths] = key_states[:, :, 0]
        values[rows, :, lengths] = value_states[:, :, 0]
        return keys[: self.active, :, : self._width], values[: self.active, :, : self._width]

    def get_seq_length(self, layer_idx: int = 0, *_: Any) -> int:
        """What precedes a pass, for masks and positions; a step is given both explicitly."""
        return 0

    def get_mask_sizes(self, query: Any, *_: Any) -> tuple[int, int]:
        """Keys that a prefill attends to, and the first one: those of the pass itself."""
        return (query if isinstance(query, int) else len(query)), 0
