"""The closed lexicon: kinds of relations and their equations.

``phrases`` holds the words that state each kind. A wording that none of them covers
cannot be merged: the phrase is added there, with its kind, and is then read everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

ANSWER = "answer"
"""The name of what is asked."""


class Check(StrEnum):
    """How a relation's place in the text is verified (``checks``)."""

    COMPARISON = "comparison"
    """Its phrase stands between the compared and the reference, in this order."""
    NUMBER = "number"
    """Its phrase holds or touches its number."""
    LOOSE = "loose"
    """One of its phrases is in a sentence that shows one of its quantities."""
    ACCOUNT = "account"
    """A verb of gain or loss goes with every signed number."""
    HOLDER = "holder"
    """The number stands beside what it counts or the one who has it."""
    ASKED = "asked"
    """The question is about this quantity."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of relation."""

    name: str
    roles: tuple[str, ...]
    """The arguments in order; a star marks a last one that takes several."""
    equation: str
    """Over the roles; what ``derivation`` solves."""
    meaning: str
    check: Check


def _by_name(*kinds: Kind) -> dict[str, Kind]:
    return {kind.name: kind for kind in kinds}


# fmt: off
KINDS: dict[str, Kind] = _by_name(
    Kind("times_as_many", ("x", "k", "y"), "x == k * y",
         "x is k times as many (much, long, old) as y", Check.COMPARISON),
    Kind("fraction_as_many", ("x", "k", "y"), "k * x == y",
         "x is half (k is 2), a third (3) as many as y", Check.COMPARISON),
    Kind("more_than", ("x", "n", "y"), "x == y + n",
         "x is n more (older, longer) than y", Check.COMPARISON),
    Kind("fewer_than", ("x", "n", "y"), "x == y - n",
         "x is n fewer (younger, cheaper) than y", Check.COMPARISON),
    Kind("how_many_more", ("z", "x", "y"), "z == x - y",
         "how many more x is than y", Check.COMPARISON),
    Kind("how_many_fewer", ("z", "x", "y"), "z == y - x",
         "how many fewer x is than y", Check.COMPARISON),
    Kind("difference", ("z", "x", "y"), "z == x - y",
         "the difference of x, the greater, and y", Check.LOOSE),
    Kind("part_of", ("x", "k", "y"), "k * x == y",
         "x is half (k is 2), a third (3) of y", Check.NUMBER),
    Kind("parts_of", ("x", "m", "k", "y"), "k * x == m * y",
         "x is two thirds (m is 2, k is 3) of y", Check.NUMBER),
    Kind("grown", ("x", "k", "y"), "x == k * y",
         "y doubles (k is 2), triples (3) and is x then", Check.NUMBER),
    Kind("percent_of", ("x", "rate", "base"), "100 * x == rate * base",
         "x is rate percent of base: a share, a tip, a tax", Check.NUMBER),
    Kind("percent_off", ("x", "rate", "base"), "100 * x == (100 - rate) * base",
         "x is base less rate percent", Check.NUMBER),
    Kind("percent_up", ("x", "rate", "base"), "100 * x == (100 + rate) * base",
         "x is base and rate percent on top", Check.NUMBER),
    Kind("average", ("x", "*parts"), "count(parts) * x == sum(parts)",
         "x is the mean of the parts", Check.LOOSE),
    Kind("total", ("x", "*parts"), "x == sum(parts)",
         "x is the parts together", Check.LOOSE),
    Kind("each", ("x", "*factors"), "x == product(factors)",
         "so many of so much each; a rate for a time", Check.LOOSE),
    Kind("converted", ("x", "n", "unit"), "x == n * unit",
         "x is n in a smaller unit, so many to one: minutes, items of a dozen", Check.LOOSE),
    Kind("shared", ("x", "whole", "parts"), "x * parts == whole",
         "whole in equal parts: so many, or of so much each", Check.LOOSE),
    Kind("rounded_up", ("x", "whole", "size"), "x == ceil(whole, size)",
         "how many of a size it takes for whole", Check.LOOSE),
    Kind("rounded_down", ("x", "whole", "size"), "x == floor(whole, size)",
         "how many full ones of a size whole gives", Check.LOOSE),
    Kind("left_over", ("x", "whole", "size"), "x == remainder(whole, size)",
         "what of whole does not fill one of the size", Check.LOOSE),
    Kind("ratio", ("x", "a", "y", "b"), "b * x == a * y",
         "for every a of x there are b of y", Check.LOOSE),
    Kind("account", ("x", "*changes"), "x == sum(changes)",
         "what there was, less what goes (-n), with what comes (+n)", Check.ACCOUNT),
    Kind("has", ("x", "n"), "x == n", "x is given as the number n", Check.HOLDER),
    Kind("asked", ("x",), "answer == x", "the question is about x", Check.ASKED),
)
# fmt: on
"""Every kind by name, in the order of the guide."""

DIVIDING = frozenset({"shared", "rounded_up", "rounded_down", "left_over"})
"""Kinds whose second role is cut into parts."""
