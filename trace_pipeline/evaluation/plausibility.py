"""What speaks against a trace as far as its question and its own values tell.

The solver says whether a trace can be executed, not whether it answers the question; that takes
the gold answer. But a good part of the wrong traces betray themselves: a number of the question
is not used, somebody has fewer than no apples, half a person is left. Such doubts need no gold
answer, so they may choose among several samples of a problem (``sampled``), and tell a person
how far to trust an answer. How telling each is: docs/results/plausibility.md.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

from msgspec import Struct

from trace_pipeline.evaluation.diagnosis.steps import names_set, number_in, operands_of, places
from trace_pipeline.gsm8k.conversion.constants import CONSTANTS, singular
from trace_pipeline.gsm8k.conversion.mentions import Form, Mention, find_mentions, tokenize
from trace_pipeline.solver import Execution
from trace_pipeline.solver.execution import resolve_source
from trace_pipeline.traces import Init, Number, Query, Trace, format_number

_TOLD = frozenset(
    (Form.FIGURES, Form.MONEY, Form.PERCENT, Form.FRACTION, Form.MIXED, Form.PART, Form.MULTIPLE)
)
"""Forms of numbers that a solution uses as a rule. In words (``one of them``), as ordinals or times
of day they are often no quantities."""
_CENT = 100


class Doubt(StrEnum):
    """A reason to doubt a trace that can be executed."""

    NOT_POSITIVE = "not_positive"
    """The answer is zero or less."""
    NOT_WHOLE = "not_whole"
    """The answer is not whole; GSM-8K asks for whole numbers almost always."""
    NEGATIVE_VALUE = "negative_value"
    """A value on the way is less than zero."""
    ODD_FRACTION = "odd_fraction"
    """A value on the way is no whole number of hundredths."""
    NUMBER_UNUSED = "number_unused"
    """The answer does not depend on a number that the question gives in figures, as a part
    (``half``) or as a multiple (``twice``)."""
    NUMBER_UNSAID = "number_unsaid"
    """The answer depends on a number that the question neither says nor calls for."""


class _Said(Struct, frozen=True):
    """The numbers of a question."""

    told: tuple[Mention, ...]
    """Mentions that a solution uses as a rule."""
    founded: AbstractSet[Number]
    """Numbers that a trace may state: those of the text, and constants that its words call for."""


def doubts(question: str, execution: Execution) -> tuple[Doubt, ...]:
    """What speaks against a trace as an answer to ``question``, in the order of :class:`Doubt`.

    Args:
        question: the problem as the model read it.
        execution: of the trace, by the solver.

    Returns:
        Each doubt once; none where nothing is to be found, which proves nothing.
    """
    said, used = _numbers_said(question), _numbers_used(execution.trace)
    answer = Fraction(execution.answer)
    values = [Fraction(step.value) for step in execution.steps]
    holds = {
        Doubt.NOT_POSITIVE: answer <= 0,
        Doubt.NOT_WHOLE: answer.denominator != 1,
        Doubt.NEGATIVE_VALUE: any(value < 0 for value in values),
        Doubt.ODD_FRACTION: any(_CENT % value.denominator for value in values),
        Doubt.NUMBER_UNUSED: any(not _is_used(mention, used) for mention in said.told),
        Doubt.NUMBER_UNSAID: bool(used - said.founded),
    }
    return tuple(doubt for doubt in Doubt if holds[doubt])


def describe(doubt: Doubt, question: str, execution: Execution) -> str:
    """A doubt in words, with the numbers that it is about."""
    said, used = _numbers_said(question), _numbers_used(execution.trace)
    match doubt:
        case Doubt.NOT_POSITIVE:
            return "the answer is not above zero"
        case Doubt.NOT_WHOLE:
            return "the answer is not whole"
        case Doubt.NEGATIVE_VALUE:
            return "a value on the way is below zero"
        case Doubt.ODD_FRACTION:
            return "a value on the way is no whole number of hundredths"
        case Doubt.NUMBER_UNUSED:
            left = [question[m.start : m.end] for m in said.told if not _is_used(m, used)]
            return f"the answer does not depend on {_listed(left)}"
        case Doubt.NUMBER_UNSAID:
            added = [format_number(number) for number in sorted(used - said.founded)]
            return f"the question does not say {_listed(added)}"


def _listed(words: list[str]) -> str:
    return ", ".join(dict.fromkeys(words))


@lru_cache(maxsize=256)
def _numbers_said(question: str) -> _Said:
    tokens = tokenize(question)
    mentions = find_mentions(tokens)
    words = {token.lower for token in tokens}
    words |= {singular(word) for word in words}
    founded: set[Number] = {1, _CENT}
    for constant in CONSTANTS:
        if constant.words & words:
            founded.add(constant.value)
    for mention in mentions:
        founded.update(_facets(mention))
    told = tuple(mention for mention in mentions if mention.form in _TOLD)
    return _Said(told, founded)


def _facets(mention: Mention) -> set[Number]:
    """The numbers that a trace may state for ``mention``."""
    facets = {mention.value}
    facets |= {n for n in (mention.numerator, mention.denominator) if n is not None}
    if mention.form is Form.PERCENT:
        share = Fraction(mention.value) / 100
        facets |= {share, 1 - share, 1 + share, 100 - mention.value, 100 + mention.value}
    if mention.numerator is not None and mention.denominator:
        facets.add(Fraction(mention.numerator, mention.denominator))
    return facets


def _is_used(mention: Mention, used: AbstractSet[Number]) -> bool:
    facets = _facets(mention)
    if mention.numerator is not None and mention.denominator not in (None, 1):
        facets.discard(1)  # of "one third" the three is what has to be there
        facets.discard(mention.numerator)
    return not facets.isdisjoint(used)


def _numbers_used(trace: Trace) -> set[Number]:
    """The numbers that the answer depends on."""
    wanted = {len(trace.subtraces) - 1}
    names: dict[int, set[str]] = {}
    used: set[Number] = set()
    for (index, _), step in reversed(places(trace)):
        if index not in wanted:
            continue
        live = names.setdefault(index, set())
        if isinstance(step, Query):
            live.add(step.var)
        elif not live.isdisjoint(names_set(step)):
            live.update(name for name in operands_of(step) if isinstance(name, str))
            number = number_in(step)
            if number is not None:
                used.add(number)
            if isinstance(step, Init) and step.source is not None:
                wanted.add(resolve_source(step.source, index))
    return used
