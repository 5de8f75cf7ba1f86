"""From a compiled schema and a stream of random bits to one verified question and trace."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from trace_pipeline.generation.expressions import ExpressionError
from trace_pipeline.generation.findings import Finding, GenerationError
from trace_pipeline.generation.grounding import (
    figures_in,
    plainly_printed,
    plainly_spelled,
    spelled_in,
    trace_numbers,
)
from trace_pipeline.generation.naming import Naming
from trace_pipeline.generation.numerals import NumeralError
from trace_pipeline.generation.plan import Plan, Wording
from trace_pipeline.generation.randomness import Stream
from trace_pipeline.generation.templates import Story
from trace_pipeline.solver import Solver
from trace_pipeline.traces import Number, SubTrace, Trace, TraceError, format_number

MAX_DRAWS = 1000
"""Draws for one example before its constraints count as impossible to meet."""

RETELLINGS = 4
"""Draws after which refused texts get new numbers too, rather than new words alone."""

LARGEST_ANSWER = 10**9
"""Answers beyond this are taken for a mistake in a schema's ranges."""


class Realisation(NamedTuple):
    """One drawn and written problem."""

    question: str
    trace: Trace
    answer: Number
    story: Story
    wording: Wording


Accept = Callable[[str], bool]
"""Whether a question's text may be used (its split); others are drawn again."""


def realise(
    plan: Plan,
    wording: Wording,
    key: str,
    *,
    naming: Naming = "hybrid",
    fixed: bool = False,
    accept: Accept | None = None,
    rewrite: Callable[[str, Stream], str] | None = None,
) -> Realisation:
    """Draw from the stream of ``key`` until every constraint is met and the text is accepted.

    What comes is not verified: ``require_sound`` does that.

    Raises:
        GenerationError: no acceptable draw.
    """
    stream, hindrance = Stream(key), ""
    values: dict[str, Number] | None = None
    for attempt in range(MAX_DRAWS):
        try:
            if values is None or attempt % RETELLINGS == 0:
                values, hindrance = wording.drawer.numbers(stream)
            if values is None:
                continue
            story = Story(values, wording.drawer.words(stream), stream, fixed)
            question = wording.template.render(story)
            if rewrite is not None:
                question = rewrite(question, stream)
            if accept is not None and not accept(question):
                hindrance = "the text belongs to another split"
                continue
            parts: list[SubTrace] = []
            for planned in wording.subtraces:
                part = planned.build(naming, story.draws, values)
                if part is None:
                    break
                parts.append(part)
            else:
                trace, answer = Trace(tuple(parts)), plan.answer.evaluate(values)
                break
            hindrance = "two traced quantities had one name"
        except (ExpressionError, NumeralError) as error:
            raise GenerationError(Finding.UNSATISFIABLE, str(error)) from None
    else:
        raise GenerationError(
            Finding.UNSATISFIABLE,
            f"no usable draw in {MAX_DRAWS}: {hindrance}; loosen the constraints or widen the "
            f"ranges",
        )
    return Realisation(question, trace, answer, story, wording)


def require_sound(plan: Plan, found: Realisation, naming: Naming, solver: Solver) -> None:
    """Stop at an example that fails verification.

    Raises:
        GenerationError: its gravest fault.
    """
    for kind, fault in faults(plan, found, naming, solver):
        raise GenerationError(kind, f"{fault} (question: {found.question!r})")


def faults(
    plan: Plan, found: Realisation, naming: Naming, solver: Solver
) -> Iterator[tuple[Finding, str]]:
    """What is wrong with an example, in the order of gravity; nothing, if it is sound."""
    try:
        execution = solver.execute(found.trace, keep_steps=plan.fractions)
    except TraceError as error:
        yield Finding.LABEL, f"the trace is invalid: {error}"
        return
    answer, values = found.answer, found.story.values
    if execution.answer != answer:
        yield (
            Finding.LABEL,
            f"the answer {format_number(answer)} disagrees with the trace, which gives "
            f"{format_number(execution.answer)}; mend the one that the words do not say",
        )
    if not 0 < answer <= LARGEST_ANSWER:
        yield (
            Finding.POSITIVE,
            f"the answer {format_number(answer)} is not from 1 to 10**9; constrain it",
        )
    if answer.denominator != 1 and (plan.whole_answer or 100 % answer.denominator):
        yield Finding.WHOLE, _not_whole("the answer", answer, not plan.whole_answer)
    for name in plan.whole:
        if values[name].denominator != 1:
            yield Finding.WHOLE, _not_whole(name, values[name], False)
    for index, _, name, value in execution.fractions if plan.fractions else ():
        loose = name in found.wording.subtraces[index].fractional[naming]
        if not loose or 100 % value.denominator:
            yield Finding.WHOLE, _not_whole(name, value, loose)
    yield from ungrounded(plan, found)
    if leftover(found.question):
        yield Finding.PLACEHOLDER, "a placeholder or bracket is left in the question"


def _not_whole(name: str, value: Number, loose: bool) -> str:
    limit = "has more than two decimals" if loose else "is not whole (declare it in fractional?)"
    return f"{name} = {format_number(value)} {limit}"


def ungrounded(plan: Plan, found: Realisation) -> Iterator[tuple[Finding, str]]:
    """The trace's numbers that the question neither gives nor implies by a declared constant."""
    # The cheapest evidence first: figures as they are printed, phrases, figures read, words.
    question = found.question
    doubtful = [n for n in trace_numbers(found.trace.subtraces) if not plainly_printed(n, question)]
    if not doubtful:
        return
    text = question.lower()
    implied = plan.implied_by
    doubtful = [
        n
        for n in doubtful
        if not plainly_spelled(n, text) and not any(p in text for p in implied.get(n, ()))
    ]
    if not doubtful:
        return
    given = figures_in(question)
    doubtful = [n for n in doubtful if n not in given]
    if not doubtful:
        return
    spelled = spelled_in(text)
    for number in doubtful:
        if number not in spelled:
            shown = format_number(number)
            yield (
                Finding.GROUNDING,
                f"the number {shown} of the trace is not in the question; show it there or "
                "declare it in constants",
            )


_LEFTOVER = re.compile(r"[${}\[\]|](?![0-9])")


def leftover(question: str) -> bool:
    """Whether a mark of the template language is left in a question; ``$5`` is money."""
    # Looking for one sign at a time is a tenth of the pattern's cost, and mostly enough.
    for mark in "${}[]|":
        if mark in question:
            return _LEFTOVER.search(question) is not None
    return False
