"""Whether a template's declared relations are what its words say, and all that they say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from trace_pipeline.generation.semantics import phrases
from trace_pipeline.generation.semantics.lexicon import Check
from trace_pipeline.generation.semantics.reading import readings, sentence_of, shown_names
from trace_pipeline.generation.semantics.relations import Relation, Term
from trace_pipeline.traces.numbers import Number

_PERCENT_KINDS = tuple(phrases.PERCENT)
_CLAUSE_END = re.compile(r"[,;:.?!](?= |$)| (?:and|but|while|who|if|so|then|when)\b")
_STOP = re.compile(r"[,;:.?!](?= |$)")
_BACKWARD = re.compile(r"^ (?:that|this|those|it|last|the day before|before)\b(?! [a-z]*<)")
_CONNECTOR = re.compile(r"^[^,;:.?!]*?\b(?:as|than|that)\b")
_OBJECT = re.compile(r"\b(?:to|from|of|with|for|by|than|as)(?: the| his| her| its)?(?: [a-z]+)? $")
_APPOSITION = re.compile(r"^[^,;.?!]{0,40}?,? ?(?:(?:which|that) (?:is|are|was|were) )?(?:only |just )?$")


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
    for text in readings(source):
        for fault in _Reading(text, relations, numbers, constants).faults():
            found.setdefault(fault)
    return list(found)


@dataclass(frozen=True, slots=True)
class _Cue:
    """One strict phrase in a reading."""

    kind: str
    start: int
    end: int
    number: str | int | None
    """The variable that it shows, or the number that its word means."""
    text: str


class _Reading:
    """One wording of a template and what is declared for it."""

    def __init__(
        self,
        text: str,
        relations: Sequence[Relation],
        numbers: frozenset[str],
        constants: Mapping[str, Number],
    ) -> None:
        self.text, self.relations, self.constants = text, relations, constants
        shown = shown_names(text)
        self.numbers = {name for name in numbers if name in shown}
        self.unshown = numbers - self.numbers
        terms = {term for relation in relations for term in relation.terms}
        self.named = {t.name for t in terms if not t.quoted} & (shown - self.numbers)
        self.quoted = {term.name for term in terms if term.quoted}
        self.alias: dict[str, set[str]] = {}
        for relation in relations:
            if relation.kind.check is Check.HOLDER:
                pair = {term.name for term in relation.terms}
                for name in pair:
                    self.alias.setdefault(name, {name}).update(pair)
        self.mentions = sorted(self._mentions())
        self.cues = list(self._cues())

    def faults(self) -> Iterator[str]:
        """Every disagreement between the words and the relations."""
        yield from self._unknown_terms()
        yield from self._unused_numbers()
        yield from self._strict()
        for relation in self.relations:
            match relation.kind.check:
                case Check.LOOSE:
                    yield from self._loose(relation)
                case Check.ACCOUNT:
                    yield from self._account(relation)
                case Check.HOLDER:
                    yield from self._holder(relation)
                case Check.ASKED:
                    yield from self._asked(relation)
        yield from self._binding()
        yield from self._order()

    # Where things stand

    def _mentions(self) -> Iterator[tuple[int, int, str]]:
        """Start, end and name of every quantity that the text names."""
        for match in re.finditer(r"<([a-z0-9_]+)(?::[a-z]+)?>(?:'s)?", self.text):
            if match[1] in self.named or match[1] in self.numbers:
                yield match.start(), match.end(), match[1]
        for word in self.quoted:
            for match in re.finditer(rf"(?<![\w<])(?:{word})(?![\w>])", self.text):
                yield match.start(), match.end(), word

    def _same(self, found: str, wanted: str) -> bool:
        return found in self.alias.get(wanted, {wanted})

    def _anchored(self, term: Term) -> bool:
        """Whether the text names the quantity at all."""
        names = self.alias.get(term.name, {term.name})
        return any(name in names for _, _, name in self.mentions)

    def _between(self, start: int, end: int) -> list[str]:
        return [name for first, last, name in self.mentions if start <= first and last <= end]

    def _cues(self) -> Iterator[_Cue]:
        for kind, patterns in phrases.STRICT.items():
            for pattern in patterns:
                for match in pattern.finditer(self.text):
                    groups = match.groupdict()
                    number: str | int | None = groups.get("n") or groups.get("m")
                    if number is None and groups.get("word"):
                        parts = re.split(r"[ -]", groups["word"])
                        meant = [w.rstrip("s") if w.rstrip("s") in phrases.MEANT else w for w in parts]
                        known = [w for w in meant if w in phrases.MEANT]
                        number = phrases.MEANT[known[-1] if kind != "times_as_many" else known[0]]
                    resolved = self._percent_kind(match) if kind == "percent" else kind
                    yield _Cue(resolved, match.start(), match.end(), number, match[0])

    def _percent_kind(self, match: re.Match[str]) -> str:
        start, end = sentence_of(self.text, match.start())
        distances: list[tuple[int, str]] = []
        for kind, pattern in phrases.PERCENT.items():
            for word in pattern.finditer(self.text, start, end):
                gap = word.start() - match.end() if word.start() >= match.end() else (
                    match.start() - word.end() + 1
                )
                distances.append((gap, kind))
        return min(distances)[1] if distances else "percent_of"

    # What is checked

    def _unknown_terms(self) -> Iterator[str]:
        for relation in self.relations:
            for term in relation.terms:
                if term.quoted and not self._anchored(term):
                    yield f"{relation.source}: the text has no word {term.name!r}"
                if term.name in self.unshown:
                    yield f"{relation.source}: the text does not give the number {term.name!r}"

    def _unused_numbers(self) -> Iterator[str]:
        used = {term.name for relation in self.relations for term in relation.terms}
        for name in sorted(self.numbers - used):
            yield f"no relation says what the number {name!r} is"

    def _strict(self) -> Iterator[str]:
        """Each strict phrase belongs to one relation of its kind, and each relation to a phrase."""
        kinds = {*phrases.STRICT, *_PERCENT_KINDS}
        declared = [relation for relation in self.relations if relation.kind.name in kinds]
        options = {
            index: [cue for cue in self.cues if not self._misfit(cue, relation)]
            for index, relation in enumerate(declared)
        }
        owner: dict[_Cue, int] = {}

        def placed(index: int, tried: set[_Cue]) -> bool:
            for cue in options[index]:
                if cue not in tried:
                    tried.add(cue)
                    if cue not in owner or placed(owner[cue], tried):
                        owner[cue] = index
                        return True
            return False

        for index, relation in enumerate(declared):
            if not placed(index, set()):
                reasons = {
                    f"{cue.text!r}: {self._misfit(cue, relation)}"
                    for cue in self.cues
                    if cue.kind == relation.kind.name
                }
                why = "; ".join(sorted(reasons)) or "no such phrase is in the text"
                yield f"{relation.source}: {why}"
        for cue in self.cues:
            if cue not in owner:
                yield f"{cue.text!r} says {cue.kind}, but no relation declares it"

    def _misfit(self, cue: _Cue, relation: Relation) -> str:
        """Why the relation is not what the phrase says; empty if it is."""
        if cue.kind != relation.kind.name:
            return "another kind"
        kind = relation.kind
        number = next((relation.role(r) for r in ("k", "n", "rate") if r in kind.roles), None)
        if number is not None and cue.number is not None and not self._means(number, cue.number):
            return f"the phrase has {cue.number}, the relation {number.name}"
        if kind.check is Check.COMPARISON:
            return self._misplaced(cue, relation.role("x"), relation.role("y"))
        return ""

    def _means(self, term: Term, found: str | int) -> bool:
        if isinstance(found, str):
            return term.name == found
        return (term.number if term.number is not None else self.constants.get(term.name)) == found

    def _misplaced(self, cue: _Cue, x: Term, y: Term) -> str:
        """Whether the compared and the reference stand where the phrase puts them."""
        start, end = sentence_of(self.text, cue.start)
        after = self.text[cue.end : end]
        connector = re.match("", after) if cue.text.endswith(("than", "above", "of", "below", "behind")) else (
            _CONNECTOR.match(after)
        )
        clause_end = cue.end + next((m.start() for m in _CLAUSE_END.finditer(after)), len(after))
        if connector is not None:
            reference_at = cue.end + connector.end()
            chained = any(0 <= other.start - reference_at <= 2 for other in self.cues)
            if chained:
                return "" if not self._anchored(y) else f"{y.name!r} is not what follows"
            if not _BACKWARD.match(self.text[reference_at:]):
                stop = _STOP.search(self.text, reference_at)
                named = self._between(reference_at, stop.start() if stop else end)
                named = [name for name in named if not self._same(name, x.name)] if cue.kind.startswith("how") else named
                if not named:
                    return f"nothing that is a quantity follows {cue.text!r}"
                if not self._same(named[0], y.name):
                    return f"{named[0]!r} follows, not {y.name!r}"
                return self._compared(cue, x, start, reference_at)
        own = self._between(cue.end, clause_end)
        if own and self._same(own[0], x.name):
            earlier = self._between(0, cue.start)
            return "" if any(self._same(n, y.name) for n in earlier) else f"{y.name!r} is not named before"
        left = self._between(0, cue.start)
        if not left or not self._same(left[-1], x.name):
            return f"{left[-1] if left else 'nothing'!r} stands before it, not {x.name!r}"
        if not any(self._same(name, y.name) for name in left):
            return f"{y.name!r} is not named before"
        return self._number_compared(cue, x)

    def _compared(self, cue: _Cue, x: Term, start: int, reference_at: int) -> str:
        inside = self._between(cue.start, reference_at)
        if any(self._same(name, x.name) for name in inside):
            return ""
        if cue.kind.startswith("how"):
            end = sentence_of(self.text, cue.start)[1]
            named = self._between(cue.end, end)
            return "" if any(self._same(n, x.name) for n in named) else f"{x.name!r} is not in the question"
        left = self._between(start, cue.start)
        if not self._anchored(x):
            before = self.text[:cue.start]
            return "" if re.search(r"\b(?:than|as|as many as) $", before) else f"{x.name!r} is not named"
        if not left or not self._same(left[-1], x.name):
            return f"{left[-1] if left else 'nothing'!r} stands before it, not {x.name!r}"
        return self._number_compared(cue, x)

    def _number_compared(self, cue: _Cue, x: Term) -> str:
        """A number that is itself compared stands right before: "12, which is twice as many"."""
        if x.name not in self.numbers:
            return ""
        last = max(end for _, end, name in self.mentions if name == x.name and end <= cue.start)
        fits = _APPOSITION.match(self.text[last : cue.start])
        return "" if fits else f"the number {x.name!r} is not what {cue.text!r} speaks of"

    def _loose(self, relation: Relation) -> Iterator[str]:
        pattern = phrases.LOOSE[relation.kind.name]
        shown = [term for term in relation.terms if self._anchored(term)]
        places = [0] if not shown else [
            start for start, _, name in self.mentions
            if any(self._same(name, term.name) for term in shown)
        ]
        sentences = {sentence_of(self.text, place) for place in places}
        question = sentence_of(self.text, self.text.rfind("?"))
        sentences.add(question)
        if not any(pattern.search(self.text, start, end) for start, end in sentences):
            yield f"{relation.source}: no phrase says so where its quantities stand"

    def _holder(self, relation: Relation) -> Iterator[str]:
        holder, number = relation.role("x"), relation.role("n")
        for start, end, name in self.mentions:
            if name != number.name:
                continue
            inside = [c for c in self.cues if c.start <= start and end <= c.end and c.number == name]
            if inside:
                yield f"{relation.source}: the number belongs to {inside[0].text!r}"
                continue
            first, last = sentence_of(self.text, start)
            others = [(s, n) for s, _, n in self.mentions if first <= s < last and n not in self.numbers]
            before = [n for s, n in others if s < start]
            after = [n for s, n in others if s > start]
            nearest = before[-1] if before else after[0] if after else None
            if nearest is None or not self._same(nearest, holder.name):
                yield f"{relation.source}: beside the number stands {nearest or 'nothing'!r}"

    def _asked(self, relation: Relation) -> Iterator[str]:
        start, end = sentence_of(self.text, self.text.rfind("?"))
        asking = re.search(r"\b(?:how|what|which)\b", self.text[start:end])
        begin = start + (asking.start() if asking else 0)
        named = [n for s, _, n in self.mentions if begin <= s < end and n not in self.numbers]
        wanted = relation.role("x")
        if not self._anchored(wanted):
            return
        if not named or not self._same(named[0], wanted.name):
            yield f"{relation.source}: the question is about {named[0] if named else 'nothing'!r}"

    def _account(self, relation: Relation) -> Iterator[str]:
        holder = relation.role("x") if relation.role("x").name in self.named else None
        for term in relation.repeated:
            if not term.sign or term.name not in self.numbers:
                continue
            for start, end, name in self.mentions:
                if name == term.name:
                    sign, verb = self._movement(start, end, holder)
                    if sign != term.sign:
                        way = "comes" if term.sign > 0 else "goes"
                        yield f"{relation.source}: no word says that {name!r} {way} ({verb or 'none'!r})"
                    break

    def _movement(self, start: int, end: int, holder: Term | None) -> tuple[int, str]:
        """-1 or 1 by the verb that governs the number, 0 if there is none."""
        first, last = sentence_of(self.text, start)
        money = self.text[start:end].endswith(":money>")
        pattern = phrases.MONEY_VERBS if money else phrases.STOCK_VERBS
        bounds = [m.start() for m in _CLAUSE_END.finditer(self.text, first, last)]
        left = max((b for b in bounds if b < start), default=first)
        right = min((b for b in bounds if b >= end), default=last)
        inside = list(pattern.finditer(self.text, left, right))
        before = list(pattern.finditer(self.text, first, left))
        verbs = sorted(inside, key=lambda m: start - m.end() if m.end() <= start else m.start() - end)
        verb = verbs[0] if verbs else before[-1] if before else pattern.search(self.text, right, last)
        if verb is None:
            return 0, ""
        sign = -1 if verb["goes"] else 1
        if holder is not None and phrases.TURNING.fullmatch(verb[0]):
            subject = self._subject(first, verb.start())
            if subject is not None and not self._same(subject, holder.name):
                sign = -sign
        return sign, verb[0]

    def _subject(self, first: int, verb: int) -> str | None:
        for start, end, name in reversed(self.mentions):
            if first <= start and end <= verb and name not in self.numbers:
                relative = re.match(r"(?: [a-z]+)?, (?:who|which)\b", self.text[end:])
                if relative or not _OBJECT.search(self.text[:start]):
                    return name
        return None

    def _binding(self) -> Iterator[str]:
        declared = {relation.kind.name for relation in self.relations}
        for what, (pattern, kinds) in phrases.BINDING.items():
            match = pattern.search(self.text)
            if match and not declared & kinds:
                yield f"{match[0]!r} says {what}, but no relation declares it"

    def _order(self) -> Iterator[str]:
        """Factors that belong together come in the same order: two counts, then their prices."""
        products = [relation for relation in self.relations if relation.kind.name == "each"]
        for index, one in enumerate(products):
            for two in products[index + 1 :]:
                pairs = [
                    (self._place(a), self._place(b))
                    for a, b in zip(one.terms[1:], two.terms[1:], strict=False)
                ]
                directions = {a < b for a, b in pairs if a is not None and b is not None and a != b}
                if len(directions) > 1:
                    yield f"{one.source} and {two.source}: their factors are crossed in the text"

    def _place(self, term: Term) -> int | None:
        if term.name not in self.numbers:
            return None
        return next(start for start, _, name in self.mentions if name == term.name)
