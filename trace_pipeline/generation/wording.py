"""Perturbation of finished questions, for ``wording: varied``: meaning and numbers stay.

Five kinds, each left out as often as not: synonyms, the order of an "if" clause and
its question, the form of the question ("Can you tell how many ..."), a lead into it,
and an opening. What is added holds for any story, whatever its tense, place or day;
what is changed is changed only where the pattern proves the grammar.
"""

from __future__ import annotations

import re

from trace_pipeline.generation.grammar import capitalise_sentences
from trace_pipeline.generation.randomness import Stream

_OPENINGS = (
    "Here is a short story. ",
    "Consider the following. ",
    "Picture this. ",
    "Think about this case. ",
    "Let's look at an example. ",
    "Read the facts first. ",
)
_LEADS = ("So, ", "Now, ", "With that in mind, ", "Given all this, ", "Then ", "Knowing this, ")
_ASKING = (
    "Can you tell",
    "Can you work out",
    "Can you figure out",
    "Can you say",
    "Do you know",
    "Can you find out",
)

_SYNONYMS: tuple[tuple[str, ...], ...] = (
    (r"altogether(?=[?,.])", r"in total(?=[?,.])", r"in all(?=[?,.])"),
    ("each day", "every day"),
    ("each week", "every week"),
    ("each month", "every month"),
    ("each hour", "every hour"),
    ("begins with", "starts with", "starts out with"),
    ("began with", "started with", "started out with"),
    ("decides to", "chooses to"),
    ("decided to", "chose to"),
)
"""Phrases (with what must follow them) that can stand for each other."""

_ONE_WAY: tuple[tuple[str, str], ...] = (
    ("bought", "purchased"),
    ("buys", "purchases"),
    (r"are left(?=\?)", "remain"),
    (r"is left(?=\?)", "remains"),
    ("in the beginning", "at first"),
    (r"the rest(?= of)", "the remainder"),
)
"""Phrases that can be replaced where they stand, but not the other way round."""


def _plain(pattern: str) -> str:
    return pattern.partition("(?=")[0]


_CHOICES = {
    _plain(phrase): [_plain(other) for other in group]
    for group in (*_SYNONYMS, *_ONE_WAY)
    for phrase in (group if group in _SYNONYMS else group[:1])
}
_REPLACEABLE = [*(phrase for group in _SYNONYMS for phrase in group), *(p for p, _ in _ONE_WAY)]
_PHRASE = re.compile(rf"(?<![\w-])(?:{'|'.join(_REPLACEABLE)})\b", re.IGNORECASE)

# fmt: off
_VERBS = {
    "have": ("has", "had"), "need": ("needs", "needed"), "spend": ("spends", "spent"),
    "pay": ("pays", "paid"), "earn": ("earns", "earned"), "make": ("makes", "made"),
    "get": ("gets", "got"), "sell": ("sells", "sold"), "use": ("uses", "used"),
    "own": ("owns", "owned"), "eat": ("eats", "ate"), "collect": ("collects", "collected"),
    "save": ("saves", "saved"), "receive": ("receives", "received"), "take": ("takes", "took"),
    "cost": ("costs", "cost"), "run": ("runs", "ran"), "read": ("reads", "read"),
    "bake": ("bakes", "baked"), "produce": ("produces", "produced"), "hold": ("holds", "held"),
    "keep": ("keeps", "kept"), "drive": ("drives", "drove"), "travel": ("travels", "traveled"),
    "buy": ("buys", "bought"), "weigh": ("weighs", "weighed"), "find": ("finds", "found"),
}
# fmt: on
"""Third person and past of the verbs that questions ask with; others are left as they are."""

_INVERTED = re.compile(
    r"How (?P<what>many|much|long|far)(?P<thing>(?: [\w'-]+){0,5}?) "
    r"(?:(?P<aux>does|did|do|will|can) (?P<subject>[\w'-]+(?: [\w'-]+){0,3}?)"
    rf" (?P<verb>{'|'.join(_VERBS)})\b|(?P<there>are|were) there\b)(?P<rest>[^?]*)\?"
)
_SUBJECT = re.compile(
    r"How (?:many|much)(?: [\w'-]+){0,6}? (?:(?:is|are|was|were) (?:left|needed)|remains?)\b[^?]*\?"
)
_SHORT = re.compile(r"What (?P<is>is|was) (?P<thing>the [a-z]+(?: [a-z]+){0,2})\?")
_QUESTION_IF = re.compile(r"(?P<ask>(?:How|What) [^,?]*?),? if (?P<when>[^?]*)\?")
_IF_QUESTION = re.compile(r"If (?P<when>[^,?]*), (?P<ask>(?:how|what) [^,?]*)\?")
_NAMED = re.compile(r"(?P<how>[^?]*? (?:does|did|will|can)) (?P<name>[A-Z][a-z]+) (?P<act>[^?]*)")
_PRONOUN = re.compile(r"\b(?:s?he|they|it|her|his|hers|him|them|their|its)\b", re.IGNORECASE)
_OF_THINGS = re.compile(r"\b(?:they|it|them|their|its)\b")
_LAST_SENTENCE = re.compile(r"(?:(?<=[.!] )|^)(?:How|What|If) [^.!?]*\?$")


def vary(question: str, stream: Stream) -> str:
    """``question`` in other words."""
    text = _PHRASE.sub(lambda match: _synonym(match[0], stream), question)
    last = _LAST_SENTENCE.search(text)
    if last is None:
        return capitalise_sentences(text)
    story, asked = text[: last.start()], last[0]
    if stream.below(2):
        asked = _reordered(asked)
    form = stream.below(3)
    changed = _embedded(asked, stream) if form == 0 else asked
    if form == 1 and story and asked.startswith(("How", "What")):
        changed = _led(asked, stream)
    if story and not stream.below(3):
        story = stream.choice(_OPENINGS) + story
    return capitalise_sentences(story + changed)


def _synonym(phrase: str, stream: Stream) -> str:
    chosen = stream.choice(_CHOICES[phrase.lower()])
    return chosen[0].upper() + chosen[1:] if phrase[0].isupper() else chosen


def _reordered(asked: str) -> str:
    """The question after its condition, or before it; a name stays before its pronouns."""
    match = _QUESTION_IF.fullmatch(asked)
    if match:
        when, ask = match["when"], _small(match["ask"])
        first = _PRONOUN.search(when)
        if first is None:
            return f"If {when}, {ask}?"
        named = _NAMED.fullmatch(ask)
        of_a_person = first.start() == 0 and first[0] in ("he", "she")
        if named and of_a_person and not (_PRONOUN.search(ask) or _OF_THINGS.search(when)):
            how = f"{named['how']} {first[0]} {named['act']}"
            return f"If {named['name']}{when[first.end() :]}, {how}?"
        return asked
    match = _IF_QUESTION.fullmatch(asked)
    if match and not _PRONOUN.search(match["ask"]):
        return f"{match['ask']} if {match['when']}?"
    return asked


def _embedded(asked: str, stream: Stream) -> str:
    """``How many does she have?`` as ``Can you tell how many she has?``."""
    asking = stream.choice(_ASKING)
    match = _SHORT.fullmatch(asked)
    if match:
        return f"{asking} what {match['thing']} {match['is']}?"
    if _SUBJECT.fullmatch(asked):
        return f"{asking} {_small(asked)}"
    match = _INVERTED.fullmatch(asked)
    if match is None:
        return asked
    clause = f"there {match['there']}"
    if match["subject"]:
        clause = f"{match['subject']} {_finite(match['aux'], match['verb'])}"
    return f"{asking} how {match['what']}{match['thing']} {clause}{match['rest']}?"


def _finite(auxiliary: str, verb: str) -> str:
    third, past = _VERBS[verb]
    forms = {"does": third, "did": past, "do": verb}
    return forms.get(auxiliary) or f"{auxiliary} {verb}"


def _led(asked: str, stream: Stream) -> str:
    lead = stream.choice(_LEADS)
    if re.search(r"\b(?:now|then|end|so)\b", asked):
        return asked
    return lead + _small(asked)


def _small(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]
