"""New numbers for a converted problem: the question's text and its trace, both changed alike.

A variant keeps the story and changes its numbers. It is made only where the reading
is sure, and kept only if everything that was whole, positive or a share still is,
and the solver computes the new answer. Variants are drawn from hashes of the seed,
the problem and the attempt, so any shard on any machine makes the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import combinations

from msgspec import Struct

from trace_pipeline.generation.randomness import Stream
from trace_pipeline.gsm8k.conversion.constants import singular
from trace_pipeline.gsm8k.conversion.conversion import Conversion
from trace_pipeline.gsm8k.conversion.domains import Domain, domain_of, fractions_near
from trace_pipeline.gsm8k.conversion.mentions import Form
from trace_pipeline.gsm8k.conversion.nodes import Apply, Given
from trace_pipeline.gsm8k.conversion.program import Program, facet_of
from trace_pipeline.gsm8k.conversion.text import Text
from trace_pipeline.solver import Solver
from trace_pipeline.traces import Init, Number, SubTrace, Trace, TraceError
from trace_pipeline.traces.numbers import is_terminating

LEAST_CONFIDENCE = 0.7
"""A reading below it is no ground for other numbers."""
ATTEMPTS = 80
"""Draws for one variant."""


class Fixed(StrEnum):
    """Why a problem has no variants."""

    UNSURE = "unsure"
    """The reading is ungrounded, tied, or not confident enough."""
    UNUSED = "unused"
    """The question has a number that may depend on others."""
    NOTHING_TO_CHANGE = "nothing_to_change"
    """Every number's wording is tied to its value."""


class Variant(Struct, frozen=True):
    """A converted problem with other numbers."""

    index: int
    """Of the problem that it varies."""
    question: str
    trace: Trace
    answer: Number


class VariantMaker:
    """Everything about one conversion that its variants share.

    Raises:
        ValueError: the conversion is not fit for variants; :func:`variant_maker` says why.
    """

    def __init__(
        self,
        conversion: Conversion,
        program: Program,
        groups: list[tuple[tuple[int, ...], Domain]],
    ) -> None:
        self._conversion = conversion
        self._groups = groups
        self._text = conversion.text
        self._choices = [domain.numbers for _, domain in groups]
        self._places = [program.places(mentions) for mentions, _ in groups]
        self._program = program
        self._solver = Solver()
        self._inits = [
            [
                (place, step.var, origin)
                for place, (step, origin) in enumerate(zip(subtrace.steps, origins, strict=True))
                if isinstance(origin, Given) and isinstance(step, Init)
            ]
            for subtrace, origins in zip(
                conversion.trace.subtraces, conversion.origins, strict=True
            )
        ]
        """For each sub-trace its inits of the question's numbers: place, variable, number."""

    def make(self, count: int, seed: int = 0) -> Iterator[Variant]:
        """Up to ``count`` different variants; fewer where the constraints leave no more."""
        stream = Stream("gsm8k-variants", seed, self._conversion.index)
        seen = {self._conversion.question}
        for _ in range(count):
            for _ in range(ATTEMPTS):
                variant = self._drawn(stream)
                if variant is not None and variant.question not in seen:
                    seen.add(variant.question)
                    yield variant
                    break

    def _drawn(self, stream: Stream) -> Variant | None:
        drawn = [numbers[stream.below(len(numbers))] for numbers in self._choices]
        answer = self._program.run(zip(drawn, self._places, strict=True))
        if answer is None or not is_terminating(answer):
            return None
        trace = self._trace(
            {
                mention: number
                for (mentions, _), number in zip(self._groups, drawn, strict=True)
                for mention in mentions
            }
        )
        try:
            computed = self._solver.execute(trace).answer
        except TraceError:  # by these numbers it is a short circuit: something times one
            return None
        if computed != answer:
            raise AssertionError("the program of the variants disagrees with the solver")
        return Variant(self._conversion.index, self._question(drawn), trace, answer)

    def _question(self, drawn: Sequence[Number]) -> str:
        places = sorted(
            (
                self._text.mentions[mention].start,
                self._text.mentions[mention].end,
                domain.write(number),
            )
            for (mentions, domain), number in zip(self._groups, drawn, strict=True)
            for mention in mentions
        )
        parts, position = [], 0
        question = self._conversion.question
        for start, end, words in places:
            parts += [question[position:start], words]
            position = end
        return "".join([*parts, question[position:]])

    def _trace(self, numbers: Mapping[int, Number]) -> Trace:
        subtraces = []
        for subtrace, places in zip(self._conversion.trace.subtraces, self._inits, strict=True):
            steps = list(subtrace.steps)
            for place, var, given in places:
                if given.mention in numbers:
                    steps[place] = Init(var, facet_of(numbers[given.mention], given.facet))
            subtraces.append(SubTrace(subtrace.expert, tuple(steps)))
        return Trace(tuple(subtraces))


def variant_maker(conversion: Conversion) -> VariantMaker | Fixed:
    """What makes variants of ``conversion``, or why there is none."""
    if not conversion.grounded or conversion.tied or conversion.reading.dead:
        return Fixed.UNSURE
    if conversion.confidence < LEAST_CONFIDENCE:
        return Fixed.UNSURE
    program = Program(conversion.reading.order, conversion.text)
    if any(_may_depend(index, conversion, program.results) for index in _unused(conversion)):
        return Fixed.UNUSED
    groups = []
    for mentions in _groups(conversion):
        domain = _domain(mentions, conversion)
        if domain is not None:
            groups.append((mentions, domain))
    return VariantMaker(conversion, program, groups) if groups else Fixed.NOTHING_TO_CHANGE


def _unused(conversion: Conversion) -> list[int]:
    used = conversion.reading.mentions
    return [index for index in range(len(conversion.text.mentions)) if index not in used]


def _may_depend(index: int, conversion: Conversion, results: Sequence[Number]) -> bool:
    """Whether an unused number of the question may follow from the ones that change."""
    text = conversion.text
    mention = text.mentions[index]
    if mention.form in (Form.ORDINAL, Form.CLOCK, Form.MULTIPLE, Form.PART) or mention.value <= 1:
        return False
    used = [text.mentions[other].value for other in conversion.reading.mentions]
    if mention.value in used:
        return False  # the same number once more: it changes along
    others = [value for other, value in enumerate(_numbers(text)) if other != index]
    made = {number for a in used for b in others for number in (a + b, abs(a - b))}
    return mention.value in made or (mention.value in results and not text.names_group(index))


def _numbers(text: Text) -> list[Number]:
    return [mention.value for mention in text.mentions]


def _groups(conversion: Conversion) -> list[tuple[int, ...]]:
    """The mentions that change together: equal numbers of which one is unused or unsure."""
    text, used = conversion.text, conversion.reading.mentions
    by_value: dict[Number, list[int]] = {}
    for index, mention in enumerate(text.mentions):
        by_value.setdefault(mention.value, []).append(index)
    groups: list[tuple[int, ...]] = []
    for mentions in by_value.values():
        mine = [index for index in mentions if index in used]
        if not mine:
            continue
        if len(mine) < len(mentions) or conversion.confidence < 1:
            groups.append(tuple(mentions))
        else:
            groups += [(index,) for index in mine]
    return sorted(groups)


def _domain(mentions: tuple[int, ...], conversion: Conversion) -> Domain | None:
    """What a group of mentions may change to; None where one of them has to stay."""
    text = conversion.text
    if any(_is_structural(index, conversion) for index in mentions):
        return None
    first = text.mentions[mentions[0]]
    if first.form is Form.FRACTION:
        return fractions_near(first) if len(mentions) == 1 else None
    domains = [domain_of(index, text) for index in mentions]
    shared: Domain | None = domains[0]
    for domain in domains[1:]:
        if shared is None or domain is None or domain.texts != shared.texts:
            return None
    return shared


def _is_structural(index: int, conversion: Conversion) -> bool:
    """Whether a number counts what the question lists, or follows from others of its kind."""
    text, reading = conversion.text, conversion.reading
    value = text.mentions[index].value
    ordinals = [mention.value for mention in text.mentions if mention.form is Form.ORDINAL]
    if text.names_group(index) or value in ordinals or value + 1 in ordinals:
        return True  # three machines and then "the fourth"
    for node in reading.order:
        match node:
            case Apply(op="div", args=(Apply(op="add", args=terms), Given(mention=by))):
                if by == index and value == len(terms):
                    return True  # the average of three listed numbers
    kind = _kind(index, text)
    if not kind:
        return False
    same = [
        text.mentions[other].value
        for other in reading.mentions
        if other != index and _kind(other, text) == kind
    ]
    return any(value in (a + b, abs(a - b)) for a, b in combinations(same, 2))


def _kind(index: int, text: Text) -> str:
    last = text.mentions[index].last
    return singular(text.tokens[last].lower) if last < len(text.tokens) else ""
