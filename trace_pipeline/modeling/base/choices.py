"""What a constraint allowed where a token was chosen, kept as bits.

The gradient of a constrained policy needs the distribution that its tokens were drawn from: the
model's, cut to what the constraint allowed. The decoder notes that for each token. A set of
tokens takes one bit a row of the head, whatever it holds, and equal sets are kept once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from trace_pipeline.modeling.base.vocabulary import Ids


class TokenSets:
    """Packs sets of tokens; equal ones are one object, also after they were pickled together."""

    def __init__(self, rows: int) -> None:
        """``rows`` is the number of tokens that the model's head knows, V."""
        self._width = -(-rows // 8)
        self._known: dict[bytes, bytes] = {}

    def pack(self, allowed: Ids) -> bytes:
        """The set as W = ceil(V / 8) bytes: token t is bit t // W, from the lowest, of byte t % W.

        A plane of bits is then unpacked in one piece.
        """
        mask = np.zeros(8 * self._width, dtype=bool)
        mask[allowed] = True
        planes = mask.view(np.uint8).reshape(8, self._width)
        bits = planes[0]
        for place in range(1, 8):  # packbits along the first axis takes ten times as long
            bits = bits | planes[place] << place
        packed = bits.tobytes()
        return self._known.setdefault(packed, packed)


@dataclass(frozen=True)
class Choices:
    """The set of tokens that each of M targets was chosen from."""

    bits: torch.Tensor
    """(K, W) uint8, the different sets as :meth:`TokenSets.pack` gives them."""
    sets: torch.Tensor
    """(M,) which of the sets each target was chosen from."""

    @classmethod
    def of(cls, sets: Sequence[bytes]) -> Choices:
        """Packed sets, one for each target."""
        places = {packed: place for place, packed in enumerate(dict.fromkeys(sets))}
        width = len(sets[0]) if sets else 0
        table = np.frombuffer(bytearray().join(places), dtype=np.uint8)
        return cls(
            torch.from_numpy(table.reshape(len(places), width)),
            torch.tensor([places[packed] for packed in sets], dtype=torch.int64),
        )

    def barred(self, part: slice, rows: int) -> torch.Tensor:
        """(n, V) which of the ``rows`` tokens of the head the targets in ``part`` could not be."""
        bits = self.bits[self.sets[part]][:, None]  # (n, 1, W)
        planes = 1 << torch.arange(8, dtype=torch.uint8, device=bits.device)
        return (bits & planes[:, None]).flatten(1)[:, :rows] == 0

    def to(self, device: torch.device) -> Choices:
        """The same on ``device``."""
        return Choices(self.bits.to(device), self.sets.to(device))
