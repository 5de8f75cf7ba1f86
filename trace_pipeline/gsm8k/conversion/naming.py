"""Names for the numbers of a question: the noun, unit or keyword that stands beside them.

Names are what ties a trace to its question (NOTEBOOK, runs 5 and 12: abstract
names cost 20 points), so they are taken from the question's own words, and a
second number of the same kind is told apart by whose it is: ``eggs``, ``bob_eggs``.
"""

from __future__ import annotations

import re

from trace_pipeline.gsm8k.conversion.constants import singular, words
from trace_pipeline.gsm8k.conversion.mentions import Form, Mention
from trace_pipeline.gsm8k.conversion.nodes import Facet, Given
from trace_pipeline.gsm8k.conversion.text import Text

_SKIPPED = words(
    "more less fewer additional extra new other of different free full regular whole total large "
    "small big equal such the his her their its our my these those a an single long wide tall "
    "high deep empty remaining complete little great good older younger taller shorter longer "
    "older-year straight separate individual identical average original further"
)
"""Words between a number and its noun that name nothing."""
_COMPARED = {
    "more": "more",
    "additional": "more",
    "extra": "extra",
    "fewer": "fewer",
    "less": "less",
    "older": "older",
    "younger": "younger",
    "taller": "taller",
    "shorter": "shorter",
    "longer": "longer",
    "heavier": "heavier",
    "faster": "faster",
    "slower": "slower",
}
_NO_NOUN = words(
    "and in to per as each for on than at that from with every by is are was were left ago away "
    "before after he she it they we you i while have has had how if who which got over during can "
    "but into out now when these went had will then so about inside back again above order today "
    "twice across apart where those or need needs not only also already would could should did do "
    "does makes make takes take gets get gives give eats eat runs run costs cost buys bought sells "
    "sell sold weighs weigh earns earn spends spent uses used pays paid works work plays play "
    "reads read be been being there here this what why both altogether combined worth later old "
    "respectively because since until without within between among through around down up off one "
    "two three four five six seven eight nine ten half him them us me due starting remains stays "
    "come comes came see saw go goes going want wants decided starts start started ordered given "
    "gave took made left lost found returns equals x times percent plus minus"
)
_MONEY = {
    "price": "price cost costs costing priced sell sells selling sold buy buys bought charge "
    "charges charged pay pays worth",
    "earnings": "earn earns earned earning salary wage wages makes income paycheck made",
    "savings": "save saves saved saving savings",
    "tip": "tip tips",
    "fee": "fee fees",
    "tax": "tax taxes",
    "rent": "rent",
    "budget": "budget",
    "discount": "discount coupon rebate off",
    "bill": "bill bills",
    "allowance": "allowance",
    "deposit": "deposit deposits deposited",
    "spent": "spent spend spends spending",
    "profit": "profit profits",
}
_MONEY_WORD = {word: name for name, words in _MONEY.items() for word in words.split()}
_PERCENT = {
    "discount": "discount off sale cheaper reduction",
    "tip": "tip gratuity",
    "tax": "tax taxes",
    "interest": "interest",
    "commission": "commission",
    "raise": "raise",
    "increase": "increase increased increases rose grew more higher faster longer",
    "decrease": "decrease decreased decreases dropped fell less fewer lower",
}
_PERCENT_WORD = {word: name for name, words in _PERCENT.items() for word in words.split()}
_PARTS = {
    2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth",
    9: "ninth", 10: "tenth", 12: "twelfth", 20: "twentieth", 100: "hundredth",
}  # fmt: skip
_DAYS = words(
    "monday tuesday wednesday thursday friday saturday sunday january february march april june "
    "july august september october november december first second third last morning evening "
    "afternoon yesterday today tomorrow"
)
_RESERVED = re.compile(r"result|step\d+")
_LONGEST = 28


class Namer:
    """Gives every origin of one trace a readable name of its own."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._tokens = text.tokens
        self._taken: set[str] = set()

    def given(self, node: Given) -> str:
        """The name of a number of the question."""
        mention = self._text.mentions[node.mention]
        if node.facet is Facet.NUMERATOR:
            return self._unique("numerator", mention)
        if node.facet is Facet.DENOMINATOR:
            denominator = mention.denominator or 0
            word = _PARTS.get(denominator, "denominator")
            return self._unique(word if mention.numerator == 1 else "denominator", mention)
        return self._unique(self._named(mention), mention)

    def plain(self, name: str) -> str:
        """``name`` itself, numbered if it is taken."""
        return self._unique(name, None)

    def _unique(self, name: str, mention: Mention | None) -> str:
        name = name[:_LONGEST].strip("_") or "amount"
        if _RESERVED.fullmatch(name):
            name += "_number"
        options = [name]
        if mention is not None:
            options += [
                f"{qualifier}_{name}"
                for qualifier in self._qualifiers(mention)
                if qualifier not in name.split("_")
            ]
        options += [f"{name}{number}" for number in range(2, 100)]
        chosen = next(option for option in options if option not in self._taken)
        self._taken.add(chosen)
        return chosen

    def _qualifiers(self, mention: Mention) -> list[str]:
        """What tells a mention from others of its kind: a person, a day."""
        found: list[str] = []
        for position in range(mention.first - 1, max(-1, mention.first - 12), -1):
            token = self._tokens[position]
            if token.text in (".", "?", "!"):
                break
            if token.text in self._text.names or token.lower in _DAYS:
                found.append(identifier(token.lower))
        return found[:2]

    def _word(self, position: int) -> str:
        """The word at ``position`` in lower case; empty for marks, numbers and the end."""
        if not 0 <= position < len(self._tokens) or self._tokens[position].kind != "word":
            return ""
        return self._tokens[position].lower

    def _named(self, mention: Mention) -> str:
        match mention.form:
            case Form.PERCENT:
                return self._percent(mention)
            case Form.MULTIPLE:
                return self._word(mention.first)
            case Form.ORDINAL:
                return f"{self._word(mention.first)}_number".lstrip("_")
            case Form.CLOCK:
                return "time"
            case Form.MONEY:
                return self._money(mention)
        after = self._word(mention.last)
        if after == "times":
            return "times"
        if after in ("cent", "cents", "dollar", "dollars"):
            return self._money(mention)
        return self._counted(mention)

    def _percent(self, mention: Mention) -> str:
        for position in range(mention.last, min(mention.last + 5, len(self._tokens))):
            token = self._tokens[position]
            if token.text in ".?!,;":
                break
            if token.lower in _PERCENT_WORD:
                return f"{_PERCENT_WORD[token.lower]}_percent"
        return "percent"

    def _money(self, mention: Mention) -> str:
        keyword = "money"
        nearest = 99
        for position in range(max(0, mention.first - 9), min(len(self._tokens), mention.last + 5)):
            word = self._tokens[position].lower
            gap = mention.first - position if position < mention.first else position - mention.last
            if word in _MONEY_WORD and gap < nearest:
                keyword, nearest = _MONEY_WORD[word], gap
            elif word in ".?!":
                if position > mention.first:
                    break
                keyword, nearest = "money", 99
        if self._word(mention.first - 2) in ("for", "at") and keyword == "money":
            keyword = "price"
        if keyword != "price":
            return keyword
        item = self._priced_item(mention)
        return f"{item}_price" if item else "price"

    def _priced_item(self, mention: Mention) -> str:
        """What a price is for: ``a pen costs $2``, ``pens for $2``, ``$2 per pen``."""
        position = mention.last
        if self._word(position) in ("dollars", "dollar", "cents", "cent"):
            position += 1
        if self._word(position) in ("per", "a", "an", "for", "every") or (
            self._word(position) == "each" and self._word(position + 1) not in _NO_NOUN
        ):
            position += 1
            position += self._word(position) in ("each", "every", "a", "an", "the", "one")
            noun = self._word(position)
            if noun and noun not in _NO_NOUN and noun not in _SKIPPED:
                return identifier(singular(noun))
        for position in range(mention.first - 1, max(-1, mention.first - 7), -1):
            token = self._tokens[position]
            if token.text in ".?!,;" or token.kind == "number":
                break
            word = token.lower
            if (
                token.kind == "word"
                and len(word) > 2
                and word not in _NO_NOUN
                and word not in _SKIPPED
                and word not in _MONEY_WORD
                and word not in ("total", "only", "just")
                and not word.endswith(("ing", "ly"))
                and token.text not in self._text.names
            ):
                return identifier(singular(word))
        return ""

    def _counted(self, mention: Mention) -> str:
        """The noun that a number counts."""
        position = mention.last
        prefix = ""
        while True:
            token = self._tokens[position] if position < len(self._tokens) else None
            if token is not None and (token.text == "-" or self._word(position) in _SKIPPED):
                prefix = _COMPARED.get(token.lower, prefix)
                position += 1
            elif token is not None and self._word(position) == "dozen":
                position += 1
            else:
                break
            if position > mention.last + 4:
                break
        noun = self._word(position)
        if noun in _NO_NOUN and self._word(position + 1).endswith("days"):
            noun = f"{noun}_{self._word(position + 1)}"  # 5 work days
            position += 1
        if not noun or noun in _NO_NOUN or (len(noun) > 4 and noun.endswith(("ed", "ing"))):
            return self._without_noun(mention, prefix)
        name = identifier(noun)
        following = self._word(position + 1)
        if (
            mention.value != 1
            and following
            and not noun.endswith("s")
            and following.endswith("s")
            and not following.endswith("ss")
            and following not in _NO_NOUN
        ):
            name = f"{name}_{identifier(following)}"
            position += 1
        if noun in ("year", "years") and self._word(position + 1) == "old":
            return "age"
        if prefix:
            return f"{prefix}_{name}"
        nearby = self._tokens[mention.last : position + 1]
        prefix = next((_COMPARED[t.lower] for t in nearby if t.lower in _COMPARED), "")
        behind = self._word(position + 1)
        if behind in _COMPARED and behind not in ("more", "less", "fewer"):
            return f"{name}_{_COMPARED[behind]}"
        if behind in _COMPARED:
            return f"{_COMPARED[behind]}_{name}"
        unit = self._word(position + 2)
        if behind in ("per", "a", "an", "every", "each") and unit and unit not in _NO_NOUN:
            return f"{name}_per_{identifier(unit)}"
        return name

    def _without_noun(self, mention: Mention, prefix: str) -> str:
        words = {token.lower for token in self._tokens}
        if self._text.names_group(self._text.mentions.index(mention)):
            return "group"
        if prefix:
            return (
                prefix if prefix not in ("more", "less", "fewer", "extra") else f"{prefix}_amount"
            )
        if mention.form is Form.WORDS and mention.value == 1:
            return "one"
        before = self._word(mention.first - 1)
        if words & {"age", "ages", "old", "older", "younger"} and before in (
            "is", "was", "be", "turns", "turned", "turn", "are", "of", "age", "aged",
        ):  # fmt: skip
            return "age"
        for position in range(mention.first - 1, max(-1, mention.first - 8), -1):
            token = self._tokens[position]
            if token.text in ".?!;":
                break
            word = token.lower
            if (
                token.kind == "word"
                and word.endswith("s")
                and len(word) > 3
                and (
                    word not in _NO_NOUN
                    and token.text not in self._text.names
                    and not word.endswith(("ss", "us", "is"))
                )
            ):
                return identifier(word)
        if before and before not in _NO_NOUN and before not in _SKIPPED and len(before) > 2:
            return identifier(before)
        return "amount"


def identifier(word: str) -> str:
    """``word`` as a part of a name: ASCII letters alone."""
    return re.sub(r"[^a-z_]", "", word.lower().replace("'s", "").replace("’s", "")) or "amount"
