"""Slots: the places of a canonical trace where something is to be chosen, and what may stand there.

All that lies between two slots (``", value: "``, the margin of a line) is part of the texts that
lead from one to the next, so a slot is also the only place where a decoder has to decide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from msgspec import Struct

from trace_pipeline.traces.numbers import Number, decimal_number
from trace_pipeline.traces.writing import KEYWORDS

LONGEST_NAME = 48
"""Characters from which a new name must end; the language itself has no such limit."""
DIGITS = 18
"""Most digits before and after the point, as the canonical reader's."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_NUMBER_START = re.compile(r"(-?)(?:(0|[1-9][0-9]*)(?:(\.)([0-9]*))?)?")


class Free(Struct, frozen=True):
    """A name or a number of the writer's own, and the texts that may follow it."""

    kind: str
    """``name`` or ``number``."""
    ends: tuple[str, ...]
    """Each leads up to the next slot."""
    starts: Callable[[str], bool]
    """Whether a text is the start of something that may stand here."""
    whole: Callable[[str], bool]
    """Whether a text may stand here as it is."""


class Slot(Struct, frozen=True):
    """What may stand in one place: one of ``texts``, or something ``free``."""

    texts: tuple[str, ...] = ()
    """Whole continuations, each up to the next slot; none is the start of another."""
    free: Free | None = None

    def viable(self, typed: str) -> bool:
        """Whether ``typed`` is the start of a continuation (or a whole one)."""
        if any(text.startswith(typed) for text in self.texts):
            return True
        if self.free is None:
            return False
        body, rest = self.split(typed)
        if not rest:
            return self.free.starts(body)
        return self.free.whole(body) and any(end.startswith(rest) for end in self.free.ends)

    def fills(self, typed: str) -> bool:
        """Whether ``typed`` is a whole continuation."""
        if typed in self.texts:
            return True
        if self.free is None:
            return False
        body, rest = self.split(typed)
        return rest in self.free.ends and self.free.whole(body)

    def split(self, typed: str) -> tuple[str, str]:
        """What of ``typed`` belongs to the name or number, and what follows it."""
        assert self.free is not None
        pattern = _NAME if self.free.kind == "name" else _NUMBER_START
        found = pattern.match(typed)
        end = found.end() if found else 0
        return typed[:end], typed[end:]

    def shortest(self, typed: str) -> str:
        """A short whole continuation that starts with ``typed``, which is viable."""
        for text in self.texts:
            if text.startswith(typed):
                return text
        assert self.free is not None
        body, rest = self.split(typed)
        if not rest:
            body = _completed(body, self.free)
        return body + next(end for end in self.free.ends if end.startswith(rest))


def _completed(body: str, free: Free) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz_" if free.kind == "name" else "2134567890"
    while not free.whole(body):
        longer = [body + letter for letter in letters if free.starts(body + letter)]
        body = next((text for text in longer if free.whole(text)), longer[0])
    return body


def variable(ends: tuple[str, ...], taken: Collection[str] = ()) -> Free:
    """A name that is none of ``taken``.

    Names that YAML would take for a boolean or null would have to be quoted; they are left out.
    """

    def whole(text: str) -> bool:
        return bool(_NAME.fullmatch(text)) and text not in taken and text not in KEYWORDS

    def starts(text: str) -> bool:
        if not text:
            return True
        # A taken name of the greatest length must still be able to become another.
        shorter = len(text) <= LONGEST_NAME or not whole(text[:-1])
        return bool(_NAME.fullmatch(text)) and shorter

    return Free("name", ends, starts, whole)


def number(
    ends: tuple[str, ...],
    allowed: Callable[[Number], bool] = lambda _: True,
    *,
    signed: bool = True,
) -> Free:
    """A decimal number whose value, and that of every start of it, is ``allowed``.

    Where 0 is allowed, or every number is, no start of a number leads nowhere.
    """

    def starts(text: str) -> bool:
        found = _NUMBER_START.fullmatch(text)
        if found is None or (text[:1] == "-" and not signed):
            return False
        if len(found[2] or "") > DIGITS or len(found[4] or "") > DIGITS:
            return False
        if found[2] is None:
            return allowed(-1) if text else True
        return allowed(decimal_number(text.removesuffix(".")))

    def whole(text: str) -> bool:
        return bool(_NUMBER.fullmatch(text)) and allowed(decimal_number(text))

    return Free("number", ends, starts, whole)
