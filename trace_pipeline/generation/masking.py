"""Skeletons of questions: what is left of a text without its numbers, names and things.

Two questions with one skeleton differ only in what was filled in, so the number of
skeletons says how varied the language of a dataset is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from trace_pipeline.generation import numerals
from trace_pipeline.generation.catalog import Catalog
from trace_pipeline.generation.grammar import PRONOUNS
from trace_pipeline.generation.grounding import MEANINGS

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:-[^\W\d_]+)*|\S")
_NUMBER_WORDS = frozenset(numerals.words(value) for value in range(101)) | MEANINGS.keys()
_PRONOUNS = frozenset(form for forms in PRONOUNS.values() for form in forms.values())

Phrases = Mapping[str, tuple[tuple[str, ...], ...]]
"""Phrases by their first word, the longest first."""


class Masker:
    """Masks the words of a catalogue."""

    def __init__(self, names: Iterable[str], things: Iterable[str]) -> None:
        """``names`` of people, and ``things``: whatever else is drawn from the vocabulary."""
        self._names = frozenset(names)
        self._things = _by_first_word(things)

    @classmethod
    def of(cls, catalog: Catalog) -> Masker:
        """The masker of all words that ``catalog`` draws, verbs aside."""
        names: set[str] = set()
        things: set[str] = set()
        pools = {
            id(pool): pool
            for plan in catalog.plans.values()
            for wording in plan.wordings
            for _, pool in wording.drawer.pools
        }
        for entry in (entry for pool in pools.values() for entry in pool):
            if "they" in entry.forms:
                names.add(entry.forms[""])
            else:
                verbs = {path.removesuffix(".ing") for path in entry.forms if path.endswith(".ing")}
                things |= {
                    text
                    for path, text in entry.forms.items()
                    if not path.endswith("slug") and path.rpartition(".")[0] not in verbs - {""}
                    and path not in verbs
                }  # fmt: skip
        return cls(names, things)

    def skeleton(self, question: str, things: bool = False) -> str:
        """``question`` with numbers, names and pronouns masked; with ``things``, those too."""
        tokens = _TOKEN.findall(question)
        out: list[str] = []
        place = 0
        while place < len(tokens):
            word = tokens[place]
            small = word.lower()
            length = _match(self._things, tokens, place) if things else 0
            if length:
                out.append("*")
            elif word[0].isdigit() or small in _NUMBER_WORDS:
                out.append("#")
            elif word in self._names or small in _PRONOUNS:
                out.append("@")
            else:
                out.append("a" if small == "an" else small)
            place += length or 1
        return " ".join(out)


def _by_first_word(phrases: Iterable[str]) -> Phrases:
    found: dict[str, list[tuple[str, ...]]] = {}
    for phrase in phrases:
        words = tuple(_TOKEN.findall(phrase.lower()))
        if words:
            found.setdefault(words[0], []).append(words)
    return {first: tuple(sorted(some, key=len, reverse=True)) for first, some in found.items()}


def _match(phrases: Phrases, tokens: list[str], place: int) -> int:
    """How many tokens from ``place`` on are one of the phrases."""
    for words in phrases.get(tokens[place].lower(), ()):
        if [token.lower() for token in tokens[place : place + len(words)]] == list(words):
            return len(words)
    return 0
