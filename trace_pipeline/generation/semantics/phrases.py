"""The surface phrases of the lexicon, as patterns over readings (``reading``).

A *strict* phrase binds: wherever one stands, a relation of its kind is declared for
that very place, with the number that it holds. A *loose* phrase only asks that some
relation of its kinds is declared, and is what such a relation needs near its numbers.
"""

from __future__ import annotations

import re

_NUMBER = r"\{(?P<n>[A-Z0-9_]+)(?::(?:MONEY|WORDS|FIGURES))?\}"
_WORD = r" [^\s.,;:?!]+"
_NOUN = r" (?!(?:is|are|was|were|do|does|did|has|have|had|can|will) )[^\s.,;:?!]+"
_AS = (
    r"as (?:many|much|long|far|old|heavy|tall|big|large|high|deep|wide|fast|often|expensive|good"
    r"|quickly|late|<[A-Z0-9_]+>)(?!\w)"
)
_THAT = r"(?:that|this) (?:many|much|number|amount|sum|price|distance|length|time|rate)\b"
_THE = (
    r"(?:the|its|her|his) (?:number|amount|price|cost|weight|length|height|size|distance|age|speed"
    r"|value|sum|time)\b"
)
_COMPARED = rf"(?:{_AS}|{_THAT}|{_THE}|of what\b|what\b)"
_TIMES = (
    r"(?:\{(?P<n>[A-Z0-9_]+):TIMES\}|\{(?P<k>[A-Z0-9_]+)\} times"
    r"|\b(?P<word>twice|double|triple|(?:two|three|four|five|six|seven|eight|nine|ten) times))"
)
_UNIT_PART = r"(?:third|quarter|fourth|fifth|sixth|eighth|tenth)"
_PART = (
    r"(?:\{(?P<n>[A-Z0-9_]+):FRACTION\}"
    rf"|(?<!first )(?<!second )\b(?P<word>half|an? {_UNIT_PART}|one[- ](?:half|{_UNIT_PART})))"
)
_MORE = (
    r"(?:more|older|taller|longer|heavier|higher|deeper|farther|further|larger|bigger|faster|wider"
    r"|later|greater|warmer|hotter)"
)
_LESS = (
    r"(?:fewer|less|younger|shorter|lighter|lower|cheaper|slower|smaller|earlier|narrower|colder"
    r"|cooler)"
)
_NOT_PERCENT = r"(?! ?(?:percent|times)\b)"

STRICT: dict[str, tuple[re.Pattern[str], ...]] = {
    "times_as_many": (re.compile(rf"{_TIMES} {_COMPARED}"),),
    "fraction_as_many": (re.compile(rf"{_PART} {_COMPARED}"),),
    "more_than": (
        re.compile(
            rf"{_NUMBER}{_NOT_PERCENT}(?:{_WORD}){{0,2}}? {_MORE}\b(?:{_WORD}){{0,5}}? than\b"
        ),
        re.compile(rf"{_NUMBER}{_NOT_PERCENT}(?:{_WORD}){{0,3}}? (?:above|ahead of)\b"),
    ),
    "fewer_than": (
        re.compile(
            rf"{_NUMBER}{_NOT_PERCENT}(?:{_WORD}){{0,2}}? {_LESS}\b(?:{_WORD}){{0,5}}? than\b"
        ),
        re.compile(rf"{_NUMBER}{_NOT_PERCENT}(?:{_WORD}){{0,3}}? (?:below|behind|short of)\b"),
    ),
    "how_many_more": (
        re.compile(rf"how (?:many|much|far)(?:{_NOUN}){{0,4}}? {_MORE}\b(?=[^.?!]* than\b)"),
        re.compile(rf"how {_MORE}\b(?=[^.?!]* than\b)"),
    ),
    "how_many_fewer": (
        re.compile(rf"how (?:many|much|far)(?:{_NOUN}){{0,4}}? {_LESS}\b(?=[^.?!]* than\b)"),
    ),
    "part_of": (
        re.compile(
            rf"{_PART} (?:of\b(?! what\b)|(?:the|its|her|his|their|these|those)\b)(?! number| amount| price| cost| weight| length| height| size| distance| age| speed| value| sum| time)"
        ),
        re.compile(r"\b(?P<word>halved|cut in half)\b"),
    ),
    "parts_of": (
        re.compile(
            r"\b(?P<many>two|three|four|five|seven)[- ](?P<word>thirds|quarters|fourths|fifths|sixths"
            r"|eighths|tenths) of\b"
        ),
        re.compile(r"\{(?P<m>[A-Z0-9_]+)\}/\{(?P<n>[A-Z0-9_]+)\} of\b"),
    ),
    "grown": (
        re.compile(
            r"\{(?P<n>[A-Z0-9_]+):GROWN\}|\b(?P<word>doubled|doubles|tripled|triples|quadrupled"
            r"|quadruples)\b"
        ),
    ),
    "percent": (re.compile(r"\{(?P<n>[A-Z0-9_]+)(?::FIGURES|:WORDS)?\}(?:%| ?percent\b)"),),
}
"""Strict phrases by kind; ``percent`` stands for its three kinds, which ``PERCENT`` tells apart.

Groups: ``n`` the number in the phrase (``m`` another one), ``word`` a word that means one.
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
        r"\boff\b|\bdiscount|\bless\b|\blower|\breduc|\bcheaper|\bmark(?:s|ed)? (?:it )?down|\bdecrease"
        r"|\bfell\b|\bfalls\b|\bdrop|\bdown\b|\bsav(?:es|ed|ings?)\b|\bshr[iau]nk|\blos[et]"
    ),
    "percent_up": re.compile(
        r"\bmore\b|\brais|\bincreas|\bup\b|\bgr[eo]w|\babove\b|\bover\b|\bgain|\bhigher|\brise|\brose"
        r"|\bmarkup|\bprofit"
    ),
    "percent_of": re.compile(
        r"\bof\b(?! \{[A-Z0-9_:]+\}(?:%| ?percent))|\btip|\btax\b|\bfee\b|\bcommission"
        r"|\binterest\b|\bdeposit|\bdown payment|\bservice charge"
    ),
}
"""Words that tell what a percentage does to its base; the nearest one decides."""

_UNIT = (
    r"(?:second|minute|hour|day|night|week|month|year|mile|piece|dozen|pound|ounce|gallon|liter"
    r"|meter|yard|foot|page|box|bag|person|visit|trip|lap|lesson|class|ticket|shift|item|session)"
)
_EACH = (
    rf"\b(?:each|every|everyone|everybody|apiece|per|daily|weekly|monthly|hourly|a piece)\b|\b(?:an?|one) {_UNIT}\b"
    r"|\b(?:times|days|hours|minutes|weeks) (?:an?|one) [a-z]+|\bof \{|[>}] in (?:a|an|each|one)\b"
    r"|\b(?:at|for|costs?|charges?|charged|pays?|paid|is|are|was|were|cost) (?:just |only )?\{[A-Z0-9_]+:MONEY\}"
    r"|\ban? [a-z]+ (?:holds?|contains?|seats|has) \{|\b(?:rows?|with) \{|\} times\b"
)

LOOSE: dict[str, re.Pattern[str]] = {
    "difference": re.compile(
        rf"\bdifference\b|\bby how (?:many|much)\b|\b(?:more|less|fewer)\b|\b{_MORE}\b|\b{_LESS}\b|\bahead\b|\bbehind\b|\bchange\b|\bprofit\b|\bgain\b|\bleft\b|\bsave"
    ),
    "average": re.compile(r"\baverage\b|\bmean\b"),
    "total": re.compile(
        r"\b(?:together|altogether|in all|in total|total|overall|combined|sum|both|whole|between them"
        r"|entire|all|plus|also|too|including|everything|and|then|another|more|additional|they)\b"
        r"|\b(?:that|the whole|over the|in the|on both) (?:day|week|month|year|evening|two|three|days)\b"
    ),
    "each": re.compile(_EACH),
    "converted": re.compile(
        r"\b(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?|dozens?|inch(?:es)?|feet|foot|yards?"
        r"|miles?|meters?|kilometers?|centimeters?|ounces?|pounds?|grams?|kilograms?|cups?|quarts?"
        r"|gallons?|liters?|milliliters?|cents?|dollars?|nickels?|dimes?|quarters?|pairs?|scores?)\b"
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
        r"\b(?:together|altogether|in all|in total|total|overall|combined|between them|sum|whole|all)\b"
        r"|\b(?:ratio|limit|at most|up to|room for|beyond|extra|until)\b|\b(?:over|first) \{"
        r"|\bcan (?:store|carry|hold)\b"
    ),
    "account": re.compile(
        r"\b(?:left|remain(?:s|ing)?|still|now|end(?:s|ed)? (?:up )?with|in the end|rest|finally|stay(?:s|ed)?|are on the|home with)\b"
    ),
}
"""What such a relation needs beside its result where the text gives that as a number."""

TWICE_OVER = re.compile(r"\b(?:back|round trip|return(?:s|ing)?|both ways)\b")
"""Words that let one quantity count twice in a total."""

_RATE = r"(?:each|apiece|per|every|daily|weekly)\b"


def rate_of(mark: str, around: str) -> bool:
    """Whether the words around a number's mark tell it as so much each."""
    return bool(
        re.search(rf"{re.escape(mark)}(?: [^\s.,;?!]+){{0,2}}? {_RATE}", around)
        or re.search(rf"\b(?:each|every)(?: [^\s.,;?!]+){{1,3}} {re.escape(mark)}", around)
    )


BINDING: dict[str, tuple[re.Pattern[str], frozenset[str]]] = {
    "an average": (LOOSE["average"], frozenset({"average"})),
    "a difference": (
        re.compile(r"\bdifference\b|\bby how (?:many|much)\b"),
        frozenset({"difference"}),
    ),
    "a ratio": (re.compile(r"\bratio\b"), frozenset({"ratio"})),
    "a rate": (
        re.compile(r"\b(?:each|every|apiece|per)\b"),
        frozenset(
            {
                "each",
                "shared",
                "ratio",
                "average",
                "rounded_up",
                "rounded_down",
                "left_over",
                "account",
                "total",
                "percent_of",
                "percent_off",
                "percent_up",
            }
        ),
    ),
    "a remainder": (
        re.compile(r"\b(?:left(?! (?:the|for|home|at))|remaining|remains?|the rest)\b"),
        frozenset(
            {"account", "left_over", "difference", "percent_off", "total", "part_of", "percent_of"}
        ),
    ),
    "a total": (
        re.compile(r"\b(?:together|altogether|in all|in total|total|combined)\b"),
        frozenset({"total", "each", "account", "percent_up", "average"}),
    ),
    "an equal division": (
        re.compile(r"\b(?:equally|evenly|splits?|divides?|divided)\b"),
        frozenset({"shared", "ratio", "rounded_up", "rounded_down", "left_over"}),
    ),
}
"""Loose phrases that must not stand without a relation of one of these kinds."""
