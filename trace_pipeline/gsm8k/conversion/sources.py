"""What an operand of a calculation may stand for, each possibility with a cost.

Costs are sums of small penalties (0: exactly what the text says; 3: nothing in
the text explains the number). They rank the readings of one problem; they are no
probabilities.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from msgspec import Struct

from trace_pipeline.gsm8k.conversion.constants import (
    HUNDRED,
    ONE,
    ZERO,
    Constant,
    called_for,
    singular,
)
from trace_pipeline.gsm8k.conversion.mentions import Form, Mention, find_mentions, tokenize
from trace_pipeline.gsm8k.conversion.nodes import Apply, Earlier, Facet, Given, Node, Stated, World
from trace_pipeline.gsm8k.conversion.solution import NUMBER, Calculated, number_of
from trace_pipeline.traces.numbers import Number, normalise

MOST = 6
"""Candidates kept for one operand."""

CALLED = 0.12
UNNEEDED = 0.6
"""A constant where the question gives this very number."""
REMOTE = 0.5
"""A constant that only the solution's words call for."""
CONVERTED = 0.45
COMPLEMENT = 0.3
COUNTED = 0.55
IMPLICIT_ONE = 0.3
FACTOR_ONE = 0.45
"""Nobody multiplies by one unless something is one."""
ROUNDED = 0.5
OLDER = 0.08
"""An earlier result where a later one has the same value."""
COMBINED = 0.9
"""A number that the author put together unsaid from two others."""
UNGROUNDED = 3.0

_NAME = re.compile(r"(?<![.?!\"“] )(?<!^)\b[A-Z][a-z]+\b")


class Candidate(Struct, frozen=True):
    """One possible origin of an operand."""

    node: Node
    cost: float


class Slot(Struct, frozen=True):
    """An operand of a calculation."""

    calculation: int
    value: Number
    op: str
    """The operation that it takes part in."""
    divides: bool
    """Whether it is the right side of a division."""
    group: int
    """Operands of one sum, product or other operation share a number."""


class Text:
    """A question with its numbers and the words that call for constants."""

    def __init__(self, question: str, solution: str) -> None:
        self.question = question
        self.tokens = tokenize(question)
        self.mentions = find_mentions(self.tokens)
        counts = Counter(singular(token.lower) for token in self.tokens)
        self.words = set(counts)
        self.weights = {word: 1 / count for word, count in counts.items()}
        """A word that the question repeats tells less."""
        self.constants = called_for(self.words)
        prose = {singular(word) for word in re.findall(r"[a-z]+|[$%¢]", solution.lower())}
        named = {constant.name for constant in self.constants}
        self.remote = [c for c in called_for(prose) if c.name not in named]
        self.names = set(_NAME.findall(question)) - _NO_NAMES
        self.sentences: list[int] = []
        """The sentence of each mention."""
        self.nouns: list[frozenset[str]] = []
        """Words beside each mention."""
        self.windows: list[frozenset[str]] = []
        """Words around each mention."""
        for mention in self.mentions:
            stops = sum(token.text in ".?!" for token in self.tokens[: mention.first])
            self.sentences.append(stops)
            self.nouns.append(self._around(mention, 2, 3))
            self.windows.append(self._around(mention, 9, 9))

    def is_factor(self, index: int) -> bool:
        """Whether a mention multiplies: ``twice``, ``3 times``, ``20 percent``."""
        mention = self.mentions[index]
        if mention.form in (Form.MULTIPLE, Form.PERCENT):
            return True
        return mention.last < len(self.tokens) and self.tokens[mention.last].lower == "times"

    def is_ratio(self, index: int) -> bool:
        """Whether a mention is a part of ``3:5``, which every share needs again."""
        mention = self.mentions[index]
        around = self.tokens[max(0, mention.first - 1) : mention.last + 1]
        return any(token.text == ":" for token in around)

    def names_group(self, index: int) -> bool:
        """Whether a mention counts what has been listed: ``the three``, ``all 4``."""
        mention = self.mentions[index]
        if mention.first == 0 or not isinstance(mention.value, int) or mention.value > 6:
            return False
        return self.tokens[mention.first - 1].lower in ("the", "all", "these", "those")

    def _around(self, mention: Mention, before: int, after: int) -> frozenset[str]:
        words = set()
        for token in self.tokens[mention.last : mention.last + after]:
            if token.text in ".?!;":
                break
            words.add(singular(token.lower))
        for token in reversed(self.tokens[max(0, mention.first - before) : mention.first]):
            if token.text in ".?!;":
                break
            words.add(singular(token.lower))
        return frozenset(words) - _NO_NOUNS


_NO_NAMES = frozenset(
    "I He She They It We The A An If How What On In At For Each Every Monday Tuesday Wednesday "
    "Thursday Friday Saturday Sunday January February March April May June July August "
    "September October November December Christmas Mr Mrs Ms Dr".split()
)
_NO_NOUNS = frozenset(
    "the a an of and to in for at on with is are was were he she it they his her their has had "
    "have that this per each every as by from , . ? ! $ % - / ( ) who which how many much".split()
)


def candidates(
    slot: Slot,
    text: Text,
    calculations: Sequence[Calculated],
    implied: Sequence[tuple[Node, Number]] = (),
) -> list[Candidate]:
    """What ``slot`` may stand for, the likeliest first; never empty.

    ``implied`` are numbers that the author worked out unsaid for earlier operands.
    """
    found = list(_direct(slot, text, calculations))
    found += [Candidate(node, 0.2) for node, number in implied if number == slot.value]
    if not any(candidate.cost < CONVERTED for candidate in found):
        found += [Candidate(node, cost) for node, cost in _derived(slot, text, calculations)]
    if not found or min(candidate.cost for candidate in found) >= REMOTE - 0.1:
        found += [
            Candidate(node, cost) for node, cost in _combined(slot, text, calculations, implied)
        ]
    if not found:
        found.append(Candidate(Stated(slot.value), UNGROUNDED))
    found.sort(key=lambda candidate: candidate.cost)
    unique = {candidate.node: candidate for candidate in reversed(found)}
    return sorted(unique.values(), key=lambda candidate: candidate.cost)[:MOST]


def _direct(
    slot: Slot, text: Text, calculations: Sequence[Calculated]
) -> Iterator[Candidate]:
    """Numbers of the question, earlier results and constants of this very value."""
    value = slot.value
    context = _Context(calculations[slot.calculation], slot, text.weights)
    recent = 0.0
    for index in range(slot.calculation - 1, -1, -1):
        earlier = calculations[index]
        if value in (earlier.result, earlier.value):
            words = _first_words(earlier.after)
            yield Candidate(Earlier(index), recent - context.bonus(words, frozenset()))
            recent = OLDER
    for index, mention in enumerate(text.mentions):
        cost = _FORM_COST.get(mention.form, 0.0) - context.bonus(
            text.nouns[index], text.windows[index]
        )
        cost += context.currency(mention.form is Form.MONEY, text.nouns[index])
        if mention.denominator is not None and mention.numerator is not None:
            yield from _fraction(slot, index, mention, cost)
        elif mention.value == value:
            yield Candidate(Given(index), cost + _misuse(slot, text, index))
        if mention.form is Form.PERCENT and mention.value == value * 100:
            yield Candidate(_percent(index), cost + 0.02)
    mentioned = any(
        mention.value == value and mention.form is not Form.ORDINAL for mention in text.mentions
    )
    scales = slot.op in ("mul", "div")
    for constant in text.constants:
        if constant.value == value and (scales or not constant.scales):
            hits = len(constant.words & text.words) + len(constant.words & context.around)
            yield Candidate(World(constant.name, value), CALLED + UNNEEDED * mentioned - 0.02 * min(hits, 4))
    for constant in text.remote:
        if constant.value == value:
            yield Candidate(World(constant.name, value), REMOTE)
    if value == 1:
        times = slot.op == "mul" or slot.divides
        yield Candidate(World(ONE.name, 1), FACTOR_ONE if times else IMPLICIT_ONE)
    if value == 0:
        yield Candidate(World(ZERO.name, 0), IMPLICIT_ONE)
    if value == Fraction(1, 100) and "%" in text.words | {"percent"}:
        yield Candidate(Apply("div", (World(ONE.name, 1), World(HUNDRED.name, 100))), CALLED)
    if 2 <= value <= 8 and value in (len(text.names), len(text.names) + 1):
        yield Candidate(World("people", value), COUNTED)


def _fraction(slot: Slot, index: int, mention: Mention, cost: float) -> Iterator[Candidate]:
    below = Given(index, Facet.DENOMINATOR)
    above: Node = Given(index, Facet.NUMERATOR) if mention.numerator != 1 else World(ONE.name, 1)
    if mention.value == slot.value:
        yield Candidate(Apply("div", (above, below)), cost)
    if mention.denominator == slot.value:
        yield Candidate(below, cost + (0.0 if slot.divides else 0.35))
    if mention.numerator == slot.value and slot.op in ("mul", "div"):
        yield Candidate(above, cost + (0.35 if slot.divides else 0.05))


def _misuse(slot: Slot, text: Text, index: int) -> float:
    """The cost of a factor that is added, of a group of things that is no operand."""
    if text.is_factor(index):
        if slot.op in ("add", "sub"):
            return 0.4
        return 0.1 * slot.divides
    return 0.3 if slot.op in ("add", "sub") and text.names_group(index) else 0.0


class _Context:
    """How the author writes one operand: the words behind it, a currency sign before it."""

    def __init__(
        self, calculation: Calculated, slot: Slot, weights: Mapping[str, float]
    ) -> None:
        prose, value = calculation.before, slot.value
        self._weights = weights
        self._beside: frozenset[str] = frozenset()
        self._currency: bool | None = None
        for number, words, currency in _numbers(prose):
            if number == value:
                self._beside |= words
                self._currency = bool(self._currency) or currency
        if slot.op in ("add", "sub"):
            self._beside |= _first_words(calculation.after)  # terms and sum share a unit
        self.around = frozenset(
            singular(word) for word in re.findall(r"[a-z]+", prose.lower())
        ) - _NO_NOUNS

    def bonus(self, nouns: frozenset[str], window: frozenset[str]) -> float:
        """How well an origin's words fit the operand's."""
        weights = self._weights
        beside = sum(weights.get(word, 1.0) for word in self._beside & nouns)
        near = sum(weights.get(word, 1.0) for word in self.around & nouns)
        around = sum(weights.get(word, 1.0) for word in self.around & window)
        return min(0.24, 0.15 * beside) + min(0.2, 0.1 * near) + min(0.08, 0.02 * around)

    def currency(self, money: bool, nouns: frozenset[str]) -> float:
        """The cost of money where the author writes none, and the reverse."""
        if self._currency is None:
            return 0.0
        if self._currency:
            return 0.0 if money or not nouns.isdisjoint(("dollar", "cent", "$")) else 0.15
        return 0.1 if money else 0.0


_FORM_COST = {Form.ORDINAL: 0.4, Form.CLOCK: 0.1}


def _percent(index: int) -> Apply:
    return Apply("div", (Given(index), World(HUNDRED.name, 100)))


def _quantities(
    slot: Slot, text: Text, calculations: Sequence[Calculated]
) -> Iterator[tuple[Node, Number, bool]]:
    """What stands ready before ``slot``: node, value, whether it is a percentage."""
    for index, mention in enumerate(text.mentions):
        if mention.denominator is not None:
            yield Given(index, Facet.DENOMINATOR), mention.denominator, False
        elif mention.form is not Form.ORDINAL:
            yield Given(index), mention.value, mention.form is Form.PERCENT
    for index in range(slot.calculation - 1, -1, -1):
        earlier = calculations[index]
        percent = earlier.after[:12].lstrip("0123456789.").startswith(("%", " percent"))
        yield Earlier(index), earlier.value, percent


def _derived(
    slot: Slot, text: Text, calculations: Sequence[Calculated]
) -> Iterator[tuple[Node, float]]:
    """Unit conversions, complements to a whole, roundings."""
    value = slot.value
    hundred = World(HUNDRED.name, 100)
    one = World(ONE.name, 1)
    for node, number, percent in _quantities(slot, text, calculations):
        if number == 0:
            continue
        for constant, penalty in _conversions(text):
            other = World(constant.name, constant.value)
            if number * constant.value == value:
                yield Apply("mul", (node, other)), CONVERTED + penalty
            elif number == value * constant.value:
                yield Apply("div", (node, other)), CONVERTED + penalty
        if percent or "%" in text.words or "percent" in text.words:
            share = normalise(Fraction(number) / 100)
            extra = 0.0 if percent else 0.2
            as_share = Apply("div", (node, hundred))
            if value == 100 - number and number != 50:
                yield Apply("sub", (hundred, node)), COMPLEMENT + extra
            elif value == 100 - number:
                yield Apply("sub", (hundred, node)), COMPLEMENT + extra + 0.1
            if value == 100 + number:
                yield Apply("add", (hundred, node)), COMPLEMENT + extra
            if value == 1 - share:
                yield Apply("div", (Apply("sub", (hundred, node)), hundred)), COMPLEMENT + extra
            if value == 1 + share:
                yield Apply("div", (Apply("add", (hundred, node)), hundred)), COMPLEMENT + extra
            if value == share:
                yield as_share, COMPLEMENT + extra
            if value == number * 100:
                yield Apply("mul", (node, hundred)), COMPLEMENT + extra
        if 0 < number < 1 and value == 1 - number:
            yield Apply("sub", (one, node)), COMPLEMENT
        if not isinstance(node, Earlier) or isinstance(number, int) or isinstance(value, Fraction):
            pass
        elif 0 < value - number < 1:
            yield Apply("ceildiv", (node, one)), ROUNDED
        elif 0 < number - value < 1:
            yield Apply("floordiv", (node, one)), ROUNDED
    for index, mention in enumerate(text.mentions):
        if mention.denominator and mention.numerator:
            above: Node = Given(index, Facet.NUMERATOR)
            if mention.numerator == 1:
                above = one
            below = Given(index, Facet.DENOMINATOR)
            if mention.denominator - mention.numerator == value:
                yield Apply("sub", (below, above)), COMPLEMENT
            elif mention.denominator + mention.numerator == value:
                yield Apply("add", (below, above)), COMPLEMENT + 0.1
            elif 1 - mention.value == value:
                yield Apply("sub", (one, Apply("div", (above, below)))), COMPLEMENT
            elif 1 + mention.value == value:
                yield Apply("add", (one, Apply("div", (above, below)))), COMPLEMENT
        if mention.form is Form.CLOCK and mention.value + 12 == value:
            yield Apply("add", (Given(index), World("day_half", 12))), COMPLEMENT


def _conversions(text: Text) -> Iterator[tuple[Constant, float]]:
    for constant in text.constants:
        if constant.converts:
            yield constant, 0.0
    for constant in text.remote:
        if constant.converts:
            yield constant, 0.3


def _combined(
    slot: Slot,
    text: Text,
    calculations: Sequence[Calculated],
    implied: Sequence[tuple[Node, Number]],
) -> Iterator[tuple[Node, float]]:
    """One unsaid operation on two quantities that stand ready."""
    value = slot.value
    seen = {number for number, _, _ in _numbers(calculations[slot.calculation].before)}
    pool = [(node, number) for node, number, _ in _quantities(slot, text, calculations)]
    pool += implied
    pool.append((World(ONE.name, 1), 1))
    for first, (left, a) in enumerate(pool):
        for right, b in pool[first + 1 :]:
            cost = COMBINED - 0.15 * (a in seen) - 0.15 * (b in seen)
            cost += 0.3 * (isinstance(right, World))
            if a + b == value:
                yield Apply("add", (left, right)), cost
            if a - b == value:
                yield Apply("sub", (left, right)), cost
            elif b - a == value:
                yield Apply("sub", (right, left)), cost
            if isinstance(right, World):
                continue
            if a * b == value:
                yield Apply("mul", (left, right)), cost
            if b * value == a:
                yield Apply("div", (left, right)), cost
            elif a * value == b:
                yield Apply("div", (right, left)), cost


_NUMBER_AND_WORDS = re.compile(
    rf"(?P<currency>\$\s?)?(?P<number>{NUMBER})(?P<after>\$)?\s*([A-Za-z]+)?(?:\s+([A-Za-z]+))?"
)


def _numbers(prose: str) -> Iterator[tuple[Number, frozenset[str], bool]]:
    """Numbers of a solution's prose, the words behind each, and whether it is money."""
    for match in _NUMBER_AND_WORDS.finditer(prose):
        words = frozenset(singular(word.lower()) for word in match.groups()[3:] if word)
        money = bool(match["currency"] or match["after"])
        yield number_of(match["number"]), words - _NO_NOUNS, money


def _first_words(after: str) -> frozenset[str]:
    words = re.findall(r"[A-Za-z]+", after)[:2]
    return frozenset(singular(word.lower()) for word in words) - _NO_NOUNS
