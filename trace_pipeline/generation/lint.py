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
_ONE_MANY = re.compile(rf"(?<![\w.,-])(?:1|[Oo]ne) ((?:{_SINGULAR_UNITS})(?:e?s))\b")
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
_BARE_SINGULAR = re.compile(
    r"\b(?:buys?|bought|sells?|sold|eats?|ate|makes?|made|gets?|got|finds?|found|needs?|picks|reads?"
    r"|bakes?|baked|collects?|takes?|took|gives?|gave|lost|loses) "
    r"(book|box|bag|ticket|apple|orange|egg|cake|cookie|muffin|card|toy|pencil|flower|shirt|hat)"
    r"(?=[.,;?!]| (?:and|for|at|to|in|on|from|with|but|then)\b)"
)
_CAPITAL_INSIDE = re.compile(
    r"(?<![.?!:] )(?<!^)\b(He|She|They|His|Her|Their|Then|The|It|This|Each|Every|How|What)\b"
)
_LABELED = re.compile(
    rf"\b(pump|machine|team|room|bus|line|store|class|group|shelf|box|table|pipe|truck|shift|worker"
    rf"|day|bin|jar|tank|farm|printer|plan) (?:(\d+)|({_NUMBER_WORDS}|one))\b"
    r"(?! (?!is|was|has)[a-z]+s\b)",
    re.IGNORECASE,
)
_INEDIBLE = (
    r"(?:box|bag|crate|basket|book|pencil|pen|toy|marble|card|stamp|coin|chair|brick|button|candle"
    r"|ticket|shirt|hat|shoe|ball|doll|rock|shell|sticker|notebook|bottle|lamp|kite|puzzle|badge)"
)
_EATEN = re.compile(
    rf"\b(?:eats?|ate|eaten|eating|cooks?|cooked|fries|fried|drinks?|drank)(?: [\w,]+){{0,3}} "
    rf"({_INEDIBLE}(?:e?s)?)\b(?! (?:of|full)\b)"
    rf"|\b({_INEDIBLE}(?:e?s)?) (?:is|are|was|were) (?:eaten|cooked|fried|drunk)\b"
)


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
    for match in _BARE_SINGULAR.finditer(text):
        yield f"{match[0]!r}: expected an article or the plural"
    for match in _CAPITAL_INSIDE.finditer(text):
        yield f"{match[0]!r} inside a sentence has a capital"
    for match in _EATEN.finditer(text):
        yield f"{match[1] or match[2]!r} is nothing to eat or drink"
    yield from _renamed(text)
    if _SPACING.search(text):
        yield "spaces and punctuation do not fit"
    if not text.endswith((".", "?")):
        yield "the text does not end in a full stop or question mark"


def _renamed(text: str) -> Iterator[str]:
    """One thing with its number in words here and in figures there: "Pump two ... Pump 2"."""
    figures: set[tuple[str, int]] = set()
    spelled: set[tuple[str, int]] = set()
    for noun, figure, word in _LABELED.findall(text):
        if figure:
            figures.add((noun.lower(), int(figure)))
        else:
            spelled.add((noun.lower(), _VALUES[word.lower()]))
    for noun, number in sorted(figures & spelled):
        yield f"{noun} {number} is written in words and in figures"


_VALUES = {numerals.words(value): value for value in range(1, 101)}
_SECOND_QUESTION = re.compile(
    r"\b(?:and|or),? (?:how (?:many|much|far|long)|what|which)\b[^.?!]*\?"
)


def question_count(text: str) -> int:
    """How many questions ``text`` asks, those joined by "and" counted one by one."""
    return text.count("?") + len(_SECOND_QUESTION.findall(text))
