"""Guesses at the next tokens, from what the sequences of the same batch wrote before.

Much of a trace is a formality: behind ``- {op: init,`` comes ``var:``. Such tokens are drafted and
go through the model together with the token before them, which tells whether they are what it
would have written: a draft changes the number of passes, not the text. Method: speculative
decoding (Leviathan et al. 2023, https://arxiv.org/abs/2211.17192) whose draft model is a table of
token n-grams (compare prompt lookup, Saxena 2023).
"""

from __future__ import annotations

from collections.abc import Sequence

ORDERS = (6, 4, 2)
"""Lengths of the contexts that are looked up, the longest first."""
SHARE, SEEN = 0.8, 2
"""A context speaks when it was seen so often, and this share of the time before one token."""
ENTRIES = 1_000_000
"""Contexts remembered at most, some 200 bytes each; later ones are not learnt."""


class Drafts:
    """An n-gram table that grows with what is written."""

    def __init__(self) -> None:
        self._table: dict[tuple[int, ...], list[int]] = {}
        """Context: a token that often follows, how often it did, how often any did since it was
        taken for the likely one."""

    def learn(self, before: Sequence[int], tokens: Sequence[int]) -> None:
        """``tokens`` were written behind ``before``, of which the last few are enough."""
        start = list(before[-ORDERS[0] :])
        window = [*start, *tokens]
        table = self._table
        for end in range(len(start), len(window)):
            token = window[end]
            for order in ORDERS:
                if order > end:
                    continue
                context = tuple(window[end - order : end])
                entry = table.get(context)
                if entry is None:
                    if len(table) < ENTRIES:
                        table[context] = [token, 1, 1]
                    continue
                entry[2] += 1
                if entry[0] == token:
                    entry[1] += 1
                elif entry[1] * 2 < entry[2]:
                    entry[:] = token, 1, 1

    def guess(self, before: Sequence[int], most: int) -> list[int]:
        """Up to ``most`` tokens that are likely to come behind ``before``."""
        window = list(before[-ORDERS[0] :])
        start = len(window)
        while len(window) - start < most:
            token = self._next(window)
            if token is None:
                break
            window.append(token)
        return window[start:]

    def _next(self, window: list[int]) -> int | None:
        for order in ORDERS:
            entry = self._table.get(tuple(window[-order:])) if order <= len(window) else None
            if entry is not None and entry[2] >= SEEN:
                return entry[0] if entry[1] >= SHARE * entry[2] else None
        return None
