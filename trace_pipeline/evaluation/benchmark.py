"""What is evaluated: real problems and synthetic examples in one form."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from trace_pipeline.generation import Example
from trace_pipeline.gsm8k import Problem, ProblemSet
from trace_pipeline.gsm8k.conversion import Conversion, convert_problem
from trace_pipeline.gsm8k.coverage import ShapeCatalogue
from trace_pipeline.traces import Init, Number, Query, Trace, render_trace


class BenchmarkKind(StrEnum):
    """Where the problems of a benchmark are from."""

    GSM8K = "gsm8k"
    BUILTIN = "builtin"
    """The built-in sample in GSM-8K's format."""
    SYNTHETIC = "synthetic"


class Item(Struct, frozen=True):
    """One problem to be answered."""

    index: int
    """Line of a real problem in its file, or position among the synthetic examples, from 0."""
    question: str
    gold: Number
    expert: str | None
    """The expert that must answer (synthetic problems); None where any may."""
    steps: int
    """Annotated calculations, or computing steps of the reference trace; 0 if unknown."""
    reference: str
    """The author's solution, or the reference trace in YAML."""
    traces: tuple[Trace, ...] = ()
    """Traces that solve it: one, several where the author's solution can be read in several
    ways, none where it could not be converted."""
    coverage: str | None = None
    """How much of it the experiment's schemas compute; None if that is unknown."""


class Benchmark(Struct, frozen=True, kw_only=True):
    """Problems to be answered and where they come from."""

    name: str
    """What reports call it: ``GSM-8K test``, ``built-in sample``, ``synthetic test``."""
    kind: BenchmarkKind
    source: str
    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()

    @property
    def questions(self) -> list[str]:
        """The questions in order, as written."""
        return [item.question for item in self.items]

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 of the problems, as :attr:`Evaluation.fingerprint` has it."""
        return fingerprint((item.index, item.question, item.gold) for item in self.items)

    def first(self, count: int) -> Benchmark:
        """The same benchmark with its first ``count`` problems only, which its notes say."""
        if count >= len(self.items):
            return self
        note = f"only the first {count} of {len(self.items):,} problems were answered"
        return replace(self, items=self.items[:count], notes=(*self.notes, note))


def fingerprint(problems: Iterable[tuple[int, str, Number]]) -> str:
    """Hex SHA-256 of problems: index, question and gold of each, in order."""
    digest = hashlib.sha256()
    for index, question, gold in problems:
        digest.update(f"{index}\0{question}\0{gold}\0".encode())
    return digest.hexdigest()


def real_benchmark(problems: ProblemSet) -> Benchmark:
    """Real problems (or the built-in sample) as a benchmark."""
    return Benchmark(
        name=problems.name,
        kind=BenchmarkKind.GSM8K if problems.is_gsm8k else BenchmarkKind.BUILTIN,
        source=problems.source,
        items=tuple(
            Item(p.index, p.question, p.gold, None, p.steps, p.solution) for p in problems.problems
        ),
        notes=problems.notes,
    )


def synthetic_benchmark(
    examples: Sequence[Example], name: str = "synthetic test", source: str = "generated examples"
) -> Benchmark:
    """Synthetic examples as a benchmark whose experts are known."""
    return Benchmark(
        name=name,
        kind=BenchmarkKind.SYNTHETIC,
        source=source,
        items=tuple(
            Item(
                position,
                example.question,
                example.answer,
                example.expert,
                computing_steps(example.trace),
                render_trace(example.trace),
                (example.trace,),
            )
            for position, example in enumerate(examples)
        ),
    )


def with_reference_traces(
    benchmark: Benchmark, problems: Iterable[Problem], schemas: ShapeCatalogue | None = None
) -> Benchmark:
    """Real problems with the traces that their authors' solutions convert to.

    Args:
        benchmark: Problems of ``problems``.
        problems: With their solutions.
        schemas: What the model learnt from, to say how much of each problem it covers.
    """
    known = {problem.index: problem for problem in problems}
    items = []
    for item in benchmark.items:
        outcome = convert_problem(known[item.index])
        if isinstance(outcome, Conversion):
            covered = str(schemas.classify(outcome).coverage) if schemas else None
            traces = (outcome.trace, *outcome.alternatives)
            item = replace(item, traces=traces, coverage=covered)
        items.append(item)
    return replace(benchmark, items=tuple(items))


def computing_steps(trace: Trace) -> int:
    """Steps of all sub-traces that compute something: all but ``init`` and ``query``."""
    return sum(not isinstance(step, Init | Query) for sub in trace.subtraces for step in sub.steps)
