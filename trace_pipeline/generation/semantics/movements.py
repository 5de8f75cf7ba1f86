"""Whether the words say that a number comes to a stock or goes from it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trace_pipeline.generation.semantics import verbs
from trace_pipeline.generation.semantics.lexicon import Check
from trace_pipeline.generation.semantics.passage import Mention, Passage
from trace_pipeline.generation.semantics.relations import Relation, Term

_PLAIN_SUBJECT = re.compile(
    r"\b(?:the|a|an|his|her|some|two|three|few) (?:[a-z]+ )?(?!and |or |then |but |to )[a-z]+ $"
)
"""Before a verb: a subject that is no quantity, as in "the parents donate"."""
_OBJECT = re.compile(
    r"\b(?:to|from|of|with|for|by|than|as)(?: the| his| her| its)?(?: [a-z]+)? $"
    r"|\b(?:in|on|at|into|before|during)(?: the| his| her)? $|(?:\}|many|more) $"
)
"""Before a word that is no subject: a preposition or a number."""
_RELATIVE = re.compile(r"(?: [a-z]+)?, (?:who|which)\b")


def movement_faults(passage: Passage, account: Relation) -> Iterator[str]:
    """The signed parts of an account for which no verb of that direction stands."""
    result = account.terms[0]
    told = passage.anchored(result) and result.name not in passage.numbers
    holder = result if told else None
    question = passage.text.rfind("?")
    for term in account.terms:
        if not term.sign:
            continue
        marks = passage.marks(term)[:1]
        if not marks and term.name in passage.asked:
            marks = [Mention(question, question + 1, term.name)]
        if not marks:
            parts = _parts(passage, term)
            if parts is None:
                yield f"{account.source}: nothing says what {term.name!r} is"
            marks = parts or []
        found = [_movement(passage, mention, holder) for mention in marks]
        rest = term.sign < 0 and not passage.marks(term) and verbs.REST.search(passage.text)
        if found and not rest and not any(term.sign in signs for signs, _ in found):
            way, verb = "comes" if term.sign > 0 else "goes", found[0][1] or "none"
            yield f"{account.source}: no word says that {term.name!r} {way} ({verb!r})"


def _parts(passage: Passage, term: Term) -> list[Mention] | None:
    """The numbers of the text that make up a quantity in between; None if nothing does."""
    for relation in passage.relations:
        if relation.kind.check is not Check.ASKED and relation.terms[0].name == term.name:
            shown = [
                mention
                for part in relation.terms[1:]
                if part.name in passage.numbers
                for mention in passage.marks(part)
            ]
            cues = [cue for cue in passage.cues if cue.kind == relation.kind.name]
            return shown or [Mention(cue.start, cue.end, term.name) for cue in cues]
    return None


def _movement(passage: Passage, mention: Mention, holder: Term | None) -> tuple[set[int], str]:
    """-1 or 1 by the verb that governs a number (both if it is unclear whose), and the verb."""
    text, start, end = passage.text, mention.start, mention.end
    money = text[start:end].endswith(":MONEY}")
    pattern = verbs.MONEY if money else verbs.STOCK
    first, last = passage.sentence(start)
    left, right = passage.clause(mention)

    def distance(found: re.Match[str]) -> int:
        return start - found.end() if found.end() <= start else found.start() - end

    inside = sorted(pattern.finditer(text, left, right), key=distance)
    before = list(pattern.finditer(text, first, left))
    verb = next(iter([*inside, *reversed(before)]), None) or pattern.search(text, right, last)
    if verb is None:
        return set(), ""
    sign = -1 if verb["goes"] else 1
    if verbs.TURNING.fullmatch(verb[0]):
        if _PLAIN_SUBJECT.search(text[first : verb.start()]):
            return {-1, 1}, verb[0]
        subject = _subject(passage, first, verb.start())
        if holder is not None and subject is not None and not passage.same(subject, holder.name):
            sign = -sign
    return {sign}, verb[0]


def _subject(passage: Passage, first: int, verb: int) -> str | None:
    """The last word before a verb that can be its subject."""
    for mention in reversed(passage.words):
        if first <= mention.start and mention.end <= verb:
            relative = _RELATIVE.match(passage.text, mention.end)
            if relative or not _OBJECT.search(passage.text[: mention.start]):
                return mention.name
    return None
