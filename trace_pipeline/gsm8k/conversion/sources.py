"""What an operand of a calculation may stand for, each possibility with a cost.

Costs are sums of small penalties (0: exactly what the text says; 3: nothing in
the text explains the number). They rank the readings of one problem; they are no
probabilities.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from trace_pipeline.gsm8k.conversion.constants import singular, words
from trace_pipeline.gsm8k.conversion.context import Context, sentence_words
from trace_pipeline.gsm8k.conversion.derived import (
    CENTS,
    COMPLEMENT,
    CONVERTED,
    combined,
    derived,
)
from trace_pipeline.gsm8k.conversion.mentions import Form, Mention
from trace_pipeline.gsm8k.conversion.nodes import (
    HUNDRED,
    ONE,
    ZERO,
    Apply,
    Candidate,
    Earlier,
    Facet,
    Given,
    Node,
    Slot,
    Stated,
    World,
    percent_of_one,
)
from trace_pipeline.gsm8k.conversion.operation import (
    among_results,
    divided_units,
    is_average,
    leaves,
)
from trace_pipeline.gsm8k.conversion.solution import Calculated
from trace_pipeline.gsm8k.conversion.text import Text, first_words
from trace_pipeline.traces.numbers import Number

MOST = 6
"""Candidates kept for one operand."""

CALLED = 0.12
"""A constant that a word of the question calls for."""
HIT = 0.02
"""Off for each further word that calls for it, four at most."""
SPOKEN = 0.05
"""Off for a constant that the author's words call for too."""
COMPUTED = 0.2
"""A constant where an earlier result is this very number."""
UNNEEDED = 0.6
"""A constant where the question gives this very number."""
REMOTE = 0.5
"""A constant that only the solution's words call for."""
COUNTED = 0.4
"""The number of people that the question names."""
NOT_PEOPLE = 0.3
"""More where the author counts something else."""
SUBSET = 0.1
"""More where it is some of them."""
UNNAMED = 0.2
"""More where it is one more than are named."""
AVERAGED = -0.2
"""The number of terms of a sum that is divided, where the question speaks of an average."""
PERSONS = words("person child kid friend student girl boy man woman player guest member")
PERSON_ADDED = 0.15
"""People counted where the author counts something else."""
ADDED_MULTIPLE = 0.9
"""Nobody adds ``twice``."""
MULTIPLIES = 0.12
"""Off for a factor in a product: ``twice`` can be nothing else."""
STATED_RATE = 0.15
"""Off for a conversion of which the author names both units."""
ADDED_RATE = 0.4
"""A conversion in a sum, where the author names no unit of it."""
UNSAID_RATE = 0.15
"""A conversion of which the author names neither unit."""
CONVERTS_RESULT = 0.2
"""Off for a conversion into the unit of the result, where the author names both."""
STILL_DOLLARS = 0.6
"""Dollars times a hundred where the author still has dollars."""
HALVES = "halves"
UNDIVIDED = 0.6
"""Two halves where nothing is divided."""
IMPLICIT_ONE = 0.3
FACTOR_ONE = 0.45
"""Nobody multiplies by one unless something is one."""
SHARE = 0.05
"""An earlier percentage written as a share of one."""
SHARE_NOT_PRICE = 0.15
"""A price below one where the question has this percentage too."""
CONTINUED = 0.02
"""Off for the result of the calculation right before."""
AMONG_RESULTS = 0.12
"""A number of the question in a sum of results, where it may be a result itself."""
OLDER = 0.08
"""An earlier result where a later one has the same value."""
IMPLIED = 0.2
"""What the author worked out unsaid before."""
MISPLACED = 0.35
"""A numerator that divides, a denominator that multiplies."""
EARLIER_FIRST = 0.002
"""Of two numbers alike in everything, the first."""
UNGROUNDED = 3.0
"""A number that nothing explains."""
UNEXPLAINED = 0.95
"""The same where only a guess explains it: then it rather stays what it is, and is marked."""
GUESSED = 0.6
"""From here on an origin is a guess."""
LISTED = 0.35
"""The number of things that the question lists."""
LISTED_TERM = 0.3
"""More where it is neither factor nor divisor."""
THRESHOLD = 0.12
"""A number that only bounds something."""
PER_RESULT = 0.08
"""Off for a divisor in the unit of what is divided; more for one in the unit of the result."""
ROUNDED_NOW = 0.15
"""The result right before, rounded unsaid."""
RATIO_PART = 0.05
"""``twice`` beside a one: the parts of a ratio are added."""


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
    found += [Candidate(node, IMPLIED) for node, number in implied if number == slot.value]
    if not any(candidate.cost < COMPLEMENT for candidate in found):
        found += derived(slot, text, calculations)
    best = min((candidate.cost for candidate in found), default=GUESSED)
    prices = slot.op == "mul" and all(_is_price(candidate.node, text) for candidate in found)
    if best >= REMOTE - 0.1:
        found += combined(slot, text, calculations, implied)
    guessed = (prices or best >= GUESSED) and not calculations[slot.calculation].solved
    if guessed or not found:
        found.append(Candidate(Stated(slot.value), UNEXPLAINED if found else UNGROUNDED))
    found.sort(key=lambda candidate: candidate.cost)
    unique = {candidate.node: candidate for candidate in reversed(found)}
    return sorted(unique.values(), key=lambda candidate: candidate.cost)[:MOST]


def _is_price(node: Node, text: Text) -> bool:
    return isinstance(node, Given) and text.mentions[node.mention].form is Form.MONEY


def _direct(slot: Slot, text: Text, calculations: Sequence[Calculated]) -> Iterator[Candidate]:
    """Earlier results, numbers of the question and constants of this very value."""
    solved = calculations[slot.calculation].solved
    if solved and slot.value == 1:
        yield Candidate(ONE, 0.0)  # x itself
        return
    context = Context(calculations[slot.calculation], slot, text)
    alone = AMONG_RESULTS * among_results(calculations, slot)
    terms = leaves(calculations[slot.calculation].expression)
    divided = divided_units(calculations, slot, text)
    yield from _from_before(slot, text, calculations)
    older = 0.0
    for index in range(slot.calculation - 1, -1, -1):
        earlier = calculations[index]
        if slot.value in (earlier.result, earlier.value):
            counted = first_words(earlier.after)
            cost = older - context.bonus(counted, frozenset())
            cost -= context.recalled(sentence_words(earlier))
            cost -= CONTINUED * (index == slot.calculation - 1)
            if earlier.is_money:
                cost += context.currency(True, counted)
            yield Candidate(Earlier(index), cost)
            older = OLDER
        elif text.speaks_of_percent and slot.value * 100 == earlier.value:
            yield Candidate(percent_of_one(Earlier(index)), SHARE if earlier.is_percent else REMOTE)
    for index, mention in enumerate(text.mentions):
        as_percent = mention.form is Form.PERCENT and mention.value == slot.value * 100
        if mention.denominator is None and mention.value != slot.value and not as_percent:
            continue
        cost = _FORM_COST.get(mention.form, 0.0) + EARLIER_FIRST * index + alone
        cost -= context.bonus(text.nouns[index], text.windows[index])
        cost += context.currency(mention.form is Form.MONEY, text.nouns[index])
        cost += context.unit(text.units[index], text.units)
        cost += THRESHOLD * text.thresholds[index]
        if not (text.is_multiple(index) or text.is_difference(index)):
            cost += context.person(text.subjects[index])  # "twice as many as Bo" is about two
        if divided is not None and text.units[index]:
            above, result = divided
            unit = text.units[index]
            cost += PER_RESULT * ((unit in result) - (unit in above))
        if mention.denominator is not None:
            spoken = not context.around.isdisjoint(text.words_of(index))
            yield from _fraction(slot, index, mention, cost, spoken)
        elif mention.value == slot.value:
            if mention.form is Form.MONEY and mention.value < 1:
                cost += SHARE_NOT_PRICE * text.has_percent(mention.value * 100)
            cost += 0.0 if solved else _misuse(slot, text, index, terms)
            if slot.op in ("add", "sub") and text.units[index] in PERSONS:
                cost += PERSON_ADDED * context.beside.isdisjoint(PERSONS)
            yield Candidate(Given(index), cost)
        if as_percent:
            yield Candidate(percent_of_one(Given(index)), cost + 0.02)
    yield from _world(slot, text, context, calculations, alone)
    if slot.divides and is_average(calculations, slot):
        spoken = not text.words.isdisjoint(("average", "mean"))
        yield Candidate(World("count", slot.value), AVERAGED if spoken else COUNTED)


def _from_before(slot: Slot, text: Text, calculations: Sequence[Calculated]) -> Iterator[Candidate]:
    """The result right before rounded unsaid, and one of something converted: $1 is 100 cents."""
    for index, earlier in enumerate(calculations[: slot.calculation]):
        whole = isinstance(slot.value, int) and not isinstance(earlier.value, int)
        if (
            index == slot.calculation - 1
            and whole
            and not isinstance(earlier.result, int)
            and earlier.value > 1
            and abs(Fraction(slot.value - earlier.value)) < 1
        ):
            op = "ceildiv" if slot.value > earlier.value else "floordiv"
            yield Candidate(Apply(op, (Earlier(index), ONE)), ROUNDED_NOW)
        if earlier.value == 1 and earlier.annotated:
            for constant in text.constants:
                if constant.converts and constant.value == slot.value and constant.units:
                    other = World(constant.name, constant.value)
                    yield Candidate(Apply("mul", (Earlier(index), other)), CONVERTED)


def _world(
    slot: Slot,
    text: Text,
    context: Context,
    calculations: Sequence[Calculated],
    alone: float,
) -> Iterator[Candidate]:
    value = slot.value
    scales = slot.op in ("mul", "div")
    alike = [
        index
        for index, mention in enumerate(text.mentions)
        if (value == mention.value or (value == mention.denominator and slot.divides))
        and mention.form not in (Form.ORDINAL, Form.PERCENT)
        and not text.is_label(index)
    ]
    before = calculations[: slot.calculation]
    mentioned = bool(alike)
    computed = COMPUTED * any(value in (e.result, e.value) for e in before)
    halved = not context.around.isdisjoint(("half", "halve", "halfway"))
    counted = any(text.units[index] in context.beside for index in alike)
    for constant in text.constants:
        if constant.value == value and (scales or not constant.scales):
            hits = len(constant.words & text.words) + len(constant.words & context.around)
            named = not counted and not context.beside.isdisjoint(
                constant.words | {singular(constant.name.partition("_")[0])}
            )
            needed = named or (constant.name == HUNDRED.name and slot.divides)
            cost = CALLED + UNNEEDED * (mentioned and not needed) - HIT * min(hits, 4) + alone
            if constant.units:
                spoken = context.around.issuperset(constant.units)
            else:
                spoken = not context.around.isdisjoint(constant.words)
            if constant.name == HUNDRED.name:
                spoken = slot.divides or calculations[slot.calculation].is_percent
            if not mentioned:
                cost += -SPOKEN if named or spoken else computed
            parts = frozenset(map(singular, constant.name.split("_")))
            if not scales and constant.converts and not named:
                cost += ADDED_RATE  # nobody adds the hours of a day to eggs
            elif "per" in parts and parts.isdisjoint(context.around | context.beside):
                cost += UNSAID_RATE
            if constant.units and context.around.issuperset(constant.units):
                cost -= STATED_RATE
            if constant.units and scales:
                into = singular(constant.name.partition("_per_")[2 * slot.divides])
                own = calculations[slot.calculation]
                dollars = constant.name == CENTS and slot.divides and own.is_dollars
                if dollars or (spoken and into in first_words(own.after)):
                    cost -= CONVERTS_RESULT
            if constant.name == CENTS and slot.op == "mul":
                cost += STILL_DOLLARS * calculations[slot.calculation].is_dollars
            if constant.name == HALVES and not slot.divides and not halved:
                cost += UNDIVIDED
            yield Candidate(World(constant.name, value), cost)
    for constant in text.remote:
        if constant.value == value and (scales or not constant.scales):
            named = singular(constant.name.partition("_")[0]) in context.beside
            yield Candidate(World(constant.name, value), CALLED if named else REMOTE)
    if isinstance(value, int) and value in text.calendar:
        yield Candidate(World(text.calendar[value], value), CALLED + UNNEEDED * mentioned)
    if value in text.day_ranges:
        yield Candidate(World("days", value), CALLED)
    if value == 1:
        times = slot.op == "mul" or slot.divides
        yield Candidate(ONE, FACTOR_ONE if times else IMPLICIT_ONE)
    if value == 0:
        yield Candidate(ZERO, IMPLICIT_ONE)
    if value == Fraction(1, 100):
        yield Candidate(percent_of_one(ONE), CALLED)
    if value in text.lists:
        factor = slot.op == "mul" or slot.divides
        odd = LISTED_TERM * (not factor) + LISTED_TERM * mentioned
        yield Candidate(World("listed", value), LISTED + odd)
    people = len(text.names)
    uncounted = NOT_PEOPLE * bool(context.beside) * ("person" not in context.beside)
    if 2 <= value <= min(people + 1, 8):
        odd = SUBSET * (value < people) + UNNAMED * (value > people)
        yield Candidate(World("people", value), uncounted + COUNTED + odd)
    elif value == len(text.everyone) > 1:
        yield Candidate(World("people", value), uncounted + COUNTED)


def _fraction(
    slot: Slot, index: int, mention: Mention, cost: float, spoken: bool
) -> Iterator[Candidate]:
    below = Given(index, Facet.DENOMINATOR)
    above: Node = Given(index, Facet.NUMERATOR) if mention.numerator != 1 else ONE
    if mention.value == slot.value:
        yield Candidate(Apply("div", (above, below)), cost)
    if mention.denominator == slot.value:
        # "a third are 12, so all are 3 * 12": the author speaks of the third.
        yield Candidate(
            below, cost + (0.0 if slot.divides or (spoken and slot.op == "mul") else MISPLACED)
        )
    if mention.numerator == slot.value and slot.op in ("mul", "div"):
        yield Candidate(above, cost + (MISPLACED if slot.divides else 0.05))


def _misuse(slot: Slot, text: Text, index: int, terms: Sequence[Number]) -> float:
    """The cost of a factor that is added, of a group of things that is no operand."""
    if text.is_label(index):
        return 0.4
    factor = text.is_factor(index)
    if factor and slot.op == "mul":
        return -MULTIPLIES * text.is_multiple(index)
    if text.is_difference(index) and slot.op and not factor:
        if slot.op in ("mul", "div") or slot.minuend:
            return 0.3
        return -0.2 if len(terms) < 3 else 0.1  # "5 more than" is no term of a total
    if factor:
        if slot.op == "add" and slot.value != 1 and 1 in terms:
            return RATIO_PART
        if slot.op in ("add", "sub"):
            return ADDED_MULTIPLE if text.mentions[index].form is Form.MULTIPLE else 0.4
        if slot.op == "div" and not slot.divides and text.mentions[index].form is not Form.PERCENT:
            return 0.3
        return 0.1 * slot.divides
    return 0.3 if slot.op in ("add", "sub") and text.names_group(index) else 0.0


_FORM_COST = {Form.ORDINAL: 0.6, Form.CLOCK: 0.1}
