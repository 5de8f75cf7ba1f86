"""A grammar linter for generated questions: mistakes that a pattern can prove."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trace_pipeline.generation import grammar, numerals

_NUMBER_WORDS = "|".join(sorted((numerals.words(n) for n in range(2, 101)), key=len, reverse=True))
_SINGULAR_UNITS = (
    "hour|minute|second|day|week|month|year|mile|kilometer|meter|foot|inch|pound|ounce|dollar|cent"
    "|box|bag|page|lap|ticket|book|student|worker|liter|gallon|yard|egg|row|shelf|tray"
)

_ARTICLE = re.compile(r"\b([Aa]n?) (\$?[\w-]+)")
_SENTENCE = re.compile(r"(?:^|[.?!] )([^\W\d_])")
_DOUBLED = re.compile(r"\b([A-Za-z]+) \1\b", re.IGNORECASE)
_ONE_MANY = re.compile(rf"(?<![\d.,-])(?:1|[Oo]ne) ((?:{_SINGULAR_UNITS})(?:e?s))\b")
_MANY_ONE = re.compile(
    rf"(?:(?<![\d.,$-])(?!1 )\d[\d,.]*|\b(?:{_NUMBER_WORDS})) ({_SINGULAR_UNITS})\b(?!-)"
)
_SYMBOL_WORD = re.compile(rf"\b(?:one|{_NUMBER_WORDS})(?:%|:)|[$:](?:one|{_NUMBER_WORDS})\b")
_SPACING = re.compile(r"  | [,.?!;:]|[,;?!](?=[^\s\d\"')])|^\s|\s$")
_INFLECTED_AFTER_TO = re.compile(
    r"\b(?:to|will|can|does|did|must|should) "
    r"((?:gives|buys|makes|sells|bakes|takes|earns|pays|uses|keeps|eats|has|is|gets)|"
    r"(?:bought|made|sold|gave|took|earned|paid|used|kept|ate|had|got))\b"
)
_BAD_PLURALS = re.compile(
    r"\b\w*(?:(?:x|ch|sh)s|[^aeiou\W]ys|childs|mans|foots|mouses|loafs|shelfs|knifes)\b"
)
_GOOD_PLURALS = frozenset({"stomachs", "monarchs"})


def lint(text: str) -> Iterator[str]:
    """What is wrong with ``text``, in words."""
    for match in _ARTICLE.finditer(text):
        right = grammar.article(match[2])
        if match[1].lower() != right:
            yield f"{match[0]!r}: expected {right!r}"
    for match in _SENTENCE.finditer(text):
        if match[1].islower():
            yield f"a sentence starts with a small {match[1]!r}"
    for match in _DOUBLED.finditer(text):
        yield f"doubled word {match[0]!r}"
    for match in _ONE_MANY.finditer(text):
        yield f"{match[0]!r}: one takes the singular"
    for match in _MANY_ONE.finditer(text):
        yield f"{match[0]!r}: expected the plural"
    for match in _SYMBOL_WORD.finditer(text):
        yield f"a number word touches a symbol in {match[0]!r}"
    for match in _INFLECTED_AFTER_TO.finditer(text):
        yield f"{match[0]!r}: expected the base form"
    for match in _BAD_PLURALS.finditer(text):
        if match[0] not in _GOOD_PLURALS:
            yield f"{match[0]!r} is no plural"
    if _SPACING.search(text):
        yield "spaces and punctuation do not fit"
    if not text.endswith((".", "?")):
        yield "the text does not end in a full stop or question mark"


def question_count(text: str) -> int:
    """How many questions ``text`` asks."""
    return text.count("?")
