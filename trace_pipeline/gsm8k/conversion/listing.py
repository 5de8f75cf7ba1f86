"""How many things a question lists, for authors who count them unsaid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trace_pipeline.gsm8k.conversion.constants import words
from trace_pipeline.gsm8k.conversion.mentions import Token

LONGEST_ITEM = 4
"""Words of one thing that is listed."""
_CALENDAR = words(
    "monday tuesday wednesday thursday friday saturday sunday january february march april may "
    "june july august september october november december"
)
_SHARED = words("each both apiece equal equally same every")
"""Words by which two things, named side by side, are counted."""


def list_sizes(tokens: Sequence[Token]) -> frozenset[int]:
    """The lengths of lists of plain words: 3 for ``plums, figs, and dates``.

    Two things count where the sentence says something of each of them, and two days do.
    Lists with numbers are none (the numbers stand for themselves), nor are lists of names
    (those are people).
    """
    sizes: set[int] = set()
    start = 0
    for end, token in enumerate(tokens):
        if token.text in ".?!":
            sizes.update(_sizes(tokens[start:end]))
            start = end + 1
    sizes.update(_sizes(tokens[start:]))
    return frozenset(sizes)


def _sizes(sentence: Sequence[Token]) -> Iterator[int]:
    shared = any(token.lower in _SHARED for token in sentence)
    for place, token in enumerate(sentence):
        if token.lower not in ("and", "or") or place + 1 == len(sentence):
            continue
        if not _is_plain(sentence[place + 1]) or place == 0:
            continue
        end = place - (sentence[place - 1].text == ",")
        count = 1
        while True:
            start = end
            while start > 0 and _is_plain(sentence[start - 1]):
                start -= 1
            if start == end:
                break  # a number or a mark stands here: no list
            count += 1
            if start == 0 or sentence[start - 1].text != "," or end - start > LONGEST_ITEM:
                dated = sentence[place - 1].lower in _CALENDAR
                if count > 2 or shared or dated:
                    yield count
                break
            end = start - 1


def _is_plain(token: Token) -> bool:
    """Whether a token is a word that is no name and joins nothing."""
    lower = token.lower
    if token.kind != "word" or lower in ("and", "or"):
        return False
    return token.text.islower() or lower in _CALENDAR
