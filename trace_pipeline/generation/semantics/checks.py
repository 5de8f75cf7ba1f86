"""Whether a template's declared relations are what its words say, and all that they say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from trace_pipeline.generation.semantics import phrases
from trace_pipeline.generation.semantics.lexicon import ANSWER, DIVIDING, Check
from trace_pipeline.generation.semantics.movements import movement_faults
from trace_pipeline.generation.semantics.passage import Passage
from trace_pipeline.generation.semantics.reading import readings
from trace_pipeline.generation.semantics.relations import Relation, Term
from trace_pipeline.generation.semantics.strict import strict_faults
from trace_pipeline.generation.semantics.units import unit_faults
from trace_pipeline.traces.numbers import Number

_SENTENCE_START = re.compile(r"^|[.?!] ")
_ASKING = re.compile(r"\b(?:how|what|which)\b")
_JOINED = re.compile(r">(?:'s)?,? and <")


def contradictions(
    source: str,
    relations: Sequence[Relation],
    numbers: frozenset[str],
    constants: Mapping[str, Number],
) -> list[str]:
    """What does not fit between a template and its relations; nothing, if it is sound.

    Args:
        source: The template, its snippets filled in.
        relations: What is declared for it.
        numbers: The names of variables and derived values.
        constants: The declared implied numbers.
    """
    found: dict[str, None] = {}
    for text in readings(source, numbers | constants.keys()):
        passage = Passage(text, relations, numbers, constants)
        for fault in _faults(passage):
            found.setdefault(fault)
    return list(found)


def _faults(passage: Passage) -> Iterator[str]:
    yield from _names(passage)
    yield from _counted_twice(passage)
    yield from strict_faults(passage)
    for relation in passage.relations:
        match relation.kind.check:
            case Check.LOOSE:
                yield from _loose(passage, relation)
            case Check.ACCOUNT:
                yield from movement_faults(passage, relation)
                result = relation.terms[0]
                if result.name in passage.numbers and not _told_as_result(passage, relation):
                    yield f"{relation.source}: no phrase makes {result.name!r} what is left"
            case Check.HOLDER:
                yield from _holder(passage, relation)
            case Check.ASKED:
                yield from _asked(passage, relation)
    yield from _binding(passage)
    yield from _crossed(passage)


def _names(passage: Passage) -> Iterator[str]:
    """Every name is in the text, and every number of the text in a relation."""
    used = set()
    for relation in passage.relations:
        for term in relation.terms:
            used.add(term.name)
            if term.quoted and not passage.anchored(term):
                yield f"{relation.source}: the text has no word {term.name!r}"
            if term.name in passage.unshown:
                yield f"{relation.source}: the text does not give the number {term.name!r}"
    for name in sorted(passage.numbers - used):
        yield f"no relation says what the number {name!r} is"


def _counted_twice(passage: Passage) -> Iterator[str]:
    """A quantity is the result of one relation only, and a part of another but once."""
    results: dict[str, str] = {}
    there_and_back = phrases.TWICE_OVER.search(passage.text)
    for relation in passage.relations:
        kind, parts = relation.kind, relation.terms[1:]
        name = ANSWER if kind.check is Check.ASKED else relation.terms[0].name
        backward = any(term.name in passage.asked for term in parts) and all(
            term.name in passage.numbers | passage.asked for term in parts
        )
        given = kind.check in (Check.COMPARISON, Check.HOLDER)
        if name == ANSWER or not (given or backward):
            if name in results:
                yield f"{relation.source}: {name!r} is the result of {results[name]}"
            results[name] = relation.source
        if kind.name == "total":
            parts = _all_parts(passage, relation)
        for index, one in enumerate(parts):
            for two in parts[index + 1 :]:
                meant = one == two and (kind.name == "each" or there_and_back)
                if passage.same(two.name, one.name) and not meant:
                    yield f"{relation.source}: {one.name!r} and {two.name!r} are the same"


def _all_parts(passage: Passage, total: Relation) -> tuple[Term, ...]:
    """The parts of a total, with those of totals among them."""
    inner = [
        term
        for other in passage.relations
        if other.kind.name == "total" and other.terms[0] in total.terms[1:]
        for term in other.terms[1:]
    ]
    return (*total.terms[1:], *inner)


def _loose(passage: Passage, relation: Relation) -> Iterator[str]:
    """A phrase of the kind is where the quantities are, or in the question."""
    pattern, text = phrases.LOOSE[relation.kind.name], passage.text
    if passage.anchored(relation.terms[0]) and not _told_as_result(passage, relation):
        yield f"{relation.source}: no phrase makes {relation.terms[0].name!r} a result"
    yield from _factors(passage, relation)
    yield from unit_faults(passage, relation)
    terms = [term for term in relation.terms if term.name != ANSWER]
    if all(map(passage.anchored, terms)):
        places = [
            mention.start
            for mention in passage.mentions
            if any(passage.same(mention.name, term.name) for term in terms)
        ]
    else:
        places = [match.end() for match in _SENTENCE_START.finditer(text)]
    sentences = {*map(passage.sentence, places), passage.question}
    if not any(pattern.search(text, *sentence) for sentence in sentences):
        yield f"{relation.source}: no phrase says so where its quantities stand"


def _told_as_result(passage: Passage, relation: Relation) -> bool:
    """Whether a result that the text names is told as one, in its sentence or beside it."""
    result, kind = relation.terms[0], relation.kind.name
    pattern = phrases.RESULT.get(kind) or phrases.LOOSE[kind]
    text = passage.text
    for mention in passage.mentions:
        if not passage.same(mention.name, result.name):
            continue
        start, end = passage.sentence(mention.start)
        before = passage.sentence(max(start - 2, 0))[0]
        after = passage.sentence(end)[1] if end < len(text) else end
        if pattern.search(text, before, end if "?" in text[end:after] else after):
            return True
        named = passage.between(start, end, numbers=False)
        joined = all(
            any(passage.same(name, term.name) for name in named) for term in relation.terms[1:]
        )
        if kind == "total" and joined and _JOINED.search(text, start, end):  # "Ava and Ben have 9"
            return True
    return False


def _factors(passage: Passage, relation: Relation) -> Iterator[str]:
    """What is multiplied has a rate among it; what is divided is none."""
    text, kind, terms = passage.text, relation.kind.name, relation.terms[1:]
    if kind == "each" and all(term.name in passage.numbers for term in terms):
        places = [mention.start for term in terms for mention in passage.marks(term)]
        rates = (phrases.LOOSE["each"].search(text, *passage.sentence(place)) for place in places)
        if not any(rates):
            yield f"{relation.source}: no number of it is told as so much each"
    if kind in DIVIDING:
        for mention in passage.marks(terms[0]):
            around = text[passage.clause(mention)[0] : mention.end + 40]
            if phrases.rate_of(text[mention.start : mention.end], around):
                yield f"{relation.source}: {terms[0].name!r} is told as so much each"


def _holder(passage: Passage, relation: Relation) -> Iterator[str]:
    """The number stands beside the one who has it, and is no part of another phrase."""
    holder, number = relation.terms
    for mention in passage.marks(number):
        phrase = next(
            (
                cue.text
                for cue in passage.cues
                if cue.start <= mention.start < cue.end and cue.number == number.name
            ),
            None,
        )
        if phrase:
            yield f"{relation.source}: the number belongs to {phrase!r}"
            continue
        start, end = passage.sentence(mention.start)
        before = passage.between(start, mention.start, numbers=False)
        after = passage.between(mention.end, end, numbers=False)
        nearest = (before[-1:] or after[:1] or ["nothing"])[0]
        if not passage.same(nearest, holder.name):
            yield f"{relation.source}: beside the number stands {nearest!r}"


def _asked(passage: Passage, relation: Relation) -> Iterator[str]:
    """The first quantity that the question names is the one that is asked for."""
    wanted = relation.terms[0]
    if not passage.anchored(wanted):
        return
    start, end = passage.question
    asking = _ASKING.search(passage.text, start, end)
    named = passage.between(asking.start() if asking else start, end, numbers=False)
    found = (named or ["nothing"])[0]
    if not passage.same(found, wanted.name):
        yield f"{relation.source}: the question is about {found!r}"


def _binding(passage: Passage) -> Iterator[str]:
    """Loose phrases that need some relation of their kinds."""
    declared = {relation.kind.name for relation in passage.relations}
    for what, (pattern, kinds) in phrases.BINDING.items():
        match = pattern.search(passage.text)
        if match and not declared & kinds:
            yield f"{match[0]!r} says {what}, but no relation declares it"


def _crossed(passage: Passage) -> Iterator[str]:
    """What belongs together comes in the same order: two counts, then their two prices."""

    def crossed(pairs: Sequence[tuple[Term, Term]]) -> bool:
        found = [(passage.marks(one), passage.marks(two)) for one, two in pairs if one != two]
        return len({one[0] < two[0] for one, two in found if one and two}) > 1

    for relation in passage.relations:
        if relation.kind.name == "ratio":
            x, a, y, b = relation.terms
            if crossed([(x, y), (a, b)]):
                yield f"{relation.source}: the ratio is crossed in the text"
    products = [relation for relation in passage.relations if relation.kind.name == "each"]
    for index, first in enumerate(products):
        for second in products[index + 1 :]:
            pairs = [
                (one, two)
                for one, two in zip(first.terms[1:], second.terms[1:], strict=False)
                if {one.name, two.name} <= passage.numbers
            ]
            if crossed(pairs):
                yield f"{first.source}, {second.source}: their factors are crossed in the text"
