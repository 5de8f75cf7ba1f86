"""A template as the checks read it: its wordings, with a mark where a word or number stands.

``${who} has ${count item}, [which is|that is] ${factor|times} as many as ${two} has.``
gives ``<WHO> has {COUNT} <ITEM>, which is {FACTOR:TIMES} as many as <TWO> has.`` and
the same with "that is". Text is in small letters and marks are in capitals, so that no
pattern mistakes the one for the other: ``<...>`` a word that is drawn, with its role in a
scene (``<SHOP/ITEM>``), ``{...}`` a number with its form.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from trace_pipeline.generation import grammar
from trace_pipeline.generation.randomness import Stream

MOST_READINGS = 24
"""Wordings read per template; beyond that every alternative is read, not every combination."""

_PIECE = re.compile(r"\$\{([^{}]*)\}|([\[\]|])|([^$\[\]|]+|\$(?!\{))")
_FORMS = frozenset({"MANY", "THEY", "THEM", "THEIR", "THEIRS", "THEMSELF", "S", "PAST", "ING"})
"""Forms of a word, which a mark leaves out; what else follows its name is a role of a scene."""
_SENTENCE_END = re.compile(r"[.?!](?= |$)")


@dataclass(frozen=True, slots=True)
class _Choice:
    options: tuple[tuple[str | _Choice, ...], ...]


_Sequence = tuple["str | _Choice", ...]


def readings(source: str, numbers: frozenset[str]) -> Iterator[str]:
    """The wordings of a template, each once.

    Args:
        source: The template, its snippets filled in.
        numbers: Which of its names are numbers; the others are words.
    """
    tree, _ = _sequence(list(_PIECE.finditer(source)), 0, numbers)
    seen: set[str] = set()
    for picks in _picks(list(_choices(tree)), source):
        text = " ".join(_written(tree, picks).split())
        if text not in seen:
            seen.add(text)
            yield text


def _sequence(
    pieces: list[re.Match[str]], position: int, numbers: frozenset[str]
) -> tuple[_Sequence, int]:
    parts: list[str | _Choice] = []
    while position < len(pieces):
        placeholder, bracket, text = pieces[position].groups()
        position += 1
        if bracket == "[":
            options = []
            while True:
                option, position = _sequence(pieces, position, numbers)
                options.append(option)
                if pieces[position - 1][2] == "]":
                    break
            parts.append(_Choice(tuple(options)))
        elif bracket:
            break
        else:
            parts.append(text.lower() if placeholder is None else _mark(placeholder, numbers))
    return tuple(parts), position


def _mark(content: str, numbers: frozenset[str]) -> str:
    head, _, form = content.partition("|")
    article = "a " if head.startswith("a ") else ""
    count, _, thing = head.removeprefix("a ").rpartition(" ")
    if form.startswith("pick:"):
        return form.rpartition(",")[2]
    if thing.startswith("'") or "'" in count:  # ${n 'box'}, ${n 'cup of tea'}
        count, _, noun = head.removeprefix("a ").partition(" ")
        return f"{article}{{{count.upper()}}} {grammar.plural(noun.strip(chr(39)))}"
    name, *roles = thing.removesuffix("'s").upper().split(".")
    role = "".join(f"/{item}" for item in roles if item not in _FORMS)
    colon = f":{form.upper()}" if form else ""
    shown = f"{{{name}{colon}}}" if name.lower() in numbers else f"<{name}{role}>"
    owner = "'s" if thing.endswith("'s") else ""
    return article + (f"{{{count.upper()}}} " if count else "") + shown + owner


def _choices(parts: _Sequence) -> Iterator[_Choice]:
    for part in parts:
        if isinstance(part, _Choice):
            yield part
            for option in part.options:
                yield from _choices(option)


def _picks(choices: list[_Choice], source: str) -> Iterator[dict[int, int]]:
    counts = [len(choice.options) for choice in choices]
    if math.prod(counts) <= MOST_READINGS:
        combinations: Iterable[tuple[int, ...]] = itertools.product(*map(range, counts))
    else:
        stream = Stream("readings", source)
        diagonal = (tuple(turn % n for n in counts) for turn in range(max(counts)))
        drawn = (tuple(map(stream.below, counts)) for _ in range(MOST_READINGS - max(counts)))
        combinations = itertools.chain(diagonal, drawn)
    for combination in combinations:
        yield {id(choice): pick for choice, pick in zip(choices, combination, strict=True)}


def _written(parts: _Sequence, picks: dict[int, int]) -> str:
    return "".join(
        part if isinstance(part, str) else _written(part.options[picks[id(part)]], picks)
        for part in parts
    )


def shown_names(text: str) -> set[str]:
    """The draws and variables that a reading shows."""
    return {name.lower() for name in re.findall(r"[<{]([A-Z0-9_]+)", text)}


def sentence_of(text: str, position: int) -> tuple[int, int]:
    """Start and end of the sentence of a reading that holds ``position``."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    start = max((end for end in ends if end <= position), default=0)
    return start, min((end for end in ends if end > position), default=len(text))
