"""Converted problems as training data: checked against the test set, split, chosen, varied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct

from trace_pipeline.experiment import Gsm8kConfig
from trace_pipeline.generation import Example
from trace_pipeline.generation.randomness import fingerprint
from trace_pipeline.gsm8k.annotations import strip_annotations
from trace_pipeline.gsm8k.conversion import (
    Conversion,
    ConversionReport,
    Fixed,
    Policy,
    Variant,
    contrasts,
    convert,
    intermediate_questions,
    variant_maker,
    with_named_results,
)
from trace_pipeline.gsm8k.loading import few_shot_problems
from trace_pipeline.gsm8k.overlap import Overlap, find_overlaps, normalised_words
from trace_pipeline.gsm8k.problem import ProblemSet
from trace_pipeline.gsm8k.splits import drop_overlaps, part_of
from trace_pipeline.traces import normalise_numbers, render_trace

ORIGINAL = "gsm8k/original"
VARIANT = "gsm8k/variant"
CONTRAST = "gsm8k/contrast"
INTERMEDIATE = "gsm8k/intermediate"
OWN = "word_problems/original"
OWN_VARIANT = "word_problems/variant"
"""What stands in place of a schema's id in examples made from real problems."""

NO_PROBLEMS = ProblemSet(
    name="none", source="none", split="train", is_gsm8k=False, problems=(), available=0
)

SHOTS = 8
"""Solved problems kept for few-shot prompts."""
SHOT_CHARACTERS = 700
"""Question and trace of a solved problem for a prompt: eight of them fit 2,048 tokens."""


class Shown(Struct, frozen=True):
    """A solved training problem, for a prompt."""

    question: str
    trace: str
    """Canonical YAML text."""


class OwnProblems(Struct, frozen=True, kw_only=True):
    """What collections of word problems give, and what was left out."""

    problems: ProblemSet
    report: ConversionReport
    overlap: Overlap
    """Problems that were dropped because they overlap with a test or a held-out question."""
    train: tuple[Example, ...] = ()
    variants: tuple[Example, ...] = ()
    unsure: tuple[Conversion, ...] = ()
    """Readings that are less sure than asked for, which are not trained on."""


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
    intermediate: tuple[Example, ...]
    """The same stories with questions for results on the way."""
    validation: tuple[Example, ...]
    """Sure conversions of the validation part, for choices."""
    available: int
    """Sure conversions of the train part, of which ``train`` are the first asked for."""
    unvaried: dict[Fixed, int]
    """Originals without variants, by reason."""
    own: OwnProblems
    """What the collections of word problems give beside them."""
    dropped_variants: int
    """Copies of any kind that overlap with a test question or repeat one of ours."""
    shots: tuple[Shown, ...]
    """Solved problems of the train part for few-shot prompts."""

    @property
    def examples(self) -> tuple[Example, ...]:
        """All that is trained on."""
        return self.train + self.copies + self.own.train + self.own.variants

    @property
    def copies(self) -> tuple[Example, ...]:
        """What is made of the originals."""
        return self.variants + self.contrasts + self.intermediate


def training_traces(
    problems: ProblemSet,
    test_questions: Sequence[str],
    config: Gsm8kConfig,
    seed: int = 0,
    own: ProblemSet = NO_PROBLEMS,
    processes: int = 1,
    progress: Callable[[int], None] = lambda done: None,
) -> TrainingTraces:
    """Convert ``problems`` and choose what to train on.

    Which problems are chosen depends on a hash of seed and question: the first thousand are
    among the first two thousand, whatever the file's order.

    Args:
        problems: The training problems; their solutions are annotated.
        test_questions: Whatever overlaps with one of these is dropped.
        config: How many problems and variants, which policy, how sure.
        seed: Of the choice and of the variants' numbers.
        own: Word problems to train on beside them.
        processes: That share the conversion; what is made is the same for any number.
        progress: Told now and then how many of ``problems`` and ``own`` are converted.
    """
    kept, overlap = drop_overlaps(problems.problems, test_questions)
    report = convert(kept, Policy(config.policy), problems.rejected, processes, progress)
    converted = len(problems.problems)
    sure = sorted(
        (c for c in report.conversions if c.confidence >= config.min_confidence),
        key=lambda c: fingerprint("gsm8k-order", seed, *normalised_words(c.question)),
    )
    ours = [c for c in sure if part_of(c.question) == "train"]
    validation = [c for c in sure if part_of(c.question) == "validation"]
    chosen = ours if config.train == "all" else ours[: config.train]
    if config.naming == "semantic":
        chosen = [with_named_results(c, Policy(config.policy)) for c in chosen]
        validation = [with_named_results(c, Policy(config.policy)) for c in validation]
    words = _explanations(problems, chosen, test_questions) if config.explanations else {}
    made, unvaried = _variants(chosen, config.variants, seed)
    turned = _rewritten(chosen, config.contrasts, contrasts, config, seed)
    asked = _rewritten(chosen, config.intermediate, intermediate_questions, config, seed)
    taken = {conversion.question for conversion in validation}
    variants = _clean(made, test_questions, taken)
    taken |= {conversion.question for conversion in chosen}
    others = _clean(turned, test_questions, taken)
    partial = _clean(asked, test_questions, taken)
    copies = len(made) + len(turned) + len(asked)
    held_out = [conversion.question for conversion in validation]
    return TrainingTraces(
        report=report,
        overlap=overlap,
        train=tuple(
            _example(c, ORIGINAL, c.index, "train", words.get(c.index, "")) for c in chosen
        ),
        variants=tuple(_numbered(variants, VARIANT)),
        contrasts=tuple(_numbered(others, CONTRAST)),
        intermediate=tuple(_numbered(partial, INTERMEDIATE)),
        validation=tuple(_example(c, ORIGINAL, c.index, "validation") for c in validation),
        available=len(ours),
        unvaried=dict(unvaried),
        own=own_traces(
            own,
            [*test_questions, *held_out],
            config,
            seed,
            processes,
            lambda done: progress(converted + done),
        ),
        dropped_variants=copies - len(variants) - len(others) - len(partial),
        shots=_shots(problems, ours),
    )


def own_traces(
    problems: ProblemSet,
    reserved: Sequence[str],
    config: Gsm8kConfig,
    seed: int,
    processes: int = 1,
    progress: Callable[[int], None] = lambda done: None,
) -> OwnProblems:
    """Convert word problems as those of GSM-8K are; what overlaps with ``reserved`` is dropped."""
    kept, overlap = drop_overlaps(problems.problems, reserved)
    report = convert(kept, Policy(config.policy), problems.rejected, processes, progress)
    sure = [c for c in report.conversions if c.confidence >= config.min_confidence]
    if config.naming == "semantic":
        sure = [with_named_results(c, Policy(config.policy)) for c in sure]
    made, _ = _variants(sure, config.variants, seed)
    variants = _clean(made, reserved, {c.question for c in sure} | set(reserved))
    return OwnProblems(
        problems=problems,
        report=report,
        overlap=overlap,
        train=tuple(_example(c, OWN, c.index, "train") for c in sure),
        variants=tuple(_numbered(variants, OWN_VARIANT)),
        unsure=tuple(c for c in report.conversions if c.confidence < config.min_confidence),
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


def _rewritten(
    conversions: Iterable[Conversion],
    count: int,
    rewrite: Callable[[Conversion, Policy], Sequence[Conversion]],
    config: Gsm8kConfig,
    seed: int,
) -> list[Variant]:
    """Up to ``count`` of what ``rewrite`` makes of each: with its numbers, then with others."""
    made: list[Variant] = []
    policy = Policy(config.policy)
    for conversion in conversions if count else ():
        turned = list(rewrite(conversion, policy))
        if config.naming == "semantic":
            turned = [with_named_results(c, policy) for c in turned]
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


def _example(
    solved: Conversion | Variant, schema: str, index: int, split: str, explanation: str = ""
) -> Example:
    return Example(
        question=solved.question,
        trace=solved.trace,
        answer=solved.answer,
        expert=solved.trace.expert,
        schema=schema,
        index=index,
        split=split,
        explanation=explanation,
    )


def _explanations(
    problems: ProblemSet, conversions: Iterable[Conversion], test_questions: Sequence[str]
) -> dict[int, str]:
    """The authors' solutions in words, by problem; without those that quote a test question."""
    solutions = {problem.index: problem.solution for problem in problems.problems}
    found = {c.index: normalise_numbers(strip_annotations(solutions[c.index])) for c in conversions}
    near = find_overlaps(list(found.values()), test_questions).train_indices
    indices = list(found)
    quoting = {indices[place] for place in near}
    return {index: words for index, words in found.items() if index not in quoting}


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
