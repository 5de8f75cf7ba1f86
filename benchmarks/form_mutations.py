"""Mistakes of form to plant: repetition, overwriting, foreign operations, texts that break off."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from msgspec.structs import replace

from benchmarks.mutations import Gold, without_last_steps
from benchmarks.trace_edits import renamed, with_step
from trace_pipeline.evaluation.diagnosis.steps import computing, step_at
from trace_pipeline.traces import (
    Compute,
    Consume,
    Init,
    PercentOf,
    PercentOff,
    Query,
    SubTrace,
    Trace,
    render_trace,
)


def repeated_subtrace(gold: Gold, rng: random.Random) -> Trace | None:
    """A sub-trace again, or the whole again and again instead of a multiplication."""
    subtraces = gold.trace.subtraces
    if len(subtraces) > 1:
        again = rng.randrange(len(subtraces))
        shifted = [_shifted(subtrace, again) for subtrace in subtraces[again + 1 :]]
        return Trace((*subtraces[: again + 1], subtraces[again], *shifted))
    last = step_at(gold.trace, computing(gold.trace)[-1])
    made = without_last_steps(gold, 1, rng)
    if gold.expert is None and isinstance(last, Compute) and last.compute_op != "mul":
        return None  # the same trace twice still gives the right answer
    if made is None or len(computing(gold.trace)) < 2:
        return None
    return Trace(made.subtraces * rng.randint(2, 10))


def _shifted(subtrace: SubTrace, again: int) -> SubTrace:
    """``subtrace`` behind a sub-trace that was put in after number ``again``."""

    def moved(step: Init) -> Init:
        match = re.fullmatch(r"sub(\d+)\.result", step.source or "")
        if match and int(match[1]) > again:
            return replace(step, source=f"sub{int(match[1]) + 1}.result")
        return step

    steps = (moved(step) if isinstance(step, Init) else step for step in subtrace.steps)
    return SubTrace(subtrace.expert, tuple(steps))


def overwritten_variable(gold: Gold, rng: random.Random) -> Trace | None:
    """A step sets a variable that is set already."""
    choices = []
    for index, subtrace in enumerate(gold.trace.subtraces):
        names: list[str] = []
        for at, step in enumerate(subtrace.steps):
            name = getattr(step, "var", None)
            if name is None or isinstance(step, Query):
                continue
            choices += [((index, at), old) for old in names]
            names.append(name)
    if not choices:
        return None
    place, old = rng.choice(choices)
    return renamed(gold.trace, place, old)


def foreign_op(gold: Gold, rng: random.Random) -> Trace | None:
    """An operation of another expert: a step of its kind, or the expert's name changed."""
    index = rng.randrange(len(gold.trace.subtraces))
    subtrace = gold.trace.subtraces[index]
    own = [step for step in subtrace.steps if not isinstance(step, Init | Compute | Query)]
    if own:
        changed = SubTrace(rng.choice(["arithmetic", "rate_equation"]), subtrace.steps)
        if gold.expert is not None:
            return None  # there it is the wrong expert before anything else
        return Trace((*gold.trace.subtraces[:index], changed, *gold.trace.subtraces[index + 1 :]))
    places = [p for p in computing(gold.trace) if p[0] == index]
    place = rng.choice(places)
    step = step_at(gold.trace, place)
    assert isinstance(step, Compute)
    first, second = step.args[0], step.args[-1]
    foreign = [PercentOf(first, second, step.var), PercentOff(first, second, step.var)]
    if subtrace.expert == "percentage":
        return with_step(gold.trace, place, Consume(first, second))
    return with_step(gold.trace, place, rng.choice([*foreign, Consume(first, second)]))


def clipped(gold: Gold, rng: random.Random) -> str:
    """Cut somewhere before its query is complete."""
    text = render_trace(gold.trace)
    return text[: rng.randrange(len(text) // 4, text.rindex("}"))]


def other_invalid(gold: Gold, rng: random.Random) -> str | None:
    """Faults of form that a trace can be read with, but not executed."""
    text = render_trace(gold.trace)
    faults: list[Callable[[str], str]] = [
        lambda t: re.sub(r"op: compute, compute_op: (\w+)", r"op: \1", t, count=1),
        lambda t: re.sub(r"value: [^}]+", "value: step1", t, count=1),
        lambda t: re.sub(r", var: \w+\}", "}", t, count=1),
        lambda t: re.sub(r"(?m)^ *- \{op: query.*\n(?!.*\n)", "", t),
        lambda t: re.sub(r"compute_op: \w+", "compute_op: plus", t, count=1),
        lambda t: re.sub(r"expert: \w+", "expert: geometry", t, count=1),
    ]
    if gold.expert is not None:
        faults = faults[:-1]  # an unknown expert is the wrong one there
    made = rng.choice(faults)(text)
    return made if made != text else None


def parse_fail(gold: Gold, rng: random.Random) -> str:
    """Texts that hold no trace."""
    text = render_trace(gold.trace)
    faults: list[Callable[[str], str]] = [
        lambda t: t.replace("expert: ", "solver: "),
        lambda t: t.replace("}", "", 1),
        lambda t: t.replace("value: ", "value: [", 1),
        lambda t: f"The answer is {gold.answer}.",
        lambda t: t.replace("trace:", "trace: none #"),
    ]
    return rng.choice(faults)(text)
