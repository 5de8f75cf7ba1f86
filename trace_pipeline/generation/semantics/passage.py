"""One wording of a template with what is declared for it: which quantities it names, and where."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from trace_pipeline.generation.semantics import phrases
from trace_pipeline.generation.semantics.lexicon import ANSWER, Check
from trace_pipeline.generation.semantics.reading import sentence_of, shown_names
from trace_pipeline.generation.semantics.relations import Relation, Term
from trace_pipeline.traces.numbers import Number

_CLAUSE_END = re.compile(r"[,;:.?!](?= |$)| (?:and|but|while|who|if|so|then|when)\b")
_MARK = re.compile(r"[<{]([A-Z0-9_]+)[A-Z0-9_/]*(?::[A-Z]+)?[>}](?:'s)?")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Cue:
    """One strict phrase in a text."""

    kind: str
    span: Span
    number: str | int | None
    """The variable that it shows, or the number that its word means."""
    many: str | int | None
    """The upper number of a fraction, in "two thirds of"."""
    text: str

    @property
    def start(self) -> int:
        """Where it begins."""
        return self.span[0]

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.span[1]


@dataclass(frozen=True, slots=True, order=True)
class Mention:
    """A place where the text names a quantity."""

    start: int
    end: int
    name: str


@cache
def _words(quoted: str) -> re.Pattern[str]:
    """The pattern of ``next|<two>``: any of these words, or the mark of a draw."""
    words = "|".join(map(re.escape, quoted.split("|")))
    marks = re.sub(r"<([a-z0-9_]+)>", lambda match: f"<{match[1].upper()}>", words)
    return re.compile(rf"(?<!\w)(?:{marks})(?!\w)")


class Passage:
    """A reading, its declared relations, and where the one speaks of the other."""

    def __init__(
        self,
        text: str,
        relations: Sequence[Relation],
        numbers: frozenset[str],
        constants: Mapping[str, Number],
    ) -> None:
        """Find every mention and every strict phrase.

        Args:
            text: One of a template's ``readings``.
            relations: What is declared for it.
            numbers: The names of variables and derived values, shown or not.
            constants: The declared implied numbers.
        """
        self.text, self.relations, self.constants = text, relations, constants
        shown = shown_names(text)
        self.numbers = numbers & shown
        """Those that the text shows."""
        self.unshown = numbers - shown
        terms = {term for relation in relations for term in relation.terms}
        self.quoted = {term.name for term in terms if term.quoted}
        known = {term.name for term in terms} | self.numbers
        self._aliases: dict[str, set[str]] = {}
        for relation in relations:
            if relation.kind.check is Check.HOLDER:
                pair = {term.name for term in relation.terms}
                for name in pair:
                    self._aliases.setdefault(name, {name}).update(pair)
        self.asked = {ANSWER} | {
            relation.terms[0].name for relation in relations if relation.kind.check is Check.ASKED
        }
        """What the question is about."""
        places = sorted(self._places())
        self.mentions = [place for place in places if place.name in known]
        self.words = [place for place in places if place.name not in self.numbers]
        """Every drawn or quoted word, a quantity or not."""
        self.cues = list(self._cues())

    def same(self, found: str, wanted: str) -> bool:
        """Whether two names are of one quantity, by a ``has``."""
        return found in self._aliases.get(wanted, {wanted})

    def anchored(self, term: Term) -> bool:
        """Whether the text names the quantity at all."""
        return any(self.same(mention.name, term.name) for mention in self.mentions)

    def marks(self, term: Term) -> list[Mention]:
        """Where the text names exactly this one."""
        return [mention for mention in self.mentions if mention.name == term.name]

    def between(self, start: int, end: int, *, numbers: bool = True) -> list[str]:
        """The quantities named in a stretch of the text, numbers left out if so wished."""
        return [
            mention.name
            for mention in self.mentions
            if start <= mention.start
            and mention.end <= end
            and (numbers or mention.name not in self.numbers)
        ]

    def sentence(self, position: int) -> Span:
        """The sentence that holds a position."""
        return sentence_of(self.text, position)

    def clause(self, mention: Mention) -> Span:
        """The clause around a mention."""
        first, last = self.sentence(mention.start)
        bounds = [match.start() for match in _CLAUSE_END.finditer(self.text, first, last)]
        left = max((bound for bound in bounds if bound < mention.start), default=first)
        return left, min((bound for bound in bounds if bound >= mention.end), default=last)

    def clause_end(self, position: int) -> int:
        """Where the clause that holds a position ends."""
        last = self.sentence(position)[1]
        return next((m.start() for m in _CLAUSE_END.finditer(self.text, position, last)), last)

    @property
    def question(self) -> Span:
        """The sentence that asks."""
        return self.sentence(self.text.rfind("?"))

    def _places(self) -> Iterator[Mention]:
        for match in _MARK.finditer(self.text):
            yield Mention(match.start(), match.end(), match[1].lower())
        for word in self.quoted:
            for match in _words(word).finditer(self.text):
                yield Mention(match.start(), match.end(), word)

    def _cues(self) -> Iterator[Cue]:
        for kind, patterns in phrases.STRICT.items():
            for pattern in patterns:
                for match in pattern.finditer(self.text):
                    found = match.groupdict()
                    resolved = self._percent_kind(match) if kind == "percent" else kind
                    number = _number(found.get("n") or found.get("k"), found.get("word"))
                    many = _number(found.get("m"), found.get("many"))
                    yield Cue(resolved, match.span(), number, many, match[0])

    def _percent_kind(self, match: re.Match[str]) -> str:
        """The kind whose word stands nearest."""
        distances: list[tuple[int, str]] = []
        for kind, pattern in phrases.PERCENT.items():
            for word in pattern.finditer(self.text, *self.sentence(match.start())):
                ahead = word.start() - match.end()
                distances.append((ahead if ahead >= 0 else match.start() - word.end() + 1, kind))
        return min(distances)[1] if distances else "percent_of"


def _number(mark: str | None, word: str | None) -> str | int | None:
    """What a phrase's number is: a variable's name, or what its word means ("one-third": 3)."""
    if mark:
        return mark.lower()
    meant = [
        phrases.MEANT[stem]
        for part in re.split(r"[ -]", word or "")
        for stem in (part, part.removesuffix("s"))
        if stem in phrases.MEANT
    ]
    return meant[-1] if meant else None
