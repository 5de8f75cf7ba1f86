"""English inflection of vocabulary: plurals, articles, verb forms, pronouns, possessives."""

from __future__ import annotations

import re
import unicodedata

import inflection

_IRREGULAR_PLURALS = {
    "cow": "cows",
    "mango": "mangoes",
    "loaf": "loaves",
    "leaf": "leaves",
    "hero": "heroes",
    "safe": "safes",
    "foot": "feet",
    "goose": "geese",
    "tooth": "teeth",
    "cactus": "cacti",
    "calf": "calves",
    "woman": "women",
    "scarf": "scarves",
    "dozen": "dozen",
    "aircraft": "aircraft",
    "thief": "thieves",
    "elf": "elves",
}
"""Where the inflection library errs or follows another custom."""

_PREPOSITIONS = re.compile(r" (?:of|in|with|for|from|on|to)\b")

PRONOUNS: dict[str, dict[str, str]] = {
    "she": {"they": "she", "them": "her", "their": "her", "theirs": "hers", "themself": "herself"},
    "he": {"they": "he", "them": "him", "their": "his", "theirs": "his", "themself": "himself"},
}
"""Forms by the slot that a template names, for each pronoun of the vocabulary."""


def plural(noun: str) -> str:
    """The plural of a noun or noun phrase; its head is what stands before a preposition.

    >>> plural("box of chalk"), plural("loaf"), plural("picture frame")
    ('boxes of chalk', 'loaves', 'picture frames')
    """
    match = _PREPOSITIONS.search(noun)
    if match:
        return plural(noun[: match.start()]) + noun[match.start() :]
    before, space, head = noun.rpartition(" ")
    return before + space + (_IRREGULAR_PLURALS.get(head) or str(inflection.pluralize(head)))


_SILENT_H = re.compile(r"(?:hour|honest|honor|heir)", re.IGNORECASE)
_LIKE_YOU = re.compile(
    r"(?:uni(?!n[^a-z])(?:[cfqtv]|on)|us(?:e|ual|b\b)|util|eu|ewe|one\b|once\b|u-)", re.IGNORECASE
)
_SPOKEN_VOWEL_NUMBER = re.compile(r"\$?(?:8|11(?![0-9])|18(?![0-9])|11,|18,)")
"""Figures that are read with a vowel first: eight, eleven, eighteen and their thousands."""


def article(text: str) -> str:
    """``a`` or ``an``, by the sound with which ``text`` begins.

    >>> [article(word) for word in ("uniform", "hour", "8%", "orange", "one-way ticket")]
    ['a', 'an', 'an', 'an', 'a']
    """
    if _SPOKEN_VOWEL_NUMBER.match(text) or _SILENT_H.match(text):
        return "an"
    if _LIKE_YOU.match(text):
        return "a"
    return "an" if text[:1].lower() in "aeiou" else "a"


def possessive(name: str) -> str:
    """``Ava's``, ``James's``, ``the workers'``."""
    return name + ("'" if name.endswith("s") and not name[0].isupper() else "'s")


def verb_forms(base: str, given: dict[str, str] | None = None) -> dict[str, str]:
    """Third person, past and -ing form of a verb; ``given`` overrides what is irregular.

    A particle stays where it is: ``pick up`` gives ``picks up``.
    """
    verb, space, particle = base.partition(" ")
    tail = space + particle
    consonant_y = len(verb) > 1 and verb.endswith("y") and verb[-2] not in "aeiou"
    third = f"{verb[:-1]}ies" if consonant_y else verb + ("es" if _hisses(verb) else "s")
    regular = verb + ("d" if verb.endswith("e") else "ed")
    past = f"{verb[:-1]}ied" if consonant_y else regular
    ing = (verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb) + "ing"
    forms = {"s": third + tail, "past": past + tail, "ing": ing + tail}
    return forms | (given or {})


def _hisses(verb: str) -> bool:
    return verb.endswith(("s", "x", "z", "ch", "sh", "o"))


def slug(text: str) -> str:
    """``text`` as a part of a variable's name: ``jars of jam`` gives ``jars_of_jam``."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return plain if plain[:1].isalpha() else f"_{plain}"


def capitalise_sentences(text: str) -> str:
    """``text`` with a capital at the start of every sentence."""
    if "a" <= text[:1] <= "z":
        text = text[0].upper() + text[1:]
    # Where sentences end is found by searching for fixed texts: a pattern takes five times as long.
    for end in (". ", "? ", "! "):
        place = text.find(end)
        while place >= 0:
            start = place + 2
            if "a" <= text[start : start + 1] <= "z":
                text = f"{text[:start]}{text[start].upper()}{text[start + 1 :]}"
            place = text.find(end, start)
    return text
