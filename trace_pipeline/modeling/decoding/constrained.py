"""Constrained decoding: only tokens that can still become a valid trace, and no step for the rest.

The grammar (:mod:`trace_pipeline.solver.prefix`) speaks of texts, the model of tokens. Where the
grammar leaves a choice among texts, each is tokenised in its context, as training targets are,
and the next tokens of these tokenisations are offered. Where it leaves one text, its tokens are
forced, all but those at its end which what follows may still change (the space before a name is
part of the name's first token): these wait, *owed*, and are chosen together with what follows.
New names and numbers are written with any tokens of their letters or digits.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from trace_pipeline.modeling.base.choices import Allowed
from trace_pipeline.modeling.base.vocabulary import (
    LONGEST,
    NAME_START,
    SPACED_NAME_START,
    Ids,
    Vocabulary,
)
from trace_pipeline.solver.prefix import Free, Slot, TracePrefix

STEP_CHARACTERS = 260
"""By so much more, at most, an end is away after one choice."""
_SLACK = 8
"""Tokens by which an estimate of an end's length may be off."""
_PROBES = {"name": ("a", "_"), "number": ("1", "-1", "0.")}


class TraceConstraint:
    """The state of one sequence: what it has written, and which tokens may come."""

    def __init__(
        self, vocabulary: Vocabulary, end_id: int, limit: int, sensible: bool = False
    ) -> None:
        """``limit`` is the most tokens, the end token included.

        ``sensible`` leaves out what makes no sense, while something else is left
        (:meth:`TracePrefix.preferred`).
        """
        self._sensible = sensible
        self._vocabulary = vocabulary
        self._end_id = end_id
        self.left = limit
        """Tokens that may still come, the end token included."""
        self._prefix = TracePrefix()
        self._typed = ""
        """What is written of the slot at hand."""
        self._owed = ""
        """What is decided but not written yet."""
        self._context: list[int] = []
        """Tokens since the anchor: the start of the line, or of the text."""
        self._written = ""
        """Their text."""
        self._continued: tuple[Slot, str, list[str], Free | None] | None = None
        """What :meth:`_continuations` found last, and where."""
        self._closed = False
        self.ended = False

    # -- what the decoder calls --------------------------------------------------------------

    def allowed(self) -> Allowed:
        """The tokens that may come next, two or more; settle first."""
        return self._allowed

    def choices(self) -> Ids:
        """The ids of :meth:`allowed`."""
        return self._allowed.ids(self._vocabulary.common)

    def accept(self, token: int) -> None:
        """The decoder chose ``token`` among the choices."""
        self._write(token)

    def settle(self) -> list[int]:
        """Tokens that come of necessity, before the next choice or up to the end."""
        forced: list[int] = []
        while not self.ended and self.left > 0:
            self._decide()
            forced += self._pay()
            if self.left <= 0:
                break
            if self._finished():
                self._write(self._end_id)
                forced.append(self._end_id)
                break
            self._allowed = self._next_tokens()
            if self._allowed.common is not None or len(self._allowed.few) > 1:
                break
            token = int(self._allowed.few[0])
            self._write(token)
            forced.append(token)
        return forced

    # -- what is decided ---------------------------------------------------------------------

    def _finished(self) -> bool:
        if self._typed or self._owed or not self._prefix.complete:
            return False
        return self._closed or not self._prefix.slot().texts

    def _decide(self) -> None:
        """Take the continuations that are the only ones left; their text is owed."""
        while True:
            texts, free = self._continuations()
            if len(texts) != 1 or free or (self._prefix.complete and not self._typed):
                return
            self._prefix.take(texts[0])
            self._owed += texts[0][len(self._typed) :]
            self._typed = ""

    def _continuations(self) -> tuple[list[str], Free | None]:
        """Whole texts that go on with what is typed, and what is free to be written on."""
        slot, typed = self._prefix.slot(), self._typed
        if self._continued is None or self._continued[0] is not slot or self._continued[1] != typed:
            self._continued = slot, typed, *self._find_continuations(slot, typed)
        return self._continued[2], self._continued[3]

    def _find_continuations(self, slot: Slot, typed: str) -> tuple[list[str], Free | None]:
        texts = [text for text in slot.texts if text.startswith(typed)]
        if self._sensible and len(texts) > 1:
            texts = self._prefix.preferred(texts)
        if slot.free is None:
            return texts, None
        body, rest = slot.split(typed)
        if not rest:
            return texts, slot.free if slot.free.starts(body) else None
        return texts + [body + end for end in slot.free.ends if end.startswith(rest)], None

    def _pay(self) -> list[int]:
        """Write what is owed, as far as its tokens do not depend on what follows."""
        if not self._owed:
            return []
        slot = self._prefix.slot()
        probes = list({text[:3]: text[:12] for text in slot.texts}.values())
        probes += _PROBES[slot.free.kind] if slot.free is not None else ()
        paid: list[int] = []
        for token in self._stable(self._owed, probes or [""]):
            self._write(token)
            paid.append(token)
            if self.left <= 0:
                break
        return paid

    def _stable(self, text: str, probes: Iterable[str]) -> list[int]:
        """Tokens of ``text`` that are the same whichever of ``probes`` follows."""
        paths = [self._path(text + probe) for probe in probes]
        tokens: list[int] = []
        size = 0
        for column in zip(*paths, strict=False):
            size += len(self._text(column[0], first=not tokens))
            if len(set(column)) > 1 or size > len(text):
                break
            tokens.append(column[0])
        return tokens

    # -- what may come -----------------------------------------------------------------------

    def _next_tokens(self) -> Allowed:
        (texts, free), typed = self._continuations(), self._typed
        may_end = self._prefix.complete and not typed
        if self._near_limit():
            texts, free, may_end = self._affordable(texts, free, may_end)
            if not (texts or free or may_end):
                return self._close()
        firsts: dict[int, None] = {}
        for text in texts:
            firsts[self._first(self._owed + text[len(typed) :])] = None
        if may_end:
            firsts[self._end_id] = None
        common = None if free is None else self._free_tokens(free, typed, firsts)
        if common is not None:
            many = self._vocabulary.common[common]
            firsts = {token: None for token in firsts if not _holds(many, token)}
        return Allowed(np.fromiter(firsts, dtype=np.int64), common)

    def _free_tokens(self, free: Free, body: str, firsts: dict[int, None]) -> int | None:
        """The common set of tokens that write on a name; what else may come goes to ``firsts``."""
        vocabulary, owed = self._vocabulary, self._owed
        if free.whole(body) and not owed:
            for end in free.ends:
                firsts[self._first(end)] = None
        if owed and owed != " ":  # something that no token joins with what follows
            firsts[self._path(owed)[0]] = None
            return None
        if owed:
            for probe in vocabulary.letters if free.kind == "name" else _PROBES["number"]:
                first = self._path(owed + probe)[0]
                if vocabulary.text(first) == owed:  # the space is a token of its own
                    firsts[first] = None
                    break
        if free.kind == "number":
            for index, text in vocabulary.number_tokens:
                if (text[0] == " ") == bool(owed) and free.starts(body + text.lstrip(" ")):
                    firsts[index] = None
            return None
        if owed:
            return SPACED_NAME_START
        if not body:
            return NAME_START
        for size in range(LONGEST, 1, -1):
            if free.starts(body + "x" * size):
                return size
        for index in vocabulary.common[1].tolist():
            if free.starts(body + vocabulary.text(index)):
                firsts[index] = None
        return None

    # -- the limit ---------------------------------------------------------------------------

    def _near_limit(self) -> bool:
        """Whether a choice may lead so far from an end that the tokens left do not suffice."""
        if self._closed:
            return False
        width = STEP_CHARACTERS * self._vocabulary.density
        if self.left > 3 * width:
            return False
        return self.left < self._cost(self._prefix, self._typed, "") + width

    def _cost(self, prefix: TracePrefix, typed: str, text: str) -> int:
        """Tokens to a valid end by way of ``text``, the end token included."""
        ending = prefix.ending(typed)
        return len(self._path(self._owed + text + ending)) + 1

    def _affordable(
        self, texts: list[str], free: Free | None, may_end: bool
    ) -> tuple[list[str], Free | None, bool]:
        """Of what may come, that from which an end can still be reached."""
        kept = []
        for text in texts:
            after = self._prefix.copy()
            after.take(text)
            cost = self._cost(after, "", text[len(self._typed) :])
            if cost + _SLACK <= self.left:
                kept.append(text)
        cost = self._cost(self._prefix, self._typed, "")
        return kept, free if cost + 2 * _SLACK <= self.left else None, may_end

    def _close(self) -> Allowed:
        """Nothing else fits: the rest is the shortest end."""
        ending = self._prefix.ending(self._typed)
        self._prefix.feed(self._typed + ending)
        self._owed += ending
        self._typed, self._closed = "", True
        return Allowed(np.array(self._path(self._owed)[:1] or [self._end_id], dtype=np.int64))

    # -- tokens ------------------------------------------------------------------------------

    def _path(self, text: str) -> list[int]:
        """Tokens of ``text`` behind what is written: as trained on, where that goes together."""
        if not text:
            return []
        encoded = self._vocabulary.encode(self._written + text)
        count = len(self._context)
        if list(encoded[:count]) == self._context and len(encoded) > count:
            return list(encoded[count:])
        return self._vocabulary.alone(text)

    def _first(self, text: str) -> int:
        """The first token of ``text``, whose last space may go to what follows it."""
        token = self._path(text)[0]
        return token if token in self._vocabulary.phrases else self._path(text.rstrip(" "))[0]

    def _text(self, token: int, *, first: bool) -> str:
        """What ``token`` adds; some tokenizers begin a text with a space that is none."""
        text = self._vocabulary.text(token)
        alone = first and not self._context and not self._written
        return text.removeprefix(" ") if alone and not self._vocabulary.by_line else text

    def _write(self, token: int) -> None:
        self.left -= 1
        if token == self._end_id:
            self.ended = True
            return
        text = self._text(token, first=True)
        self._context.append(token)
        self._written += text
        if self._vocabulary.by_line and "\n" in text:
            self._context, self._written = [], ""
        if self._owed:
            paid = min(len(self._owed), len(text))
            assert self._owed.startswith(text[:paid]), (self._owed, text)
            self._owed, text = self._owed[paid:], text[paid:]
        typed = self._prefix.feed(self._typed + text) if text else self._typed
        assert typed is not None, (self._written, text)
        self._typed = typed


def _holds(ascending: Ids, token: int) -> bool:
    place = int(np.searchsorted(ascending, token))
    return place < len(ascending) and int(ascending[place]) == token
