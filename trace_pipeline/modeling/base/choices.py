"""What a constraint allowed where a token was chosen, kept as bits.

The gradient of a constrained policy needs the distribution that its tokens were drawn from: the
model's, cut to what the constraint allowed. The decoder notes that for each token. A set of
tokens takes one bit a row of the head, whatever it holds, and equal sets are kept once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from trace_pipeline.modeling.base.vocabulary import Ids


class Allowed(NamedTuple):
    """Tokens that may come next.

    Thousands may begin or go on a name, always the same ones: these are named, not listed.
    """

    few: Ids
    """In any order, each once."""
    common: int | None = None
    """And those of this place in :attr:`Vocabulary.common`; none of them is among ``few``."""

    def ids(self, common: Sequence[Ids]) -> Ids:
        """All of them, given :attr:`Vocabulary.common`."""
        if self.common is None:
            return self.few
        return np.concatenate((self.few, common[self.common]))


class TokenSets:
    """Packs sets of tokens; equal ones are one object, also after they were pickled together."""

    def __init__(self, rows: int, common: Sequence[Ids] = ()) -> None:
        """``rows`` is the number of tokens that the model's head knows, V."""
        self._width = -(-rows // 8)
        self._common = [self._bits(tokens) for tokens in common]
        self._known: dict[bytes, bytes] = {}

    def pack(self, allowed: Allowed) -> bytes:
        """The set as W = ceil(V / 8) bytes: token t is bit t // W, from the lowest, of byte t % W.

        A plane of bits is then unpacked in one piece.
        """
        bits = self._bits(allowed.few)
        if allowed.common is not None:
            bits |= self._common[allowed.common]
        packed = bits.tobytes()
        return self._known.setdefault(packed, packed)

    def _bits(self, tokens: Ids) -> np.ndarray[Any, np.dtype[np.uint8]]:
        bits = np.zeros(self._width, dtype=np.uint8)
        place, byte = np.divmod(tokens, self._width)
        np.bitwise_or.at(bits, byte, (1 << place).astype(np.uint8))
        return bits


class TokenMasks:
    """Which tokens may not come, as masks on a device that holds the common sets' already."""

    def __init__(self, rows: int, common: Sequence[Ids], device: torch.device) -> None:
        """``rows`` is the number of tokens that the model's head knows, V."""
        barred = torch.ones((len(common) + 1, rows), dtype=torch.bool)
        for mask, tokens in zip(barred, common, strict=False):
            mask[torch.from_numpy(tokens)] = False
        self._barred = barred.to(device)  # the last row bars all

    def barred(self, allowed: Sequence[Allowed]) -> torch.Tensor:
        """(n, V) the tokens that are not allowed, a row for each of ``allowed``."""
        none = len(self._barred) - 1
        sets = [none if one.common is None else one.common for one in allowed]
        rows = np.repeat(np.arange(len(allowed)), [len(one.few) for one in allowed])
        columns = np.concatenate([one.few for one in allowed])
        device = self._barred.device
        barred = self._barred[torch.tensor(sets, device=device)]
        places = torch.from_numpy(np.stack((rows, columns))).to(device)
        barred[places[0], places[1]] = False
        return barred


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
