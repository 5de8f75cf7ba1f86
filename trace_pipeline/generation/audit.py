"""The audit: many samples of every schema, judged by rules that need no trust in the engine."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from trace_pipeline.experiment import DEFAULT_MIX
from trace_pipeline.generation.catalog import Catalog
from trace_pipeline.generation.diversity import Diversity, measure_diversity
from trace_pipeline.generation.findings import Finding, GenerationError
from trace_pipeline.generation.generator import SPLITS, Generator, split_of
from trace_pipeline.generation.lint import lint, question_count
from trace_pipeline.generation.plan import Plan, Wording
from trace_pipeline.generation.realisation import Realisation, faults
from trace_pipeline.generation.semantics import (
    Relation,
    UnderivableError,
    contradictions,
    derive_answer,
)
from trace_pipeline.generation.structure import broken_rules
from trace_pipeline.traces import TraceError, format_number, parse_trace, render_trace
from trace_pipeline.traces.numbers import Number

EXAMPLES_KEPT = 3
"""Findings quoted per schema and class."""


MOST_DUPLICATES = 0.1
"""Share of a schema's samples that may repeat an earlier question before it counts as narrow."""
_REMEMBERED = 8192
"""Wordings whose judgement is remembered: a few catalogues of them."""
_SHARE_SAMPLES = 100
"""Examples per schema of the allocation that shows whether the mix reaches every schema."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long examples are for a model, and how long they may be; all in tokens."""

    prompt: Callable[[str], int]
    """Of a question's whole prompt."""
    target: Callable[[str], int]
    """Of a trace's text with its end."""
    max_len: int | None
    """Prompt and target together, in training; None where longer ones are cut on purpose."""
    max_tokens: int | None
    """The target alone, in decoding; None where longer ones are clipped on purpose."""


class SchemaAudit(Struct, frozen=True, kw_only=True):
    """The findings of one schema."""

    schema: str
    samples: int
    templates: int
    duplicates: int
    """Samples whose question occurred before, among those of the same schema."""
    longest_target: int | None
    """Tokens of the longest trace; absent if no tokenizer was given."""
    longest_sequence: int | None
    """Tokens of the longest prompt and trace together."""
    findings: dict[str, int]
    """Count by class, classes without findings left out."""
    quoted: dict[str, list[str]]
    """The first findings of each class."""


class AuditReport(Struct, frozen=True, kw_only=True):
    """The findings of every schema."""

    seed: int
    samples: int
    """Samples per schema."""
    rows: list[SchemaAudit]
    unused_vocabulary: list[str]
    """Vocabulary paths that no schema draws from."""
    max_len: int | None
    """The limit for ``longest_sequence``; absent if there is none or no tokenizer was given."""
    max_tokens: int | None
    """The limit for ``longest_target``, likewise."""
    diversity: Diversity | None
    """Of a balanced dataset, if it was asked for."""

    @property
    def ok(self) -> bool:
        """Whether nothing was found: in a schema, in the vocabulary, in the dataset's diversity."""
        found = any(row.findings for row in self.rows) or self.unused_vocabulary
        return not found and not (self.diversity and self.diversity.shortfalls())

    @property
    def longest_target(self) -> int:
        """Tokens of the longest trace that was measured."""
        return max((row.longest_target or 0 for row in self.rows), default=0)

    @property
    def longest_sequence(self) -> int:
        """Tokens of the longest prompt and trace that were measured."""
        return max((row.longest_sequence or 0 for row in self.rows), default=0)

    def to_table(self) -> str:
        """A plain text table, one line a schema, followed by what was found."""
        width = max(len(row.schema) for row in self.rows)
        lines = [f"{'schema':{width}}  samples  templates  duplicates  trace  tokens  findings"]
        for row in self.rows:
            found = ", ".join(f"{kind} {count}" for kind, count in row.findings.items()) or "none"
            lines.append(
                f"{row.schema:{width}}  {row.samples:7}  {row.templates:9}  "
                f"{row.duplicates:10}  {row.longest_target or '-':>5}  "
                f"{row.longest_sequence or '-':>6}  {found}"
            )
        for row in self.rows:
            for kind, quotes in row.quoted.items():
                lines += [f"{row.schema}: {kind}: {quote}" for quote in quotes]
        lines += [f"vocabulary {path}: no schema draws from it" for path in self.unused_vocabulary]
        count = sum(sum(row.findings.values()) for row in self.rows)
        lines += [
            "",
            f"{sum(row.samples for row in self.rows)} examples of {len(self.rows)} schemas, "
            f"{count} findings",
        ]
        if self.longest_target:
            lines.append(
                f"longest trace {self.longest_target} tokens, decoding takes "
                f"{self.max_tokens or 'any length'}; with its prompt {self.longest_sequence}, "
                f"training takes {self.max_len or 'any length'}"
            )
        if self.diversity is not None:
            lines += ["", self.diversity.to_table()]
        return "\n".join(lines)

    def to_json(self) -> str:
        """The report as JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2).decode()


def audit(
    source: Catalog | Generator,
    samples: int = 200,
    seed: int = 0,
    lengths: Lengths | None = None,
    *,
    measured: Collection[str] | None = None,
    diversity: bool = False,
) -> AuditReport:
    """Judge ``samples`` examples of every schema, spread over its splits and templates.

    Args:
        source: A catalogue, or a generator whose options and schemas are to be judged.
        samples: Examples per schema.
        seed: Seed of the examples, where a catalogue is given.
        lengths: The model's measure and limits; lengths are not judged without.
        measured: Ids of the schemas whose lengths are judged, all when absent: those that an
            experiment uses.
        diversity: Whether to hold a balanced dataset against the floors of ``diversity`` too.
    """
    generator = source if isinstance(source, Generator) else Generator(source, seed)
    experts = {plan.expert for plan in generator.plans.values()}
    mix = {expert: weight for expert, weight in DEFAULT_MIX.items() if expert in experts}
    shares = generator.quotas(_SHARE_SAMPLES * len(generator.plans), mix)
    rows = [
        _audit_schema(
            plan,
            generator,
            samples,
            lengths if measured is None or plan.id in measured else None,
            reached=shares.get(plan.id, 0) > 0,
        )
        for plan in generator.plans.values()
    ]
    return AuditReport(
        seed=generator.seed,
        samples=samples,
        rows=rows,
        unused_vocabulary=list(generator.catalog.unused_vocabulary),
        max_len=lengths.max_len if lengths else None,
        max_tokens=lengths.max_tokens if lengths else None,
        diversity=measure_diversity(generator.catalog, generator.seed) if diversity else None,
    )


def _audit_schema(
    plan: Plan, generator: Generator, samples: int, lengths: Lengths | None, *, reached: bool
) -> SchemaAudit:
    found: dict[str, list[str]] = {}
    questions: set[str] = set()
    longest_target = longest_sequence = 0
    if not reached:
        found[Finding.REACHABILITY] = ["the mix of experts gives it no example"]
    for wording in plan.wordings:
        for text in misread(plan, wording):
            found.setdefault(Finding.RELATION, []).append(
                f"{wording.name}: {text}: {wording.template.source!r}"
            )
    unused = {wording.name for split in SPLITS for wording in generator.wordings(plan, split)}
    for turn in range(samples):
        index, split = turn // len(SPLITS), SPLITS[turn % len(SPLITS)]
        wording = generator.wording_of(plan, index, split)
        unused.discard(wording.name)
        try:
            drawn = generator.realise(plan, wording, index, split)
        except GenerationError as error:
            found.setdefault(error.kind, []).append(str(error))
            continue
        questions.add(drawn.question)
        if lengths is not None:
            target = lengths.target(render_trace(drawn.trace))
            sequence = lengths.prompt(drawn.question) + target
            longest_target = max(longest_target, target)
            longest_sequence = max(longest_sequence, sequence)
            for text in _too_long(target, sequence, lengths):
                found.setdefault(Finding.LENGTH, []).append(f"{text}: {drawn.question!r}")
        for kind, text in judge(plan, wording, drawn, generator):
            found.setdefault(kind, []).append(f"{wording.name}: {text}: {drawn.question!r}")
        if split != "heldout" and split_of(drawn.question) != split:
            found.setdefault(Finding.SPLIT, []).append(f"not of {split}: {drawn.question!r}")
    if unused and samples >= len(plan.wordings) * len(SPLITS):
        missed = [f"no sample used {name}" for name in sorted(unused)]
        found.setdefault(Finding.REACHABILITY, []).extend(missed)
    duplicates = samples - len(questions)
    if duplicates > MOST_DUPLICATES * samples:
        found[Finding.DUPLICATE] = [f"{duplicates} of {samples} questions had occurred before"]
    return SchemaAudit(
        schema=plan.id,
        samples=samples,
        templates=len(plan.wordings),
        duplicates=duplicates,
        longest_target=longest_target if lengths else None,
        longest_sequence=longest_sequence if lengths else None,
        findings={kind: len(texts) for kind, texts in sorted(found.items())},
        quoted={kind: texts[:EXAMPLES_KEPT] for kind, texts in sorted(found.items())},
    )


def _too_long(target: int, sequence: int, lengths: Lengths) -> Iterator[str]:
    if lengths.max_tokens is not None and target > lengths.max_tokens:
        yield f"the trace has {target} tokens, decoding stops at {lengths.max_tokens}"
    if lengths.max_len is not None and sequence > lengths.max_len:
        yield f"prompt and trace have {sequence} tokens, training takes {lengths.max_len}"


def misread(plan: Plan, wording: Wording) -> list[str]:
    """Where a template's words and its declared relations disagree, whatever is drawn."""
    if not wording.relations:
        return ["the text declares no relations (docs/add-a-schema.md, What the words say)"]
    drawer = wording.drawer
    numbers = frozenset(name for name, _ in (*drawer.samplers, *drawer.derived))
    constants = tuple(sorted(plan.constants.items()))
    return list(_disagreements(wording.template.source, wording.relations, numbers, constants))


# A process that runs several experiments audits the same schemas for each; only draws differ.
@functools.lru_cache(_REMEMBERED)
def _disagreements(
    source: str,
    relations: tuple[Relation, ...],
    numbers: frozenset[str],
    constants: tuple[tuple[str, Number], ...],
) -> tuple[str, ...]:
    return tuple(contradictions(source, relations, numbers, dict(constants)))


def not_derived(plan: Plan, wording: Wording, drawn: Realisation) -> Iterator[str]:
    """Whether the answer fails to follow from the relations and the numbers that are shown."""
    if not wording.relations:
        return
    values = drawn.story.values
    shown = {name: values[name] for name in wording.template.names if name in values}
    try:
        derived = derive_answer(wording.relations, {**plan.constants, **shown})
    except UnderivableError as error:
        yield str(error)
        return
    if derived != drawn.answer:
        yield (
            f"the wording gives {format_number(derived)}, "
            f"the schema answers {format_number(drawn.answer)}"
        )


def judge(
    plan: Plan, wording: Wording, drawn: Realisation, generator: Generator
) -> Iterator[tuple[Finding, str]]:
    """Everything that is wrong with one example."""
    yield from faults(plan, drawn, generator.naming, generator.solver)
    for text in lint(drawn.question):
        yield Finding.GRAMMAR, text
    if question_count(drawn.question) != 1:
        yield Finding.QUESTION, f"{question_count(drawn.question)} questions"
    try:
        if parse_trace(render_trace(drawn.trace)) != drawn.trace:
            yield Finding.ROUND_TRIP, "the trace is another when read back"
    except TraceError as error:
        yield Finding.ROUND_TRIP, f"the trace cannot be read back: {error}"
    for text in broken_rules(drawn.trace, generator.naming):
        yield Finding.STRUCTURE, text
    for text in not_derived(plan, wording, drawn):
        yield Finding.RELATION, text
    words = [entry.forms[""] for entry in drawn.story.draws.values() if "" in entry.forms]
    if len(set(words)) < len(words):
        yield Finding.ROLES, f"one word in two roles among {words}"
