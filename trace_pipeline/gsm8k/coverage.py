"""Which real problems our schemas cover: their computation graphs compared by shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from trace_pipeline.generation import Example
from trace_pipeline.gsm8k.conversion.mentions import Form, find_mentions, tokenize
from trace_pipeline.solver.graph import LEAF, Graph, computation_graph
from trace_pipeline.solver.graph_shape import shape, skeleton
from trace_pipeline.traces import Init, Query, Trace

LEAST_PART = 2
"""Operations of a part that counts as covered: every problem has some single product."""
LONG_CHAIN = 6
"""Steps above which the notebook calls a chain long (NOTEBOOK, run 6, gap analysis)."""


class Coverage(StrEnum):
    """How much of a problem's computation a schema has (NOTEBOOK, run 6)."""

    FULL = "full"
    """A schema computes the same."""
    STRUCTURAL = "structural"
    """A schema has the same shape with other operations."""
    PARTIAL = "partial"
    """A schema computes a part of it, or it is a part of what a schema computes."""
    NONE = "none"


class Gap(StrEnum):
    """What a problem asks for that the first schemas lacked (NOTEBOOK, run 6)."""

    COMPOSITION = "composition"
    """A percentage beside other operations: two experts."""
    INTERLEAVED = "interleaved inits"
    MANY_INITS = "3+ inits"
    LONG = "chains over 6 steps"
    DECIMALS = "decimals and fractions"


class Solved(Protocol):
    """A problem with its reference trace; a conversion is one, stored or not."""

    @property
    def index(self) -> int:
        """Its position in its file."""

    @property
    def question(self) -> str:
        """As written."""

    @property
    def trace(self) -> Trace:
        """What computes its answer."""


class Covered(Struct, frozen=True):
    """One problem against the schemas."""

    index: int
    coverage: Coverage
    shape: str
    operations: int
    nearest: tuple[str, ...]
    """Schemas that compute the same, the same shape, or the largest part of it."""
    gaps: frozenset[Gap]
    alike: tuple[str, ...] = ()
    """Where ``nearest`` is empty: the schemas that share most of its operations."""

    @property
    def closest(self) -> tuple[str, ...]:
        """The nearest schemas, else those most alike."""
        return self.nearest or self.alike


class CoverageReport(Struct, frozen=True):
    """All problems against the schemas."""

    problems: tuple[Covered, ...]

    def counts(self) -> dict[Coverage, int]:
        """Problems by coverage, every class included."""
        counts = Counter(problem.coverage for problem in self.problems)
        return {coverage: counts[coverage] for coverage in Coverage}

    def gap_counts(self) -> dict[Gap, int]:
        """Problems by gap; one problem can have several."""
        counts = Counter(gap for problem in self.problems for gap in problem.gaps)
        return {gap: counts[gap] for gap in Gap}

    def chain_lengths(self) -> dict[int, int]:
        """Problems by number of operations, in order."""
        return dict(sorted(Counter(problem.operations for problem in self.problems).items()))

    def nearest_counts(self) -> dict[str, dict[Coverage, int]]:
        """For each schema that is closest to some problem, how many by coverage; most first."""
        counts: dict[str, Counter[Coverage]] = {}
        for problem in self.problems:
            for schema in problem.closest:
                counts.setdefault(schema, Counter())[problem.coverage] += 1
        ordered = sorted(counts.items(), key=lambda item: (-item[1].total(), item[0]))
        return {schema: {c: by[c] for c in Coverage} for schema, by in ordered}

    def uncovered_shapes(self, most: int = 20) -> list[tuple[str, int]]:
        """The most frequent shapes that no schema has, with the number of problems of each."""
        return [(group[0].shape, len(group)) for group in self.uncovered(most)]

    def uncovered(self, most: int = 20) -> list[list[Covered]]:
        """The problems of each of the most frequent shapes that no schema has."""
        groups: dict[str, list[Covered]] = {}
        for problem in self.problems:
            if problem.coverage is not Coverage.FULL:
                groups.setdefault(problem.shape, []).append(problem)
        return sorted(groups.values(), key=lambda group: (-len(group), group[0].shape))[:most]


class ShapeCatalogue:
    """The shapes of the schemas, learnt from a few examples of each."""

    def __init__(self, examples: Iterable[Example]) -> None:
        self._full: dict[str, set[str]] = {}
        self._skeletons: dict[str, set[str]] = {}
        self._parts: dict[str, set[str]] = {}
        self._operations: dict[frozenset[tuple[str, int]], set[str]] = {}
        self._alike: dict[frozenset[tuple[str, int]], set[str]] = {}
        for example in examples:
            graph = computation_graph(example.trace)
            self._operations.setdefault(_operations(graph), set()).add(example.schema)
            _learn(self._full, shape(graph), example.schema)
            _learn(self._skeletons, skeleton(graph), example.schema)
            for part in _large_parts(graph):
                _learn(self._parts, part, example.schema)

    def classify(self, problem: Solved) -> Covered:
        """How much of ``problem`` the schemas have."""
        graph = computation_graph(problem.trace)
        own = shape(graph)
        coverage, nearest = self._covered(graph, own)
        return Covered(
            problem.index,
            coverage,
            own,
            graph.operations(graph.root),
            tuple(sorted(nearest)),
            _gaps(problem),
            () if nearest else tuple(sorted(self._most_alike(_operations(graph)))),
        )

    def _covered(self, graph: Graph, own: str) -> tuple[Coverage, set[str]]:
        if own in self._full:
            return Coverage.FULL, self._full[own]
        bones = skeleton(graph)
        if bones in self._skeletons:
            return Coverage.STRUCTURAL, self._skeletons[bones]
        if own in self._parts:
            return Coverage.PARTIAL, self._parts[own]
        for part in reversed(_large_parts(graph)):
            if part in self._full:
                return Coverage.PARTIAL, self._full[part]
        return Coverage.NONE, set()

    def _most_alike(self, operations: frozenset[tuple[str, int]]) -> set[str]:
        """The schemas that share most operations, of all that either has (Jaccard)."""
        if operations not in self._alike:
            best, nearest = 0.0, set[str]()
            for others, schemas in self._operations.items():
                both = len(operations & others) / len(operations | others)
                if both > best:
                    best, nearest = both, set()
                if both == best and both:
                    nearest |= schemas
            self._alike[operations] = nearest
        return self._alike[operations]


def coverage(problems: Iterable[Solved], examples: Iterable[Example]) -> CoverageReport:
    """Classify every problem.

    Args:
        problems: With their reference traces.
        examples: A few of every schema.
    """
    catalogue = ShapeCatalogue(examples)
    return CoverageReport(tuple(map(catalogue.classify, problems)))


def _operations(graph: Graph) -> frozenset[tuple[str, int]]:
    """The operations that the root takes as a multiset: each with its number of occurrence.

    A sum tells what it adds from what it subtracts, a product what it divides by.
    """
    seen: Counter[str] = Counter()
    found = set()
    for part in graph.parts(graph.root):
        term = graph.terms[part]
        if term.op == LEAF:
            continue
        forward = max(len(term.args) - 1, not term.inverse)
        for name in [term.op] * forward + [f"{term.op} inverse"] * len(term.inverse):
            found.add((name, seen[name]))
            seen[name] += 1
    return frozenset(found)


def _learn(table: dict[str, set[str]], key: str, schema: str) -> None:
    table.setdefault(key, set()).add(schema)


def _large_parts(graph: Graph) -> list[str]:
    """Shapes of the results on the way to the root, the smallest first, the root left out."""
    inside = set(graph.parts(graph.root)) - {graph.root}
    steps = [step for step in dict.fromkeys(graph.steps) if step in inside]
    sized = sorted((graph.operations(step), step) for step in steps)
    return [shape(graph, step) for size, step in sized if size >= LEAST_PART]


def _gaps(problem: Solved) -> frozenset[Gap]:
    found: set[Gap] = set()
    mentions = find_mentions(tokenize(problem.question))
    steps = [step for part in problem.trace.subtraces for step in part.steps]
    inits = [step for step in steps if isinstance(step, Init) and step.value is not None]
    percent = any(mention.form is Form.PERCENT for mention in mentions)
    computed = [step for step in steps if not isinstance(step, Init | Query)]
    if percent and len(computed) > 1:
        found.add(Gap.COMPOSITION)
    if is_interleaved(problem.trace):
        found.add(Gap.INTERLEAVED)
    if len(inits) >= 3:
        found.add(Gap.MANY_INITS)
    if len(steps) > LONG_CHAIN:
        found.add(Gap.LONG)
    if any(not isinstance(step.value, int) for step in inits) or any(
        mention.form in (Form.FRACTION, Form.MIXED, Form.PART) for mention in mentions
    ):
        found.add(Gap.DECIMALS)
    return frozenset(found)


def is_interleaved(trace: Trace) -> bool:
    """Whether a number is read after a computation."""
    for part in trace.subtraces:
        computed = False
        for step in part.steps:
            if isinstance(step, Init) and computed:
                return True
            computed = computed or not isinstance(step, Init)
    return False
