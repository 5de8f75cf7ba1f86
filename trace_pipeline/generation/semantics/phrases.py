"""The surface phrases of the lexicon, as patterns over readings (``reading``).

A *strict* phrase binds: wherever one stands, a relation of its kind is declared for
that very place, with the number that it holds. A *loose* phrase only asks that some
relation of its kinds is declared, and is what such a relation needs near its numbers.
"""

from __future__ import annotations

import re

_NUMBER = r"<(?P<n>[a-z0-9_]+)(?::(?:money|words|figures))?>"
_WORD = r" [^\s.,;:?!]+"
_AS = (
    r"as (?:many|much|long|far|old|heavy|tall|big|large|high|deep|wide|fast|often|expensive|good"
    r"|quickly|late|<[a-z0-9_]+>)\b"
)
_THAT = r"(?:that|this) (?:many|much|number|amount|sum|price|distance|length|time|rate)\b"
_THE = (
    r"(?:the|its|her|his) (?:number|amount|price|cost|weight|length|height|size|distance|age|speed"
    r"|value|sum|time)\b"
)
_COMPARED = rf"(?:{_AS}|{_THAT}|{_THE}|of what\b|what\b)"
_TIMES = (
    r"(?:<(?P<n>[a-z0-9_]+):times>|<(?P<m>[a-z0-9_]+)> times"
    r"|\b(?P<word>twice|double|triple|(?:two|three|four|five|six|seven|eight|nine|ten) times))"
)
_UNIT_PART = r"(?:third|quarter|fourth|fifth|sixth|eighth|tenth)"
_PART = (
    r"(?:<(?P<n>[a-z0-9_]+):fraction>"
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
        re.compile(rf"{_NUMBER}{_NOT_PERCENT}(?:{_WORD}){{0,2}}? {_MORE}\b(?:{_WORD}){{0,5}}? than\b"),
        re.compile(rf"{_NUMBER}{_NOT_PERCENT}(?:{_WORD}){{0,3}}? (?:above|ahead of)\b"),
    ),
    "fewer_than": (
        re.compile(rf"{_NUMBER}{_NOT_PERCENT}(?:{_WORD}){{0,2}}? {_LESS}\b(?:{_WORD}){{0,5}}? than\b"),
        re.compile(rf"{_NUMBER}{_NOT_PERCENT}(?:{_WORD}){{0,3}}? (?:below|behind|short of)\b"),
    ),
    "how_many_more": (
        re.compile(rf"how (?:many|much|far)(?:{_WORD}){{0,4}}? {_MORE}\b(?=[^.?!]* than\b)"),
        re.compile(rf"how {_MORE}\b(?=[^.?!]* than\b)"),
    ),
    "how_many_fewer": (
        re.compile(rf"how (?:many|much|far)(?:{_WORD}){{0,4}}? {_LESS}\b(?=[^.?!]* than\b)"),
    ),
    "part_of": (
        re.compile(rf"{_PART} (?:of\b(?! what\b)|(?:the|its|her|his|their|these|those)\b)(?! number| amount| price| cost| weight| length| height| size| distance| age| speed| value| sum| time)"),
        re.compile(r"\b(?P<word>halved|cut in half)\b"),
    ),
    "parts_of": (
        re.compile(
            r"\b(?P<many>two|three|four|five|seven)[- ](?P<word>thirds|quarters|fourths|fifths|sixths"
            r"|eighths|tenths) of\b"
        ),
        re.compile(r"<(?P<m>[a-z0-9_]+)>/<(?P<n>[a-z0-9_]+)> of\b"),
    ),
    "grown": (
        re.compile(
            r"<(?P<n>[a-z0-9_]+):grown>|\b(?P<word>doubled|doubles|tripled|triples|quadrupled"
            r"|quadruples)\b"
        ),
    ),
    "percent": (re.compile(r"<(?P<n>[a-z0-9_]+)(?::figures|:words)?>(?:%| ?percent\b)"),),
}
"""Strict phrases by kind; ``percent`` stands for its three kinds, which ``PERCENT`` tells apart.

Groups: ``n`` the number in the phrase (``m`` another one), ``word`` a word that means one.
"""

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
        r"\bof\b(?! <[a-z0-9_]+(?::[a-z]+)?>(?:%| ?percent))|\btip|\btax\b|\bfee\b|\bcommission"
        r"|\binterest\b|\bdeposit|\bdown payment|\bservice charge"
    ),
}
"""Words that tell what a percentage does to its base; the nearest one decides."""

_UNIT = (
    r"(?:second|minute|hour|day|night|week|month|year|mile|piece|dozen|pound|ounce|gallon|liter"
    r"|meter|yard|foot|page|box|bag|person|visit|trip|lap|lesson|class|ticket|shift|item|session)"
)
_EACH = (
    rf"\b(?:each|every|apiece|per|daily|weekly|monthly|hourly|a piece)\b|\b(?:an?|one) {_UNIT}\b"
    r"|\b(?:times|days|hours|minutes|weeks) (?:an?|one) [a-z]+|\bof <[a-z0-9_]+|<[a-z0-9_]+> in (?:a|each|one)\b"
    r"|\b(?:at|for|costs?|charges?|charged|pays?|paid|is|are|was|were|cost) (?:just |only )?<[a-z0-9_]+:money>"
    r"|\b(?:holds?|contains?|rows?|with) <"
)

LOOSE: dict[str, re.Pattern[str]] = {
    "difference": re.compile(
        rf"\bdifference\b|\bby how (?:many|much)\b|\b(?:more|less|fewer)\b|\b{_MORE}\b|\b{_LESS}\b|\bahead\b|\bbehind\b|\bchange\b|\bprofit\b|\bgain\b|\bleft\b|\bsave"
    ),
    "average": re.compile(r"\baverage\b|\bmean\b"),
    "total": re.compile(
        r"\b(?:together|altogether|in all|in total|total|overall|combined|sum|both|whole|between them"
        r"|entire|all|plus|also|too|including|everything|and|then|another|more|additional|they)\b"
    ),
    "each": re.compile(_EACH),
    "shared": re.compile(
        rf"{_EACH}|\b(?:divid|split|shar|equal|even|fit|fill|hold|pack|bag|group|full|long)"
    ),
    "rounded_up": re.compile(r"\b(?:need|at least|fewest|smallest|least|take|necessary|must|enough|trips?)"),
    "rounded_down": re.compile(r"\b(?:full|complete|whole|most|can|able|enough|fill)\b"),
    "left_over": re.compile(r"\b(?:left|remain|rest|over|extra|without)"),
}
"""What a loose relation needs in a sentence that shows one of its quantities."""

BINDING: dict[str, tuple[re.Pattern[str], frozenset[str]]] = {
    "an average": (LOOSE["average"], frozenset({"average"})),
    "a difference": (re.compile(r"\bdifference\b|\bby how (?:many|much)\b"), frozenset({"difference"})),
    "a rate": (
        re.compile(r"\b(?:each|every|apiece|per)\b"),
        frozenset(
            {"each", "shared", "average", "rounded_up", "rounded_down", "left_over", "account", "total"}
        ),
    ),
    "a remainder": (
        re.compile(r"\b(?:left(?! (?:the|for|home|at))|remaining|remains?|the rest)\b"),
        frozenset({"account", "left_over", "difference", "percent_off", "total", "part_of", "percent_of"}),
    ),
    "a total": (
        re.compile(r"\b(?:together|altogether|in all|in total|total|combined)\b"),
        frozenset({"total", "each", "account", "percent_up", "average"}),
    ),
    "an equal division": (
        re.compile(r"\b(?:equally|evenly|splits?|divides?|divided)\b"),
        frozenset({"shared", "rounded_up", "rounded_down", "left_over"}),
    ),
}
"""Loose phrases that must not stand without a relation of one of these kinds."""

_STOCK_GOES = (
    r"gives?|gave|giving|hands?|handed|handing|lends?|lent|lending|pays?|paid|paying|pass(?:es|ed)?"
    r"|sends?|sent|sending|trade[sd]?|trading|lose[sd]?|lost|losing|sells?|sold|selling|spends?|spent"
    r"|eats?|ate|eaten|eating|use[sd]?|using|cook(?:s|ed)?|fries|fried|boil(?:s|ed)?|donate[sd]?"
    r"|donating|spoil(?:s|ed)?|burnt|burned|broke|broken|breaks?|wilt(?:s|ed)?|drop(?:s|ped)?|throws?"
    r"|threw|thrown|keeps?|kept|keeping|puts?|putting|saved|takes?|took|taken|taking|ship(?:s|ped)?"
    r"|leaves?|leave|left|rolls? off|fall apart|went|goes|go|defective|damaged|faulty|rotten|bad"
    r"|brings?|brought|away|out|dies?|died|melt(?:s|ed)?|remove[sd]?|rides?|rode|walk(?:s|ed)?"
    r"|drives?|drove|drinks?|drank|reads?|absent|sick|picked up|deliver(?:s|ed)?|serve[sd]?|fill(?:s|ed)?"
    r"|reserved|set aside|need(?:s|ed)?|run(?:s|ning)? ?out|sleep(?:s|ing)?|get off|got off"
)
_STOCK_COMES = (
    r"finds?|found|gets?|got|receive[sd]?|buys?|bought|borrow(?:s|ed|ing)?|wins?|won|earn(?:s|ed)?"
    r"|collect(?:s|ed)?|picks?(?! up)|picked(?! up)|catch(?:es)?|caught|born|came|comes?|arrive[sd]?"
    r"|join(?:s|ed)?|add(?:s|ed)?|gain(?:s|ed)?|makes?|made|bakes?|baked|grew|grows?|deposit(?:s|ed)?"
    r"|in return|order(?:s|ed)?|draws?|drew|plant(?:s|ed)?|refill(?:s|ed)?|restock(?:s|ed)?|gets? on|got on"
)
_MONEY_GOES = (
    r"spends?|spent|spending|pays?|paid|paying|buys?|bought|buying|costs?|charge[sd]?|gives?|gave|lends?"
    r"|lent|donate[sd]?|loses?|lost|sends?|sent|puts?|orders?|ordered|rents?|rented|takes out|is|are|fee|bill"
    r"|for|on|to|into"
)
_MONEY_COMES = (
    r"earn(?:s|ed)?|gets?|got|receive[sd]?|finds?|found|wins?|won|save[sd]?|deposit(?:s|ed)?|collect(?:s|ed)?"
    r"|makes?|made|sells?|sold|raise[sd]?|add(?:s|ed)?|borrow(?:s|ed)?|allowance|gift|present"
)


def _verbs(goes: str, comes: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:(?P<goes>{goes})|(?P<comes>{comes}))\b")


STOCK_VERBS = _verbs(_STOCK_GOES, _STOCK_COMES)
"""Verbs (and other words) by which a stock goes or comes, told of the one who has it."""
MONEY_VERBS = _verbs(_MONEY_GOES, _MONEY_COMES)
"""The same for amounts of money: what is bought comes, but its price goes."""

TURNING = re.compile(
    r"gives?|gave|giving|hands?|handed|lends?|lent|pays?|paid|pass(?:es|ed)?|sends?|sent|donate[sd]?|lose[sd]?|lost"
    r"|brings?|brought|borrow(?:s|ed|ing)?|wins?|won|takes?|took|taking|gets?|got|buys?|bought|puts?"
)
"""Verbs between two parties: told of the other one, they mean the opposite for this one."""
