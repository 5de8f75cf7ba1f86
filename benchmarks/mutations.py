"""Mistakes of meaning to plant: in numbers, steps, operations and wiring.

A mutator takes a problem and gives one mutant, or None where the problem has no place for
it. What a mutator would plant but what is by construction another class, it does not plant;
the reasons stand beside the rules.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from benchmarks.trace_edits import (
    bypassed,
    drop_step,
    is_used,
    number_at,
    single_number_places,
    with_number,
    with_step,
    without_unused_inits,
)
from trace_pipeline.evaluation.diagnosis.field import Run
from trace_pipeline.evaluation.diagnosis.numbers import QuestionNumbers, misreading
from trace_pipeline.evaluation.diagnosis.reference import Reference
from trace_pipeline.evaluation.diagnosis.steps import computing, names_set, step_at
from trace_pipeline.traces import (
    AddEntity,
    Compute,
    Consume,
    Init,
    Number,
    PercentIncrease,
    PercentOf,
    PercentOff,
    Query,
    SubTrace,
    Trace,
    Transfer,
)
from trace_pipeline.traces.numbers import normalise


class Gold(Struct, frozen=True):
    """A problem with the trace that solves it."""

    question: str
    trace: Trace
    answer: Number
    expert: str | None
    """The expert that has to answer; None for real problems."""


def number_missing(gold: Gold, rng: random.Random) -> Trace | None:
    """A number in figures is not read: its operation goes, or its name stays undefined."""
    return _dropped_number(gold, rng, in_words=False)


def _dropped_number(gold: Gold, rng: random.Random, in_words: bool) -> Trace | None:
    question = QuestionNumbers(gold.question)
    choices = [
        place
        for place in single_number_places(gold.trace)
        if (value := number_at(gold.trace, place)) in question.said
        and question.is_in_words(value) == in_words
    ]
    rng.shuffle(choices)
    reference = Reference(gold.trace)
    for place in choices:
        step = step_at(gold.trace, place)
        if isinstance(step, Init) and not in_words and rng.random() < 0.25:
            return with_step(gold.trace, place, None)
        made = drop_step(gold.trace, place)
        # What is left is a part of the gold trace: that is a missing last step or a truncated
        # chain, whose numbers go with it.
        if made is not None and not _is_part(made, reference) and not _has_twins(made):
            return made
    return None


def _has_twins(trace: Trace) -> bool:
    """Whether two sub-traces compute the same: a repeated sub-trace, however it came about."""
    answers = [Run(Trace((subtrace,))).answer for subtrace in trace.subtraces]
    return len(set(answers)) < len(answers)


def _is_part(trace: Trace, reference: Reference) -> bool:
    answer = Reference(trace).answer
    return answer in reference.steps or answer in reference.leaves


def number_invented(gold: Gold, rng: random.Random) -> Trace | None:
    """A number unlike any of the problem, in the place of one in figures or in a step more."""
    question = QuestionNumbers(gold.question)
    reference = Reference(gold.trace)
    known = question.said | set(reference.numbers)
    value: Number = 0
    for _ in range(50):
        value = rng.randrange(2, 400)
        # Related to a number of the problem it would be a misread one.
        related = any(misreading(value, number, question) for number in known)
        if not (related or value in known | set(reference.aliases) | set(reference.results)):
            break
    else:
        return None
    last = len(gold.trace.subtraces) - 1
    steps = gold.trace.subtraces[last].steps
    if rng.random() < 0.3 and isinstance(query := steps[-1], Query):
        operation = rng.choice(["add", "sub", "mul", "div"])
        more = Compute(operation, (query.var, "one_more"), "changed")
        subtrace = SubTrace(
            gold.trace.subtraces[last].expert,
            (*steps[:-1], Init("one_more", value), more, Query("changed")),
        )
        return Trace((*gold.trace.subtraces[:last], subtrace))
    choices = [
        place
        for place in single_number_places(gold.trace)
        # In the place of a number in words it is a misread one.
        if not question.is_in_words(number_at(gold.trace, place))
    ]
    return with_number(gold.trace, rng.choice(choices), value) if choices else None


def number_misread(gold: Gold, rng: random.Random) -> Trace | None:
    """Powers of ten, points and digits lost, digits swapped, number words misread or lost."""
    question = QuestionNumbers(gold.question)
    reference = Reference(gold.trace)
    taken = question.said | set(reference.numbers) | set(reference.aliases)
    choices = single_number_places(gold.trace)
    rng.shuffle(choices)
    for place in choices:
        value = number_at(gold.trace, place)
        if value not in question.said:
            continue
        if question.is_in_words(value):
            if rng.random() < 0.3:
                made = _dropped_number(gold, rng, in_words=True)
                if made is not None:
                    return made
            others: list[Number] = [n for n in range(2, 13) if n not in taken]
        else:
            # Another number of the problem in its place is a missing number.
            others = [n for n in _misread(value) if n not in taken and n > 0]
        if others:
            return with_number(gold.trace, place, rng.choice(others))
    return None


def _misread(value: Number) -> Iterator[Number]:
    for power in (10, 100, 1000):
        yield normalise(Fraction(value) * power)
        yield normalise(Fraction(value) / power)
    digits = str(value)
    if digits.isdecimal() and len(digits) >= 2:
        yield int(digits[1:])
        yield int(digits[:-1])
        if digits[-1] != digits[-2]:
            yield int(digits[:-2] + digits[-1] + digits[-2])


def missing_last_step(gold: Gold, rng: random.Random) -> Trace | None:
    """The last step goes; what it would have gone on from is asked for."""
    return without_last_steps(gold, 1, rng)


def truncated_chain(gold: Gold, rng: random.Random) -> Trace | None:
    """Two or more steps go at the end, or one on the way whose numbers stay."""
    steps = len(computing(gold.trace))
    if rng.random() < 0.3 and steps >= 3:
        return _left_out(gold, rng)
    return without_last_steps(gold, rng.randint(2, steps), rng) if steps >= 2 else None


def _left_out(gold: Gold, rng: random.Random) -> Trace | None:
    """A step of two operands gives way to one of them."""
    choices = []
    for place in computing(gold.trace)[:-1]:
        step = step_at(gold.trace, place)
        if isinstance(step, Compute) and len(step.args) == 2:
            choices += [(place, step, operand) for operand in dict.fromkeys(step.args)]
    rng.shuffle(choices)
    reference = Reference(gold.trace)
    for place, step, operand in choices:
        made = bypassed(gold.trace, place, step.var, operand)
        # An operand more in a step of the same kind mends a sum or product: that is wiring.
        kinds = {
            other.compute_op
            for other in gold.trace.subtraces[place[0]].steps
            if isinstance(other, Compute) and step.var in other.args
        }
        if step.compute_op not in kinds and not _is_part(made, reference):
            return made
    return None


def without_last_steps(gold: Gold, count: int, rng: random.Random) -> Trace | None:
    """``gold``'s trace without its last ``count`` computing steps."""
    places = computing(gold.trace)
    first = places[-count]
    index, at = first
    subtrace = gold.trace.subtraces[index]
    kept = list(subtrace.steps[:at])
    earlier = [place for place in places[:-count] if place[0] == index]
    if earlier:
        asked = names_set(step_at(gold.trace, earlier[-1]))[-1]
        dropped = step_at(gold.trace, first)
        if not hasattr(dropped, "var") and isinstance(query := subtrace.steps[-1], Query):
            asked = query.var if count == 1 else asked
    else:
        inits = [step for step in kept if isinstance(step, Init)]
        if not inits:
            return None
        asked = inits[-1].var
        if isinstance(query := subtrace.steps[-1], Query) and any(
            init.var == query.var for init in inits
        ):
            asked = query.var
    if not any(asked in names_set(step) for step in kept):
        return None
    cut = SubTrace(subtrace.expert, (*kept, Query(asked)))
    made = Trace((*gold.trace.subtraces[:index], cut))
    reference = Reference(gold.trace)
    run = Reference(made)
    # By a dead step or a stock that is not asked for more or less may be missing than was cut.
    lacking = reference.remaining(set(run.steps) | set(run.leaves))
    if (len(lacking) == 1) != (count == 1):
        return None
    return without_unused_inits(made) if rng.random() < 0.5 else made


def wrong_operation(gold: Gold, rng: random.Random) -> Trace | None:
    """Another operation on the same operands."""
    choices = computing(gold.trace)
    rng.shuffle(choices)
    for place in choices:
        match step_at(gold.trace, place):
            case Compute(compute_op=op) as step if op in ("add", "sub", "mul", "div"):
                others = {"add", "sub", "mul", "div"} - {op}
                if len(step.args) > 2:
                    others -= {"div"}
                return with_step(
                    gold.trace, place, replace(step, compute_op=rng.choice(sorted(others)))
                )
            case Consume(entity=entity, amount=amount):
                return with_step(gold.trace, place, AddEntity(entity, amount))
            case AddEntity(entity=entity, amount=amount):
                return with_step(gold.trace, place, Consume(entity, amount))
            case PercentOf() | PercentOff() | PercentIncrease() as step:
                kinds = [PercentOf, PercentOff, PercentIncrease]
                kinds.remove(type(step))
                kind = rng.choice(kinds)
                return with_step(gold.trace, place, kind(step.base, step.rate, step.var))
    return None


def wrong_wiring(gold: Gold, rng: random.Random) -> Trace | None:
    """Operands exchanged or replaced, stocks confused, two numbers exchanged."""
    reference = Reference(gold.trace)
    for _ in range(20):
        made = _rewired(gold.trace, rng)
        # An answer that is a result of the gold trace is a chain cut short; a number of the
        # question that is in use no longer, though it is at hand, still is wiring.
        if made is not None and not _is_part(made, reference):
            return made
    return None


def _rewired(trace: Trace, rng: random.Random) -> Trace | None:
    if rng.random() < 0.2:
        inits = [
            (index, at)
            for index, subtrace in enumerate(trace.subtraces)
            for at, step in enumerate(subtrace.steps)
            if isinstance(step, Init) and step.value is not None and is_used(trace, index, step.var)
        ]
        if len(inits) >= 2:
            first, second = rng.sample(inits, 2)
            a, b = number_at(trace, first), number_at(trace, second)
            return with_number(with_number(trace, first, b), second, a) if a != b else None
    place = rng.choice(computing(trace))
    subtrace = trace.subtraces[place[0]]
    names = [name for step in subtrace.steps[: place[1]] for name in names_set(step)]
    match step_at(trace, place):
        case Compute(args=args, compute_op=op) as step:
            if op in ("sub", "div") and rng.random() < 0.5:
                return with_step(trace, place, replace(step, args=(args[1], args[0], *args[2:])))
            at = rng.randrange(len(args))
            others = sorted(set(names) - {args[at]})
            if not others:
                return None
            changed = (*args[:at], rng.choice(others), *args[at + 1 :])
            return with_step(trace, place, replace(step, args=changed))
        case Consume() | AddEntity() as step:
            others = sorted({n for n in names if "." in n} - {step.entity})
            return (
                with_step(trace, place, replace(step, entity=rng.choice(others)))
                if others
                else None
            )
        case Transfer(from_entity=giver, to_entity=taker) as step:
            return with_step(trace, place, replace(step, from_entity=taker, to_entity=giver))
        case (
            PercentOff(base=base, rate=str(rate))
            | PercentIncrease(base=base, rate=str(rate)) as step
        ):
            return with_step(trace, place, replace(step, base=rate, rate=base))
    return None
