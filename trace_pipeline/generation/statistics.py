"""What a dataset holds, in the figures that the notebook judged its datasets by."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable

from msgspec import Struct

from trace_pipeline.generation.generator import Example
from trace_pipeline.generation.masking import Masker
from trace_pipeline.traces import (
    Compare,
    Compute,
    PercentIncrease,
    PercentOf,
    PercentOff,
    Query,
    SubTrace,
    render_trace,
)

OWN_ENTITY = "an entity of the story"
"""How the census counts targets such as ``ava.cards``, which were read, not computed."""

TARGETS_SHOWN = 12
"""Targets that the census names; the rest are counted together."""


_SETS = (Compute, Compare, PercentOf, PercentOff, PercentIncrease)


class Forms(Struct, frozen=True):
    """How varied the questions of one expert are."""

    examples: int
    skeletons: int
    """Distinct questions, numbers and names masked."""
    forms: int
    """Distinct questions, things masked too."""

    @property
    def per_form(self) -> float:
        """Examples per distinct question form: what a model sees of each (NOTEBOOK, run 4)."""
        return self.examples / self.forms if self.forms else 0.0


class CompositionClass(Struct, frozen=True):
    """The examples that join the same experts in the same order."""

    examples: int
    median_steps: float
    longest_steps: int
    median_tokens: float | None
    """Of the trace's text; None where no tokenizer was given."""
    longest_tokens: int | None


class DatasetStatistics(Struct, frozen=True, kw_only=True):
    """The figures of one dataset."""

    examples: int
    distinct: int
    """Distinct questions, as they stand."""
    forms: dict[str, Forms]
    """By expert, alphabetical; ``all`` is the whole dataset."""
    query_targets: dict[str, int]
    """What the last step asks for (NOTEBOOK, finding 2), the most frequent first."""
    chain_lengths: dict[int, int]
    """Examples by steps in the trace, all sub-traces together."""
    classes: dict[str, CompositionClass]
    """By the experts of the trace, joined by `` + ``; the most frequent first."""


def dataset_statistics(
    examples: Iterable[Example],
    masker: Masker,
    count_tokens: Callable[[str], int] | None = None,
) -> DatasetStatistics:
    """Count what ``examples`` hold.

    Args:
        examples: Any dataset.
        masker: Knows the names and things of the catalogue that made it.
        count_tokens: Tokens of a trace's text under the model in use, where it is at hand.
    """
    chosen = list(examples)
    forms: dict[str, list[tuple[str, str]]] = {}
    targets: Counter[str] = Counter()
    lengths: Counter[int] = Counter()
    classes: dict[str, list[tuple[int, int]]] = {}
    for example in chosen:
        skeletons = (masker.skeleton(example.question), masker.skeleton(example.question, True))
        forms.setdefault(example.expert, []).append(skeletons)
        subtraces = example.trace.subtraces
        targets[_target(subtraces[-1])] += 1
        steps = sum(len(subtrace.steps) for subtrace in subtraces)
        lengths[steps] += 1
        tokens = count_tokens(render_trace(example.trace)) if count_tokens else 0
        name = " + ".join(subtrace.expert for subtrace in subtraces)
        classes.setdefault(name, []).append((steps, tokens))
    everything = [pair for pairs in forms.values() for pair in pairs]
    return DatasetStatistics(
        examples=len(chosen),
        distinct=len({example.question for example in chosen}),
        forms={name: _forms(forms[name]) for name in sorted(forms)} | {"all": _forms(everything)},
        query_targets=_shortened(targets),
        chain_lengths=dict(sorted(lengths.items())),
        classes={
            name: _class(found, count_tokens is not None)
            for name, found in sorted(classes.items(), key=lambda item: (-len(item[1]), item[0]))
        },
    )


def _target(subtrace: SubTrace) -> str:
    last = subtrace.steps[-1]
    name = last.var if isinstance(last, Query) else ""
    computed = any(isinstance(step, _SETS) and step.var == name for step in subtrace.steps)
    return name if computed else OWN_ENTITY


def _forms(pairs: list[tuple[str, str]]) -> Forms:
    return Forms(len(pairs), len({fine for fine, _ in pairs}), len({bare for _, bare in pairs}))


def _shortened(targets: Counter[str]) -> dict[str, int]:
    ranked = sorted(targets.items(), key=lambda item: (-item[1], item[0]))
    shown = dict(ranked[:TARGETS_SHOWN])
    rest = sum(count for _, count in ranked[TARGETS_SHOWN:])
    return shown | ({f"{len(ranked) - TARGETS_SHOWN} others": rest} if rest else {})


def _class(found: list[tuple[int, int]], counted: bool) -> CompositionClass:
    steps = [step for step, _ in found]
    tokens = [token for _, token in found]
    return CompositionClass(
        examples=len(found),
        median_steps=statistics.median(steps),
        longest_steps=max(steps),
        median_tokens=statistics.median(tokens) if counted else None,
        longest_tokens=max(tokens) if counted else None,
    )
