"""Questions for what an author computes on the way: the same story, another thing asked.

A learner that sees each story with one question may go by the story and not read what is asked.
GSM-8K's authors write beside a result what it is ("24 clips in May"), which makes a question of
its own: "How many clips in May?" Its trace is the part of the computation that leads there.

The story stays as it is; its last sentence, the question, goes. What that sentence alone says (a
number, say) must not be needed. The words are the author's, so they are short, and not always
those in which somebody would ask.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from trace_pipeline.gsm8k.conversion.constants import words
from trace_pipeline.gsm8k.conversion.conversion import Conversion
from trace_pipeline.gsm8k.conversion.experts import Policy
from trace_pipeline.gsm8k.conversion.nodes import Apply, Given, Node
from trace_pipeline.gsm8k.conversion.reading import Reading
from trace_pipeline.gsm8k.conversion.rewording import reworded
from trace_pipeline.gsm8k.conversion.text import Text

_SENTENCE = re.compile(r"(?<=[.!?])[\"”]?\s+(?=\S)")
_RESULT = re.compile(r"^\s*\$?\s*[\d,.]*\d(?:/\d+)?")
_DOLLARS = re.compile(r"^\s*dollars?\b")
_END = re.compile(r"[.,;:!?\n()=]|\s(?:so|because|since|which|but|and then)\s")
_LEAD = re.compile(
    r"^(?:(?:so|then|thus|therefore|hence|now|next|also|finally|and|first|this means|that means|"
    r"which means|this means that|that means that|in total|altogether|,)\s*,?\s*)+",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[A-Za-z][A-Za-z'’ -]*")
_MOST_WORDS = 9
_CENTS = 100
_SUBORDINATE = words("if when since because as while although of with")
"""Words that open a clause which is no sentence of its own."""


def intermediate_questions(
    conversion: Conversion, policy: Policy = Policy.ARITHMETIC
) -> list[Conversion]:
    """``conversion``'s story with a question for each result on the way that its author describes.

    A question whose reading is ungrounded, tied or incomplete has none.
    """
    if not conversion.grounded or conversion.tied or conversion.reading.dead:
        return []
    story = _story(conversion.question)
    if not story:
        return []
    reading, found = conversion.reading, list[Conversion]()
    for place, (before, after) in enumerate(reading.said[:-1]):
        asked = _asked(before, after)
        if asked and isinstance(reading.order[place], Apply):
            made = _made(conversion, place, f"{story} {asked}", len(story), policy)
            if made is not None:
                found.append(made)
    # Two results that the author describes alike: the question would not say which. Those of which
    # no question is made, the answer among them, are not compared.
    questions = [c.question for c in found]
    return [c for c in found if questions.count(c.question) == 1]


def _story(question: str) -> str:
    """What stands before the question proper; empty where that is all there is."""
    sentences = _SENTENCE.split(question.strip())
    if len(sentences) < 2 or not sentences[-1].rstrip('"”').endswith("?"):
        return ""
    if any(sentence.endswith("?") for sentence in sentences[:-1]):
        return ""
    return question.strip()[: -len(sentences[-1])].rstrip()


def _asked(before: str, after: str) -> str:
    """A question for a result, from the words around it; empty where they are too few."""
    rest = _RESULT.sub("", after, count=1)
    money = before.rstrip().endswith("$") or bool(_DOLLARS.match(rest))
    phrase = _END.split(_DOLLARS.sub("", rest), maxsplit=1)[0].strip()
    if phrase and (not _WORDS.fullmatch(phrase) or len(phrase.split()) > _MOST_WORDS):
        return ""
    if rest[:1] == "%" or rest.lstrip().startswith(("x ", "percent")):
        return ""
    subject = _subject(before)
    if not money and len(phrase.split()) > 1:
        return f"How many {phrase}?"
    if not subject or not (money or phrase):
        return ""
    asked = f"{subject} how {'much' if money else 'many'} {phrase}".rstrip()
    return f"{asked[0].upper()}{asked[1:]}?"


def _subject(before: str) -> str:
    """The words of a result's sentence before its expression: ``Weng earns``."""
    sentence = re.split(r"[.!?;]\s|\n", before.strip())[-1]
    found = re.split(r"[\d$(=]", sentence, maxsplit=1)[0].strip()
    found = _LEAD.sub("", found).removesuffix("a total of").strip()
    if not _WORDS.fullmatch(found) or not 2 <= len(found.split()) <= _MOST_WORDS:
        return ""
    first, last = found.split()[0].lower(), found.split()[-1]
    return "" if first in _SUBORDINATE or last in ("a", "an", "the", "of") else found


def _made(
    conversion: Conversion, place: int, question: str, story: int, policy: Policy
) -> Conversion | None:
    reading = _part(conversion.reading, place)
    mentions = conversion.text.mentions
    if any(mentions[index].end > story for index in reading.mentions):
        return None
    text = conversion.text.reworded(question)
    if not _same_numbers(conversion.text, text, story):
        return None
    found = reworded(conversion, text, reading, policy)
    if found is None or found.answer <= 0 or (found.answer * _CENTS).denominator > 1:
        return None
    return None if question == conversion.question else found


def _part(reading: Reading, place: int) -> Reading:
    """What of ``reading`` leads to its computation ``place``."""
    root = reading.order[place]
    needed = {root, *_below(root)}
    kept = [n for n in range(place) if reading.order[n] in needed and reading.order[n] != root]
    kept.append(place)
    used = {node.mention for node in needed if isinstance(node, Given)}
    return replace(
        reading,
        order=tuple(reading.order[n] for n in kept),
        said=tuple(reading.said[n] for n in kept),
        mentions=frozenset(used),
    )


def _below(node: Node) -> Iterator[Node]:
    for arg in node.args if isinstance(node, Apply) else ():
        yield arg
        yield from _below(arg)


def _same_numbers(before: Text, after: Text, story: int) -> bool:
    """Whether the new text has the numbers of the old one's story and no others."""
    old = [mention for mention in before.mentions if mention.end <= story]
    return [(m.start, m.end, m.value) for m in old] == [
        (m.start, m.end, m.value) for m in after.mentions
    ]
