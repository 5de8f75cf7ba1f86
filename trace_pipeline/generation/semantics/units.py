"""Multiplied or divided: told apart by what the numbers count.

"12 boxes with 6 eggs each" multiplies two different things. "72 eggs in boxes of 6" divides
eggs by eggs, and "72 eggs, shared equally by 12 children" has a word that divides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trace_pipeline.generation.semantics import phrases
from trace_pipeline.generation.semantics.lexicon import DIVIDING
from trace_pipeline.generation.semantics.passage import Passage
from trace_pipeline.generation.semantics.relations import Relation, Term

_AFTER = re.compile(r"(?: (?:<[A-Z0-9_/]+>|[a-z-]+)){1,3}")
_OF = re.compile(r"(?: (?:<[A-Z0-9_/]+>|[a-z-]+)){1,2} (?:of|with) ")
_NO_UNIT = re.compile(
    r"of|in|on|at|an?|to|for|from|with|by|per|each|every|the|and|or|but|if|is|are|was|were|more|all"
    r"|his|her|its|their|that|which|who|has|have|had|how|many|much|good|new|other|such|equal|full"
    r"|small|large|big|long|into|as|than|times|it|he|she|they|out|up|off|away|left"
)
_MONEY = "dollars"


def unit_faults(passage: Passage, relation: Relation) -> Iterator[str]:
    """A division of different things that no word divides, a product of one thing with itself."""
    kind = relation.kind.name
    if kind not in DIVIDING and kind != "each":
        return
    parts = [term for term in relation.terms[1:] if term.name not in passage.constants]
    if len(parts) < 2 or parts[0].name == parts[1].name:
        return
    units = [_units(passage, term) for term in parts[:2]]
    names = " and ".join(repr(term.name) for term in parts[:2])
    same = bool(units[0] & units[1])
    if kind == "each":
        if same:
            yield f"{relation.source}: {names} count the same thing, which would be divided"
    elif _multiplied(passage, parts[0], parts[1]):
        yield f"{relation.source}: {names} are so many of so much"
    elif kind == "shared" and all(units) and not same and not phrases.DIVIDED.search(passage.text):
        yield f"{relation.source}: {names} count different things, and no word divides"


def _multiplied(passage: Passage, one: Term, two: Term) -> bool:
    """Whether the text has "3 bags of 12"."""
    return any(
        first.end <= second.start and _OF.fullmatch(passage.text, first.end, second.start)
        for first in passage.marks(one)
        for second in passage.marks(two)
    )


def _units(passage: Passage, term: Term, inside: frozenset[str] = frozenset()) -> set[str]:
    """The words right after a number that may be what it counts; none where that is left out."""
    if not passage.marks(term):
        return _made_of(passage, term, inside | {term.name})
    units: set[str] = set()
    for mention in passage.marks(term):
        if passage.text[mention.start : mention.end].endswith(":MONEY}"):
            units.add(_MONEY)
        following = _AFTER.match(passage.text, mention.end)
        for word in following[0].split() if following else ():
            if _NO_UNIT.fullmatch(word):
                break
            units.add(word.removesuffix("s"))
    return {_MONEY} if _MONEY in units else units


def _made_of(passage: Passage, term: Term, inside: frozenset[str]) -> set[str]:
    """What a quantity in between counts: as its parts do, or money where a price is in it."""
    for relation in passage.relations:
        kind, result = relation.kind.name, relation.terms[0]
        if result.name != term.name or kind not in ("account", "total", "each"):
            continue
        parts = [
            _units(passage, part, inside) for part in relation.terms[1:] if part.name not in inside
        ]
        if kind != "each":
            return set().union(*parts)
        return {_MONEY} if any(_MONEY in units for units in parts) else set()
    return set()
