"""Planted mistakes: gold traces with one fault of a known class, one mutator for each class."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from benchmarks import form_mutations, mutations
from benchmarks.mutations import Gold
from trace_pipeline.evaluation.diagnosis import Diagnosis
from trace_pipeline.solver import Solver, VerdictKind
from trace_pipeline.traces import Trace, render_trace

Mutator = Callable[[Gold, random.Random], Trace | str | None]

MUTATORS: Mapping[Diagnosis, Mutator] = {
    Diagnosis.NUMBER_MISSING: mutations.number_missing,
    Diagnosis.NUMBER_INVENTED: mutations.number_invented,
    Diagnosis.NUMBER_MISREAD: mutations.number_misread,
    Diagnosis.MISSING_LAST_STEP: mutations.missing_last_step,
    Diagnosis.TRUNCATED_CHAIN: mutations.truncated_chain,
    Diagnosis.WRONG_OPERATION: mutations.wrong_operation,
    Diagnosis.WRONG_WIRING: mutations.wrong_wiring,
    Diagnosis.REPEATED_SUBTRACE: form_mutations.repeated_subtrace,
    Diagnosis.OVERWRITTEN_VARIABLE: form_mutations.overwritten_variable,
    Diagnosis.FOREIGN_OP: form_mutations.foreign_op,
    Diagnosis.CLIPPED: form_mutations.clipped,
    Diagnosis.OTHER_INVALID: form_mutations.other_invalid,
    Diagnosis.PARSE_FAIL: form_mutations.parse_fail,
}


class Mutant(Struct, frozen=True):
    """A completion with one planted mistake."""

    gold: Gold
    text: str
    planted: Diagnosis

    @property
    def clipped(self) -> bool:
        """Whether the token budget is said to have ended it."""
        return self.planted is Diagnosis.CLIPPED


def plant(
    golds: Iterable[Gold], planted: Diagnosis, count: int, seed: int = 0
) -> tuple[list[Mutant], int]:
    """``count`` mutants of one class, at most one a problem, and how many were still right.

    A mutant that the solver calls correct has no mistake and is left out.
    """
    rng = random.Random(f"{seed} {planted}")
    solver = Solver()
    found: list[Mutant] = []
    right = 0
    for gold in golds:
        if len(found) == count:
            break
        made = MUTATORS[planted](gold, rng)
        if made is None:
            continue
        text = made if isinstance(made, str) else render_trace(made)
        if solver.verify(text, gold.answer, gold.expert).kind is VerdictKind.CORRECT:
            right += 1
            continue
        found.append(Mutant(gold, text, planted))
    return found, right
