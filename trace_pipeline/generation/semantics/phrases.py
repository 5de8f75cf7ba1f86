"""The surface phrases of the lexicon, as patterns over readings (``reading``).

A *strict* phrase binds: wherever one stands, a relation of its kind is declared for
that very place, with the number that it holds. A *loose* phrase only asks that some
relation of its kinds is declared, and is what such a relation needs near its numbers.
"""

from __future__ import annotations

import re

_NUMBER = r"\{(?P<n>[A-Z0-9_]+)(?::(?:MONEY|WORDS|FIGURES))?\}(?! ?(?:percent|times)\b)"
_WORD = r" [^\s.,;:?!]+"
_NOUN = r" (?!(?:is|are|was|were|do|does|did|has|have|had|can|will) )[^\s.,;:?!]+"
_AMOUNT = (
    r"(?:number|amount|price|cost|weight|length|height|size|distance|age|speed|value|sum|time)\b"
)
_COMPARED = (
    r"(?:as (?:many|much|long|far|old|heavy|tall|big|large|high|deep|wide|fast|often|expensive|good"
    r"|quickly|late|<[A-Z0-9_/]+>)(?!\w)"
    r"|(?:that|this) (?:many|much|number|amount|sum|price|distance|length|time|rate)\b"
    rf"|(?:the|its|her|his) {_AMOUNT}|of what\b|what\b)"
)
"""What a multiple or a fraction is of: "as many", "that number", "the price of"."""
_TIMES = (
    r"(?:\{(?P<n>[A-Z0-9_]+):TIMES\}|\{(?P<k>[A-Z0-9_]+)\} times"
    r"|\b(?P<word>twice|double|triple|(?:two|three|four|five|six|seven|eight|nine|ten) times))"
)
_ORDINAL = r"(?:third|quarter|fourth|fifth|sixth|eighth|tenth)"
_PART = (
    r"(?:\{(?P<n>[A-Z0-9_]+):FRACTION\}"
    rf"|(?<!first )(?<!second )\b(?P<word>half|an? {_ORDINAL}|one[- ](?:half|{_ORDINAL})))"
)
_MORE = (
    r"(?:more|older|taller|longer|heavier|higher|deeper|farther|further|larger|bigger|faster|wider"
    r"|later|greater|warmer|hotter)"
)
_LESS = (
    r"(?:fewer|less|younger|shorter|lighter|lower|cheaper|slower|smaller|earlier|narrower|colder"
    r"|cooler)"
)
_THAN_ASKED = r"(?=[^.?!]* than\b)"

STRICT: dict[str, tuple[re.Pattern[str], ...]] = {
    "times_as_many": (re.compile(rf"{_TIMES} {_COMPARED}"),),
    "fraction_as_many": (re.compile(rf"{_PART} {_COMPARED}"),),
    "more_than": (
        re.compile(rf"{_NUMBER}(?:{_WORD}){{0,2}}? {_MORE}\b(?:{_WORD}){{0,5}}? than\b"),
        re.compile(rf"{_NUMBER}(?:{_WORD}){{0,3}}? (?:above|ahead of)\b"),
    ),
    "fewer_than": (
        re.compile(rf"{_NUMBER}(?:{_WORD}){{0,2}}? {_LESS}\b(?:{_WORD}){{0,5}}? than\b"),
        re.compile(rf"{_NUMBER}(?:{_WORD}){{0,3}}? (?:below|behind|short of)\b"),
    ),
    "how_many_more": (
        re.compile(rf"how (?:many|much|far)(?:{_NOUN}){{0,4}}? {_MORE}\b{_THAN_ASKED}"),
        re.compile(rf"how {_MORE}\b{_THAN_ASKED}"),
    ),
    "how_many_fewer": (
        re.compile(rf"how (?:many|much|far)(?:{_NOUN}){{0,4}}? {_LESS}\b{_THAN_ASKED}"),
    ),
    "part_of": (
        re.compile(
            rf"{_PART} (?:of\b(?! what\b)|(?:the|its|her|his|their|these|those)\b)(?! {_AMOUNT})"
        ),
        re.compile(r"\b(?P<word>halved|cut in half)\b"),
    ),
    "parts_of": (
        re.compile(
            r"\b(?P<many>two|three|four|five|seven)[- ]"
            r"(?P<word>thirds|quarters|fourths|fifths|sixths|eighths|tenths) of\b"
        ),
        re.compile(r"\{(?P<m>[A-Z0-9_]+)\}/\{(?P<n>[A-Z0-9_]+)\} of\b"),
    ),
    "grown": (
        re.compile(
            r"\{(?P<n>[A-Z0-9_]+):GROWN\}"
            r"|\b(?P<word>doubled|doubles|tripled|triples|quadrupled|quadruples)\b"
        ),
    ),
    "percent": (re.compile(r"\{(?P<n>[A-Z0-9_]+)(?::FIGURES|:WORDS)?\}(?:%| ?percent\b)"),),
}
"""Strict phrases by kind; ``percent`` stands for its three kinds, which ``PERCENT`` tells apart.

Groups: ``n`` (or ``k``) the number in the phrase or ``word`` a word that means it; ``m`` or
``many`` the upper number of a fraction.
"""

CONNECTING = ("than", "above", "ahead of", "below", "behind", "short of")
"""Ends of strict phrases right after which the reference stands."""
QUESTIONS = frozenset({"how_many_more", "how_many_fewer"})
"""Strict phrases that are part of the question."""

MEANT: dict[str, int] = {
    "twice": 2, "double": 2, "triple": 3, "doubled": 2, "doubles": 2, "tripled": 3, "triples": 3,
    "quadrupled": 4, "quadruples": 4, "half": 2, "halved": 2, "third": 3, "quarter": 4,
    "fourth": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10, "two": 2, "three": 3, "four": 4,
    "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
}  # fmt: skip
"""The numbers that a phrase's ``word`` may mean."""

PERCENT: dict[str, re.Pattern[str]] = {
    "percent_off": re.compile(
        r"\b(?:off|less|fell|falls|down|shr[iau]nk|los[et]|lost|saves|saved|savings?)\b"
        r"|\b(?:discount|lower|reduc|cheaper|decrease|drop)"
    ),
    "percent_up": re.compile(
        r"\b(?:more|up|above|over|rise|rises|risen|rose)\b"
        r"|\b(?:rais|increas|gr[eo]w|gain|higher|markup|profit)"
    ),
    "percent_of": re.compile(
        r"\bof\b(?! \{[A-Z0-9_:]+\}(?:%| ?percent))"
        r"|\b(?:tip|tax|fee|commission|interest|deposit|down payment|service charge)"
    ),
}
"""Words that tell what a percentage does to its base; the nearest one decides."""

_UNIT = (
    r"(?:second|minute|hour|day|night|week|month|year|mile|piece|dozen|pound|ounce|gallon|liter"
    r"|meter|yard|foot|page|box|bag|person|visit|trip|lap|lesson|class|ticket|shift|item|session)"
)
_EACH = (
    r"\b(?:each|every|everyone|everybody|apiece|per|daily|weekly|monthly|hourly|a piece)\b"
    rf"|\b(?:an?|one) {_UNIT}\b|\b(?:times|days|hours|minutes|weeks) (?:an?|one) [a-z]+"
    r"|\bof \{|[>}] in (?:a|an|each|one)\b|\b(?:rows?|with) \{|\} times\b"
    r"|\b(?:at|for|costs?|charges?|charged|pays?|paid|is|are|was|were) (?:just |only )?"
    r"\{[A-Z0-9_]+:MONEY\}"
    r"|\ban? [a-z]+ (?:holds?|contains?|seats|has) \{"
)
_TOGETHER = (
    r"\b(?:together|altogether|in all|in total|total|overall|combined|between them|sum|whole|all)\b"
)

LOOSE: dict[str, re.Pattern[str]] = {
    "difference": re.compile(
        rf"\b(?:difference|by how (?:many|much)|{_MORE}|{_LESS}|ahead|behind|change|profit|gain)\b"
        r"|\b(?:left|save|over|beyond)"
    ),
    "average": re.compile(r"\b(?:average|mean)\b"),
    "total": re.compile(
        rf"{_TOGETHER}"
        r"|\b(?:both|entire|plus|also|too|including|everything|and|then|another|more|they)\b"
        r"|\badditional\b"
        r"|\b(?:that|the whole|over the|in the|on both) (?:day|week|month|year|evening|two|three)\b"
    ),
    "each": re.compile(_EACH),
    "converted": re.compile(
        r"\b(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?|dozens?|inch(?:es)?|feet|foot"
        r"|yards?|miles?|meters?|kilometers?|centimeters?|ounces?|pounds?|grams?|kilograms?|cups?"
        r"|quarts?|gallons?|liters?|milliliters?|cents?|dollars?|nickels?|dimes?|quarters?|pairs?"
        r"|scores?)\b"
    ),
    "shared": re.compile(
        rf"{_EACH}|\b(?:divid|split|shar|equal|even|fit|fill|pack|bag|group|full)"
    ),
    "rounded_up": re.compile(
        r"\b(?:need|at least|fewest|smallest|least|take|necessary|must|enough|trips?)"
    ),
    "rounded_down": re.compile(r"\b(?:full|complete|whole|most|can|able|enough|fill)\b"),
    "left_over": re.compile(r"\b(?:left|remain|rest|over|extra|without)"),
    "ratio": re.compile(r"\bratio\b|\bfor every \{"),
}
"""What a loose relation needs in a sentence that shows one of its quantities."""

RESULT: dict[str, re.Pattern[str]] = {
    "total": re.compile(
        rf"{_TOGETHER}|\b(?:ratio|limit|at most|up to|room for|beyond|extra|until)\b"
        r"|\b(?:over|first) \{|\bcan (?:store|carry|hold)\b"
    ),
    "account": re.compile(
        r"\b(?:left|remains?|remaining|still|now|end(?:s|ed)? (?:up )?with|in the end|rest|finally"
        r"|stays?|stayed|are on the|home with)\b"
    ),
}
"""What such a relation needs beside its result where the text itself names that."""

DIVIDED = re.compile(
    r"\b(?:divid|split|shar|equal|even|among|between|spread|cut into|average|that (?:price|rate)"
    r"|same (?:number|amount|size|length|price|rate|kind|pay)|the same for each|paid the same"
    r"|as much as in)"
    r"|\} <[A-Z0-9_/]+>(?: of the same kind)? cost \{[A-Z0-9_]+:MONEY\}(?! (?:each|apiece|per)\b)"
)
"""Words that divide one thing by another."""

TWICE_OVER = re.compile(r"\b(?:back|round trip|return(?:s|ing)?|both ways)\b")
"""Words that let one quantity count twice in a total."""

_RATE = r"(?:each|apiece|per|every|daily|weekly)\b"


def rate_of(mark: str, around: str) -> bool:
    """Whether the words around a number's mark tell it as so much each."""
    number = re.escape(mark)
    return bool(
        re.search(rf"{number}(?: [^\s.,;?!]+){{0,2}}? {_RATE}", around)
        or re.search(rf"\b(?:each|every)(?: [^\s.,;?!]+){{1,5}} {number}", around)
    )


_DIVISIONS = frozenset({"shared", "ratio", "rounded_up", "rounded_down", "left_over"})
_PERCENTAGES = frozenset(PERCENT)

BINDING: dict[str, tuple[re.Pattern[str], frozenset[str]]] = {
    "an average": (LOOSE["average"], frozenset({"average"})),
    "a difference": (
        re.compile(r"\b(?:difference|by how (?:many|much))\b"),
        frozenset({"difference"}),
    ),
    "a ratio": (re.compile(r"\bratio\b"), frozenset({"ratio"})),
    "a rate": (
        re.compile(r"\b(?:each|every|apiece|per)\b"),
        _DIVISIONS | _PERCENTAGES | {"each", "average", "account", "total"},
    ),
    "a remainder": (
        re.compile(r"\b(?:left(?! (?:the|for|home|at))|remaining|remains?|the rest)\b"),
        frozenset(
            {"account", "left_over", "difference", "percent_off", "percent_of", "total", "part_of"}
        ),
    ),
    "a total": (
        re.compile(r"\b(?:together|altogether|in all|in total|total|combined)\b"),
        frozenset({"total", "each", "account", "percent_up", "average"}),
    ),
    "an equal division": (
        re.compile(r"\b(?:equally|evenly|splits?|divides?|divided)\b"),
        _DIVISIONS,
    ),
}
"""Loose phrases that must not stand without a relation of one of these kinds."""
