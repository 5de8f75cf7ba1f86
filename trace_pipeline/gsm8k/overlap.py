"""Contamination: training questions that repeat test questions, whole or in part.

Two detectors over normalised words (lower case, no punctuation, no thousands
commas, accents composed, nothing invisible): the same question, and any run of 13
words in common. Thirteen is the length that GPT-3's authors settled on (Brown et al.
2020, arXiv:2005.14165, appendix C).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from msgspec import Struct

GRAM = 13
"""Words in a run."""

_COMMA = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_WORD = re.compile(r"\w+(?:\.\d+)?")


class Hit(Struct, frozen=True):
    """A training question that overlaps with a test question (positions in the given lists)."""

    train: int
    test: int
    words: str
    """The first run of words in common; the whole question for an exact hit."""


class Overlap(Struct, frozen=True):
    """All overlaps between two lists of questions."""

    train_size: int
    test_size: int
    exact: tuple[Hit, ...]
    thirteen_gram: tuple[Hit, ...]
    """Pairs that share a run of 13 words without being the same question."""

    @property
    def train_indices(self) -> frozenset[int]:
        """Positions of the training questions to drop."""
        return frozenset(hit.train for hit in (*self.exact, *self.thirteen_gram))

    @property
    def clean(self) -> bool:
        """Whether nothing overlaps."""
        return not self.exact and not self.thirteen_gram

    def describe(self) -> str:
        """One sentence for logs and metadata."""
        return (
            f"{len(self.train_indices)} of {self.train_size:,} training questions overlap with "
            f"{self.test_size:,} test questions ({len(self.exact)} exact pairs, "
            f"{len(self.thirteen_gram)} pairs with {GRAM} words in a row in common)"
        )


def find_overlaps(train_questions: Sequence[str], test_questions: Sequence[str]) -> Overlap:
    """Compare every training question with every test question.

    Linear in the number of words: the runs of the test questions are indexed once.
    A question shorter than 13 words can only be an exact hit.
    """
    whole: dict[tuple[str, ...], list[int]] = {}
    runs: dict[tuple[str, ...], list[int]] = {}
    for index, question in enumerate(test_questions):
        words = normalised_words(question)
        whole.setdefault(words, []).append(index)
        for run in dict.fromkeys(_runs(words)):
            runs.setdefault(run, []).append(index)
    exact: list[Hit] = []
    partial: list[Hit] = []
    for index, question in enumerate(train_questions):
        words = normalised_words(question)
        same = whole.get(words, [])
        exact.extend(Hit(index, test, " ".join(words)) for test in same)
        met = set(same)
        for run in _runs(words):
            for test in runs.get(run, ()):
                if test not in met:
                    met.add(test)
                    partial.append(Hit(index, test, " ".join(run)))
    return Overlap(len(train_questions), len(test_questions), tuple(exact), tuple(partial))


def normalised_words(question: str) -> tuple[str, ...]:
    """The words that are compared: ``"It's $1,234.50!"`` is ``it s 1234.50``."""
    text = question if question.isascii() else _composed(question)
    return tuple(_WORD.findall(_COMMA.sub("", text.lower())))


def _composed(text: str) -> str:
    """``text`` with one form of each accented letter, and without soft hyphens and the like.

    A space of no width parts words as any other. Compatible forms stay apart (no NFKC): that would
    change which problems are chosen, and perhaps their part of the split.
    """
    composed = unicodedata.normalize("NFC", text.replace("\u200b", " "))
    return "".join(letter for letter in composed if unicodedata.category(letter) != "Cf")


def _runs(words: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [words[start : start + GRAM] for start in range(len(words) - GRAM + 1)]
