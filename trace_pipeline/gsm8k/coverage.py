"""Which real problems our schemas cover: their computation graphs compared by shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from trace_pipeline.generation import Example
from trace_pipeline.gsm8k.conversion.conversion import Conversion
from trace_pipeline.gsm8k.conversion.mentions import Form
from trace_pipeline.solver.graph import Graph, computation_graph
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


class Covered(Struct, frozen=True):
    """One problem against the schemas."""

    index: int
    coverage: Coverage
    shape: str
    operations: int
    nearest: tuple[str, ...]
    """Schemas that compute the same, the same shape, or the largest part of it."""
    gaps: frozenset[Gap]


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

    def uncovered_shapes(self, most: int = 20) -> list[tuple[str, int]]:
        """The most frequent shapes that no schema has, with the number of problems of each."""
        counts = Counter(
            problem.shape
            for problem in self.problems
            if problem.coverage in (Coverage.PARTIAL, Coverage.NONE, Coverage.STRUCTURAL)
        )
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]


class ShapeCatalogue:
    """The shapes of the schemas, learnt from a few examples of each."""

    def __init__(self, examples: Iterable[Example]) -> None:
        self._full: dict[str, set[str]] = {}
        self._skeletons: dict[str, set[str]] = {}
        self._parts: dict[str, set[str]] = {}
        for example in examples:
            graph = computation_graph(example.trace)
            _learn(self._full, shape(graph), example.schema)
            _learn(self._skeletons, skeleton(graph), example.schema)
            for part in _large_parts(graph):
                _learn(self._parts, part, example.schema)

    def classify(self, conversion: Conversion) -> Covered:
        """How much of ``conversion`` the schemas have."""
        graph = computation_graph(conversion.trace)
        own = shape(graph)
        coverage, nearest = self._covered(graph, own)
        return Covered(
            conversion.index,
            coverage,
            own,
            graph.operations(graph.root),
            tuple(sorted(nearest)),
            _gaps(conversion),
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


def coverage(conversions: Iterable[Conversion], examples: Iterable[Example]) -> CoverageReport:
    """Classify every problem.

    Args:
        conversions: The problems' reference traces.
        examples: A few of every schema.
    """
    catalogue = ShapeCatalogue(examples)
    return CoverageReport(tuple(catalogue.classify(conversion) for conversion in conversions))


def _learn(table: dict[str, set[str]], key: str, schema: str) -> None:
    table.setdefault(key, set()).add(schema)


def _large_parts(graph: Graph) -> list[str]:
    """Shapes of the results on the way to the root, the smallest first, the root left out."""
    inside = set(graph.parts(graph.root)) - {graph.root}
    steps = [step for step in dict.fromkeys(graph.steps) if step in inside]
    sized = sorted((graph.operations(step), step) for step in steps)
    return [shape(graph, step) for size, step in sized if size >= LEAST_PART]


def _gaps(conversion: Conversion) -> frozenset[Gap]:
    found: set[Gap] = set()
    steps = [step for part in conversion.trace.subtraces for step in part.steps]
    inits = [step for step in steps if isinstance(step, Init) and step.value is not None]
    percent = any(mention.form is Form.PERCENT for mention in conversion.text.mentions)
    computed = [step for step in steps if not isinstance(step, Init | Query)]
    if percent and len(computed) > 1:
        found.add(Gap.COMPOSITION)
    if is_interleaved(conversion.trace):
        found.add(Gap.INTERLEAVED)
    if len(inits) >= 3:
        found.add(Gap.MANY_INITS)
    if len(steps) > LONG_CHAIN:
        found.add(Gap.LONG)
    if any(not isinstance(step.value, int) for step in inits) or any(
        mention.form in (Form.FRACTION, Form.MIXED, Form.PART)
        for mention in conversion.text.mentions
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
