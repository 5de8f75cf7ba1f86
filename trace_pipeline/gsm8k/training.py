"""Converted problems as training data: checked against the test set, split, chosen, varied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from trace_pipeline.experiment import Gsm8kConfig
from trace_pipeline.generation import Example
from trace_pipeline.generation.randomness import fingerprint
from trace_pipeline.gsm8k.conversion import (
    Conversion,
    ConversionReport,
    Fixed,
    Policy,
    Variant,
    contrasts,
    convert,
    variant_maker,
)
from trace_pipeline.gsm8k.loading import few_shot_problems
from trace_pipeline.gsm8k.overlap import Overlap, find_overlaps, normalised_words
from trace_pipeline.gsm8k.problem import ProblemSet
from trace_pipeline.gsm8k.splits import drop_overlaps, part_of
from trace_pipeline.traces import render_trace

ORIGINAL = "gsm8k/original"
VARIANT = "gsm8k/variant"
CONTRAST = "gsm8k/contrast"
"""What stands in place of a schema's id in examples made from real problems."""

SHOTS = 8
"""Solved problems kept for few-shot prompts."""
SHOT_CHARACTERS = 700
"""Question and trace of a solved problem for a prompt: eight of them fit 2,048 tokens."""


class Shown(Struct, frozen=True):
    """A solved training problem, for a prompt."""

    question: str
    trace: str
    """Canonical YAML text."""


class TrainingTraces(Struct, frozen=True, kw_only=True):
    """What the training problems give, and what was left out on the way."""

    report: ConversionReport
    """Every problem that overlaps with no test question, converted or failed."""
    overlap: Overlap
    """Problems that were dropped because they overlap with a test question."""
    train: tuple[Example, ...]
    """The originals that are trained on."""
    variants: tuple[Example, ...]
    """The same with other numbers."""
    contrasts: tuple[Example, ...]
    """The same with one relation turned round, and other numbers after the first of a kind."""
    validation: tuple[Example, ...]
    """Sure conversions of the validation part, for choices."""
    available: int
    """Sure conversions of the train part, of which ``train`` are the first asked for."""
    unvaried: dict[Fixed, int]
    """Originals without variants, by reason."""
    dropped_variants: int
    """Variants and contrasts that overlap with a test question or repeat one of ours."""
    shots: tuple[Shown, ...]
    """Solved problems of the train part for few-shot prompts."""

    @property
    def examples(self) -> tuple[Example, ...]:
        """All that is trained on."""
        return self.train + self.variants + self.contrasts


def training_traces(
    problems: ProblemSet, test_questions: Sequence[str], config: Gsm8kConfig, seed: int = 0
) -> TrainingTraces:
    """Convert ``problems`` and choose what to train on.

    Which problems are chosen depends on a hash of seed and question: the first thousand are
    among the first two thousand, whatever the file's order.

    Args:
        problems: The training problems; their solutions are annotated.
        test_questions: Whatever overlaps with one of these is dropped.
        config: How many problems and variants, which policy, how sure.
        seed: Of the choice and of the variants' numbers.
    """
    kept, overlap = drop_overlaps(problems.problems, test_questions)
    report = convert(kept, Policy(config.policy), problems.rejected)
    sure = sorted(
        (c for c in report.conversions if c.confidence >= config.min_confidence),
        key=lambda c: fingerprint("gsm8k-order", seed, *normalised_words(c.question)),
    )
    ours = [c for c in sure if part_of(c.question) == "train"]
    validation = [c for c in sure if part_of(c.question) == "validation"]
    chosen = ours if config.train == "all" else ours[: config.train]
    made, unvaried = _variants(chosen, config.variants, seed)
    turned = _contrasts(chosen, config.contrasts, Policy(config.policy), seed)
    taken = {conversion.question for conversion in validation}
    variants = _clean(made, test_questions, taken)
    taken |= {conversion.question for conversion in chosen}
    others = _clean(turned, test_questions, taken)
    return TrainingTraces(
        report=report,
        overlap=overlap,
        train=tuple(_example(c, ORIGINAL, c.index, "train") for c in chosen),
        variants=tuple(_numbered(variants, VARIANT)),
        contrasts=tuple(_numbered(others, CONTRAST)),
        validation=tuple(_example(c, ORIGINAL, c.index, "validation") for c in validation),
        available=len(ours),
        unvaried=dict(unvaried),
        dropped_variants=len(made) + len(turned) - len(variants) - len(others),
        shots=_shots(problems, ours),
    )


def _variants(
    conversions: Iterable[Conversion], count: int, seed: int
) -> tuple[list[Variant], Counter[Fixed]]:
    made: list[Variant] = []
    unvaried: Counter[Fixed] = Counter()
    for conversion in conversions if count else ():
        maker = variant_maker(conversion)
        if isinstance(maker, Fixed):
            unvaried[maker] += 1
        else:
            made += maker.make(count, seed)
    return made, unvaried


def _contrasts(
    conversions: Iterable[Conversion], count: int, policy: Policy, seed: int
) -> list[Variant]:
    """Up to ``count`` contrasts of each: with the numbers as they are, then with others."""
    made: list[Variant] = []
    for conversion in conversions if count else ():
        turned = contrasts(conversion, policy)
        made += [Variant(c.index, c.question, c.trace, c.answer) for c in turned[:count]]
        left = count - len(turned)
        for place, contrast in enumerate(turned if left > 0 else ()):
            maker = variant_maker(contrast)
            if not isinstance(maker, Fixed):
                share = (left - place + len(turned) - 1) // len(turned)
                made += maker.make(share, seed)
    return made


def _clean(
    made: Sequence[Variant], test_questions: Sequence[str], taken: set[str]
) -> list[Variant]:
    """Those that overlap with no test question and are not in ``taken``, which they go into."""
    near = set(find_overlaps([variant.question for variant in made], test_questions).train_indices)
    clean = []
    for position, variant in enumerate(made):
        if position not in near and variant.question not in taken:
            taken.add(variant.question)
            clean.append(variant)
    return clean


def _numbered(variants: Iterable[Variant], kind: str) -> Iterator[Example]:
    for position, variant in enumerate(variants):
        yield _example(variant, kind, position, "train")


def _example(solved: Conversion | Variant, schema: str, index: int, split: str) -> Example:
    return Example(
        question=solved.question,
        trace=solved.trace,
        answer=solved.answer,
        expert=solved.trace.expert,
        schema=schema,
        index=index,
        split=split,
    )


def _shots(problems: ProblemSet, conversions: Iterable[Conversion]) -> tuple[Shown, ...]:
    if not problems.is_gsm8k:
        return tuple(Shown(s.problem.question, s.trace) for s in few_shot_problems()[:SHOTS])
    found = []
    for conversion in conversions:
        shown = Shown(conversion.question, render_trace(conversion.trace))
        if conversion.confidence == 1 and len(shown.question + shown.trace) <= SHOT_CHARACTERS:
            found.append(shown)
        if len(found) == SHOTS:
            break
    return tuple(found)
