"""Perturbation of finished questions, for ``wording: varied``: meaning and numbers stay.

What is added holds for any story, whatever its tense, place or day.
"""

from __future__ import annotations

import re

from trace_pipeline.generation.grammar import capitalise_sentences
from trace_pipeline.generation.randomness import Stream

_OPENINGS = (
    "",
    "",
    "",
    "Here is what we know. ",
    "Here is a small problem. ",
    "The facts are these. ",
    "Read this carefully. ",
    "Consider this situation. ",
    "The story is simple. ",
)
_QUESTION_LEADS = ("", "", "", "Now, ", "So, ", "In the end, ", "With that in mind, ")
_SYNONYMS = (
    ("altogether", "in total", "in all"),
    ("each day", "every day", "per day"),
    ("each week", "every week", "per week"),
    ("gives away", "hands out", "gives out"),
    ("begins with", "starts with", "starts out with"),
    ("decides to", "chooses to"),
)
"""Phrases that can stand for each other wherever one of them stands."""

_SYNONYM = re.compile(r"\b(" + "|".join(phrase for group in _SYNONYMS for phrase in group) + r")\b")
_GROUP_OF = {phrase: group for group in _SYNONYMS for phrase in group}
_FINAL_QUESTION = re.compile(r"(?<=[.!] )(How|What)(?=[^.?!]*\?$)")


def vary(question: str, stream: Stream) -> str:
    """``question`` in other words: an opening, a lead into the question, synonyms."""
    text = _SYNONYM.sub(lambda match: stream.choice(_GROUP_OF[match[1]]), question)
    lead = stream.choice(_QUESTION_LEADS)
    if lead:
        text = _FINAL_QUESTION.sub(lambda match: lead + match[1].lower(), text)
    if not text.split(".")[0].startswith(("How", "What")):
        text = stream.choice(_OPENINGS) + text
    return capitalise_sentences(text)
