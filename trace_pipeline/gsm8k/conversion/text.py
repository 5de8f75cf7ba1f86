"""A question as the conversion sees it: its numbers, the words around them, its constants."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate

from trace_pipeline.generation import numerals
from trace_pipeline.gsm8k.conversion.constants import called_for, singular, words
from trace_pipeline.gsm8k.conversion.listing import list_sizes
from trace_pipeline.gsm8k.conversion.mentions import Form, Mention, find_mentions, tokenize
from trace_pipeline.gsm8k.conversion.solution import NUMBER, number_of
from trace_pipeline.traces.numbers import Number

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = words(
    "january february march april may june july august september october november december"
)
_DAY_RANGE = re.compile(
    rf"\b(?P<first>{'|'.join(_DAYS)})s? (?:to|through|until|till) (?P<last>{'|'.join(_DAYS)})",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<![.?!\"“] )(?<!^)\b[A-Z][a-z]+\b")
"""A capitalised word that does not open a sentence."""
_NO_NAMES = words(
    "I He She They It We The A An If How What On In At For Each Every Monday Tuesday Wednesday "
    "Thursday Friday Saturday Sunday January February March April May June July August "
    "September October November December Christmas Mr Mrs Ms Dr"
)
FUNCTION_WORDS = words(
    "the a an of and to in for at on with is are was were he she it they his her their has had "
    "have that this per each every as by from , . ? ! $ % - / ( ) who which how many much"
)
_LABELLED = words(
    "house day week month year number grade level room shop store chapter page step phase group "
    "team box bag class lane row floor table bus route stage round game"
)
_DEFINITE = words("the those these this that his her their its all both same")
COMPARATIVES = words(
    "more less fewer older younger taller shorter longer heavier lighter faster slower"
)
_SPELLED = {numerals.words(value): value for value in range(2, 21)}
_BOUNDS = frozenset(
    (("more", "than"), ("less", "than"), ("fewer", "than"), ("at", "least"), ("at", "most"))
)
_ADVERBS = {
    "hourly": "hour",
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "yearly": "year",
    "annual": "year",
}
_NUMBER_AND_WORDS = re.compile(
    rf"(?P<currency>\$\s?)?(?:(?P<number>{NUMBER})|\b(?P<spelled>{'|'.join(_SPELLED)})\b)"
    r"(?P<after>\$)?[\s-]*([A-Za-z]+)?(?:\s+([A-Za-z]+))?",
    re.IGNORECASE,
)


class Text:
    """A question with its numbers and the words that call for constants."""

    def __init__(self, question: str, solution: str) -> None:
        self.question = question
        self._solution = solution
        self.tokens = tokenize(question)
        self._lower = [token.lower for token in self.tokens]
        self.mentions = find_mentions(self.tokens)
        counts = Counter(map(singular, self._lower))
        self.words = set(counts)
        self.weights = {word: 1 / count for word, count in counts.items()}
        """A word that the question repeats tells less."""
        self.constants = called_for(self.words)
        prose = {singular(word) for word in re.findall(r"[a-z]+|[$%¢]", solution.lower())}
        named = {constant.name for constant in self.constants}
        self.day_ranges = set(_day_ranges(question))
        """Lengths of ``Monday to Thursday`` and the like, both ends included."""
        self.calendar = {
            len(found): unit
            for unit, known in (("months", _MONTHS), ("days", _DAYS))
            if len(found := self.words.intersection(known)) > 1
        }
        """How many months and days the question names: ``in September and October``."""
        self.remote = [c for c in called_for(prose) if c.name not in named]
        self.names = set(_NAME.findall(question)) - _NO_NAMES
        counted = {
            self.tokens[place].text for m in self.mentions for place in range(m.first, m.last)
        }
        opening = {token.text for token in self.tokens if token.text.istitle()} - counted
        self.everyone = self.names | (opening - _NO_NAMES)
        """The names and what may be one: capitalised words that open a sentence."""
        self.persons = frozenset(name.lower() for name in self.everyone)
        """The names as they are compared."""
        self.lists = list_sizes(self.tokens)
        """How many things the question lists: ``plums, figs, and dates``."""
        self.sentences: list[int] = []
        """The sentence of each mention."""
        self.nouns: list[frozenset[str]] = []
        """Words beside each mention."""
        self.windows: list[frozenset[str]] = []
        """Words around each mention."""
        self.units = [self._unit(mention) for mention in self.mentions]
        """What each mention counts, as far as the next word says it; else empty."""
        stops = list(accumulate((t.text in ".?!" for t in self.tokens), initial=0))
        for mention in self.mentions:
            self.sentences.append(stops[mention.first])
            self.nouns.append(self._around(mention, 2, 3))
            self.windows.append(self._around(mention, 9, 9))
        self.subjects = [self._subject(mention) for mention in self.mentions]
        """The person before each mention in its sentence, in lower case; else empty."""
        self.thresholds = [self._is_threshold(mention) for mention in self.mentions]
        """Whether each mention only bounds something."""

    def reworded(self, question: str) -> Text:
        """``question`` in the place of this one, before the same solution."""
        return Text(question, self._solution)

    @property
    def speaks_of_percent(self) -> bool:
        """Whether percentages occur in the question at all."""
        return not self.words.isdisjoint(("%", "percent", "percentage"))

    def words_of(self, index: int) -> frozenset[str]:
        """The words that a mention is written in: ``one``, ``third``."""
        mention = self.mentions[index]
        tokens = self.tokens[mention.first : mention.last]
        return frozenset(singular(t.lower) for t in tokens if t.kind == "word") - {"one"}

    def has_percent(self, value: Number) -> bool:
        """Whether the question has this percentage."""
        return any(m.form is Form.PERCENT and m.value == value for m in self.mentions)

    def is_factor(self, index: int) -> bool:
        """Whether a mention multiplies: ``twice``, ``3 times``, ``20 percent``."""
        return self.mentions[index].form is Form.PERCENT or self.is_multiple(index)

    def is_multiple(self, index: int) -> bool:
        """Whether a mention says how many times: ``twice``, ``3 times``."""
        mention = self.mentions[index]
        if mention.form is Form.MULTIPLE:
            return True
        return mention.last < len(self.tokens) and self._lower[mention.last] == "times"

    def is_ratio(self, index: int) -> bool:
        """Whether a mention is a part of ``3:5``, which every share needs again."""
        mention = self.mentions[index]
        around = self.tokens[max(0, mention.first - 1) : mention.last + 1]
        return any(token.text == ":" for token in around)

    def is_label(self, index: int) -> bool:
        """Whether a mention only tells things apart: ``house 2``, ``Day 3``."""
        mention = self.mentions[index]
        before = self._lower[mention.first - 1] if mention.first else ""
        behind = self._lower[mention.last] if mention.last < len(self.tokens) else "."
        plain = not behind.isalpha() or behind in FUNCTION_WORDS
        return mention.form is Form.FIGURES and before in _LABELLED and plain

    def is_definite(self, index: int) -> bool:
        """Whether a mention refers to what was said before: ``the $60``, ``those 4``."""
        first = self.mentions[index].first
        first -= first > 0 and self.tokens[first - 1].text in "$€£"
        return first > 0 and self._lower[first - 1] in _DEFINITE

    def names_group(self, index: int) -> bool:
        """Whether a mention counts what has been listed: ``the three``, ``all 4``."""
        mention = self.mentions[index]
        if mention.first == 0 or not isinstance(mention.value, int) or mention.value > 6:
            return False
        return self._lower[mention.first - 1] in ("the", "all", "these", "those")

    def _is_threshold(self, mention: Mention) -> bool:
        """Whether a mention bounds something: ``more than 5 pounds``, ``at least 5``."""
        first = mention.first
        return tuple(self._lower[max(0, first - 2) : first]) in _BOUNDS

    def _subject(self, mention: Mention) -> str:
        """The last name before a mention in its sentence, in lower case; else empty."""
        for token in reversed(self.tokens[: mention.first]):
            if token.text in ".?!":
                break
            name = token.lower.removesuffix("'s").removesuffix("’s")
            if token.text[0].isupper() and name in self.persons:
                return name
        return ""

    def is_difference(self, index: int) -> bool:
        """Whether a mention compares: ``6 more than``, ``4 years older``."""
        last = self.mentions[index].last
        return not COMPARATIVES.isdisjoint(self._lower[last : last + 3])

    def multiplies_next(self, index: int) -> bool:
        """Whether a mention counts things of the next mention's size: ``three 8-cup bags``."""
        if index + 1 >= len(self.mentions):
            return False
        between = self.tokens[self.mentions[index].last : self.mentions[index + 1].first]
        return all(token.text in "$€£" for token in between)

    def _unit(self, mention: Mention) -> str:
        for token in self.tokens[mention.last : mention.last + 3]:
            word = singular(token.lower)
            if token.kind != "word":
                return ""
            if word not in FUNCTION_WORDS and word not in COMPARATIVES:
                return word
        return ""

    def _around(self, mention: Mention, before: int, after: int) -> frozenset[str]:
        found = set()
        for word in self._lower[mention.last : mention.last + after]:
            if word in ".?!;":
                break
            found.add(_root(word))
        for word in reversed(self._lower[max(0, mention.first - before) : mention.first]):
            if word in ".?!;":
                break
            found.add(_root(word))
        return frozenset(found) - FUNCTION_WORDS


def _root(word: str) -> str:
    return _ADVERBS.get(word) or singular(word)


def _day_ranges(question: str) -> Iterator[int]:
    for match in _DAY_RANGE.finditer(question):
        first, last = (_DAYS.index(match[end].lower()) for end in ("first", "last"))
        yield (last - first) % 7 + 1


@lru_cache(maxsize=4096)
def numbers_in(prose: str) -> tuple[tuple[Number, frozenset[str], bool], ...]:
    """Numbers of a solution's prose, the words behind each, and whether it is money."""
    return tuple(_numbers_in(prose))


def _numbers_in(prose: str) -> Iterator[tuple[Number, frozenset[str], bool]]:
    for match in _NUMBER_AND_WORDS.finditer(prose):
        beside = frozenset(singular(word.lower()) for word in match.groups()[4:] if word)
        money = bool(match["currency"] or match["after"])
        spelled = match["spelled"]
        value = _SPELLED[spelled.lower()] if spelled else number_of(match["number"])
        yield value, beside - FUNCTION_WORDS, money


def rest_of_sentence(after: str) -> str:
    """The rest of the sentence behind a result."""
    return re.split(r"\n|\. |\.$", after, maxsplit=1)[0]


@lru_cache(maxsize=4096)
def first_words(after: str) -> frozenset[str]:
    """The first two words of ``after``, up to the end of its sentence: what a result counts."""
    found = re.findall(r"[A-Za-z]+", rest_of_sentence(after))[:2]
    return frozenset(singular(word.lower()) for word in found) - FUNCTION_WORDS
