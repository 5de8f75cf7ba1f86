"""Streams of random draws that are the same on every machine and in every order.

Each example has a stream of its own, seeded by a hash of everything that names
it, so neighbouring seeds and indices share nothing (``Random(seed + index)``
would give seeds 42 and 43 the same examples, shifted by one).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_BLOCK = 64
_LOW_WATER = 1 << 96
"""Below this the pool is refilled, so that no draw up to 2**32 is biased by over 2**-64."""


class Stream:
    """Uniform draws from a pool of hash bits, consumed as digits of one large integer."""

    __slots__ = ("_counter", "_key", "_pool")

    def __init__(self, *key: str | int) -> None:
        self._key = _joined(key)
        self._counter = 0
        self._pool = int.from_bytes(blake2b(self._key, digest_size=_BLOCK).digest())

    def below(self, bound: int) -> int:
        """A whole number from 0 to ``bound - 1``."""
        if self._pool < _LOW_WATER:
            self._counter += 1
            salt = self._counter.to_bytes(16)
            block = blake2b(self._key, digest_size=_BLOCK, salt=salt).digest()
            self._pool = (self._pool << (8 * _BLOCK)) | int.from_bytes(block)
        self._pool, drawn = divmod(self._pool, bound)
        return drawn

    def choice(self, options: Sequence[T]) -> T:
        """One of ``options``."""
        return options[self.below(len(options))]


def fingerprint(*key: str | int) -> int:
    """A 64-bit hash of ``key``, the same on every machine."""
    return int.from_bytes(blake2b(_joined(key), digest_size=8).digest())


def _joined(key: tuple[str | int, ...]) -> bytes:
    if len(key) == 1 and isinstance(key[0], str):
        return key[0].encode()
    return "\0".join(map(str, key)).encode()
