"""Strict phrases and their relations, held against each other one to one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trace_pipeline.generation.semantics import phrases
from trace_pipeline.generation.semantics.lexicon import Check
from trace_pipeline.generation.semantics.passage import Cue, Passage
from trace_pipeline.generation.semantics.relations import Relation, Term

_STRICT_KINDS = {*phrases.STRICT, *phrases.PERCENT}
_STOP = re.compile(r"[,;:.?!](?= |$)")
_BACKWARD = re.compile(r" (?:that|this|those|it|last|the day before|before)\b")
"""After "than": what was named earlier, not here."""
_CONNECTOR = re.compile(r"[^,;:.?!]*?\b(?:as|than|that)\b")
_APPOSITION = re.compile(
    r"[^,;.?!]{0,40}?,? ?(?:(?:which|that) (?:is|are|was|were) )?(?:only |just )?"
)
"""Between a number and the phrase that speaks of it: "12 shells, which is"."""
_CHAINED_BEFORE = re.compile(r"\b(?:than|as) $")


def strict_faults(passage: Passage) -> Iterator[str]:
    """Strict phrases without their relation, and relations without their phrase."""
    declared = [item for item in passage.relations if item.kind.name in _STRICT_KINDS]
    owner: dict[Cue, Relation] = {}

    def place(relation: Relation, tried: set[Cue]) -> bool:
        """Find the relation a phrase of its own, moving others if need be (Kuhn's matching)."""
        for cue in passage.cues:
            if cue not in tried and not _misfit(passage, cue, relation):
                tried.add(cue)
                if cue not in owner or place(owner[cue], tried):
                    owner[cue] = relation
                    return True
        return False

    for relation in declared:
        if not place(relation, set()):
            reasons = [
                f"{cue.text!r}: {_misfit(passage, cue, relation) or 'taken by another'}"
                for cue in passage.cues
                if cue.kind == relation.kind.name
            ]
            why = "; ".join(dict.fromkeys(reasons)) or "no such phrase is in the text"
            yield f"{relation.source}: {why}"
    for cue in passage.cues:
        if cue not in owner:
            yield f"{cue.text!r} says {cue.kind}, but no relation declares it"


def _misfit(passage: Passage, cue: Cue, relation: Relation) -> str:
    """Why a relation is not what a phrase says; empty if it is."""
    kind = relation.kind
    if cue.kind != kind.name:
        return "another kind"
    for role, found in (
        ("k", cue.number),
        ("n", cue.number),
        ("rate", cue.number),
        ("m", cue.many),
    ):
        if found is not None and role in kind.roles:
            term = relation.role(role)
            if not _means(passage, term, found):
                return f"the phrase has {found}, the relation {term.name}"
    if kind.check is not Check.COMPARISON:
        return ""
    if len({term.name for term in relation.terms}) < len(relation.terms):
        return "one name in two roles"
    return _misplaced(passage, cue, relation.role("x"), relation.role("y"))


def _means(passage: Passage, term: Term, found: str | int) -> bool:
    if isinstance(found, str):
        return term.name == found
    value = term.number if term.number is not None else passage.constants.get(term.name)
    return value == found


def _misplaced(passage: Passage, cue: Cue, x: Term, y: Term) -> str:
    """Whether the compared (x) and the reference (y) stand where the phrase puts them."""
    text = passage.text
    sentence_end = passage.sentence(cue.start)[1]
    reference_at: int | None = cue.end
    if not cue.text.endswith(phrases.CONNECTING):
        connector = _CONNECTOR.match(text, cue.end, sentence_end)
        reference_at = connector.end() if connector else None
    if reference_at is None or _points_back(passage, reference_at):
        return _elliptic(passage, cue, x, y)
    if any(0 <= other.start - reference_at <= 2 for other in passage.cues):  # "3 more than twice"
        if passage.anchored(y):
            return f"{y.name!r} is not what follows"
    else:
        stop = _STOP.search(text, reference_at)
        named = passage.between(reference_at, stop.start() if stop else sentence_end)
        if not named:
            return f"no quantity follows {cue.text!r}"
        if not passage.same(named[0], y.name):
            return f"{named[0]!r} follows, not {y.name!r}"
    return _compared(passage, cue, x, reference_at)


def _points_back(passage: Passage, reference_at: int) -> bool:
    """Whether a word such as "that" stands for the reference (but "that share" names it)."""
    pointer = _BACKWARD.match(passage.text, reference_at)
    return pointer is not None and not any(
        reference_at <= mention.start <= pointer.end() + 1 for mention in passage.mentions
    )


def _elliptic(passage: Passage, cue: Cue, x: Term, y: Term) -> str:
    """No reference after the phrase: it stands earlier, as in "half that many in the pond"."""
    left = passage.between(0, cue.start)
    if not any(passage.same(name, y.name) for name in left):
        return f"{y.name!r} is not named before"
    own = passage.between(cue.end, passage.clause_end(cue.end))
    if own and passage.same(own[0], x.name):
        return ""
    if not passage.same(left[-1], x.name):
        return f"{left[-1]!r} stands before it, not {x.name!r}"
    return _speaks_of(passage, cue, x)


def _compared(passage: Passage, cue: Cue, x: Term, reference_at: int) -> str:
    """The compared stands within the phrase or right before it; in a question, anywhere in it."""
    if any(passage.same(name, x.name) for name in passage.between(cue.start, reference_at)):
        return ""
    start, end = passage.sentence(cue.start)
    if cue.kind in phrases.QUESTIONS:
        found = any(passage.same(name, x.name) for name in passage.between(cue.end, end))
        return "" if found else f"{x.name!r} is not in the question"
    if not passage.anchored(x):
        chained = _CHAINED_BEFORE.search(passage.text[: cue.start])
        return "" if chained else f"{x.name!r} is not named"
    left = passage.between(start, cue.start)
    if not left or not passage.same(left[-1], x.name):
        return f"{left[-1] if left else 'nothing'!r} stands before it, not {x.name!r}"
    return _speaks_of(passage, cue, x)


def _speaks_of(passage: Passage, cue: Cue, x: Term) -> str:
    """A number that is itself compared stands right before: "12, which is twice as many"."""
    if x.name not in passage.numbers:
        return ""
    last = max(mention.end for mention in passage.marks(x) if mention.end <= cue.start)
    if _APPOSITION.fullmatch(passage.text, last, cue.start):
        return ""
    return f"the number {x.name!r} is not what {cue.text!r} speaks of"
