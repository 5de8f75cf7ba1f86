"""A reading written down as a trace: values in the order of reasoning, hybrid names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from trace_pipeline.gsm8k.conversion.naming import Namer
from trace_pipeline.gsm8k.conversion.nodes import (
    Apply,
    Earlier,
    Given,
    Node,
    Stated,
    World,
    facet_value,
)
from trace_pipeline.gsm8k.conversion.text import Text
from trace_pipeline.traces import Compute, Init, Query, Step, SubTrace

RESULT = "result"


class Written(Struct, frozen=True):
    """A sub-trace and where its numbers come from."""

    subtrace: SubTrace
    origins: tuple[Node | None, ...]
    """For each step the node whose number an init states; None for every other step."""


def write_subtrace(
    order: Sequence[Node],
    text: Text,
    expert: str = "arithmetic",
    names: Mapping[Node, str] | None = None,
    sources: Mapping[Node, str] | None = None,
) -> Written:
    """The sub-trace that computes ``order[-1]``, computations in the order given.

    Args:
        order: What the author computed, one after the other, the answer last.
        text: The question, from which names are taken.
        expert: Whose sub-trace it is.
        names: Names that are not to be taken from the question's nouns, and those of
            computed values that are not to be numbered.
        sources: Computed values that come from earlier sub-traces (``prev.result``).
    """
    writer = _Writer(text, order[-1], names or {}, sources or {})
    for node in order:
        writer.visit(node)
    writer.emit(Query(RESULT))
    return Written(SubTrace(expert, tuple(writer.steps)), tuple(writer.origins))


class _Writer:
    def __init__(
        self,
        text: Text,
        root: Node,
        names: Mapping[Node, str],
        sources: Mapping[Node, str],
    ) -> None:
        self.steps: list[Step] = []
        self.origins: list[Node | None] = []
        self._text = text
        self._root = root
        self._chosen = names
        self._sources = sources
        self._namer = Namer(text)
        self._names: dict[Node, str] = {}
        self._computed = 0

    def emit(self, step: Step, origin: Node | None = None) -> None:
        self.steps.append(step)
        self.origins.append(origin)

    def visit(self, node: Node) -> str:
        """Write what ``node`` needs, then ``node``; the name that holds its value."""
        if node not in self._names:
            self._names[node] = self._written(node)
        return self._names[node]

    def _written(self, node: Node) -> str:
        if node in self._sources:
            name = self._namer.plain(self._chosen.get(node, "before"))
            self.emit(Init(name, source=self._sources[node]))
            return name
        if not isinstance(node, Apply):
            return self._leaf(node)
        # Computations first: an init stands right before the operation that uses it.
        for arg in node.args:
            if isinstance(arg, Apply):
                self.visit(arg)
        names = tuple([self.visit(arg) for arg in node.args])
        self._computed += 1
        if node == self._root:
            name = RESULT
        elif node in self._chosen:
            name = self._namer.plain(self._chosen[node])
        else:
            name = f"step{self._computed}"
        self.emit(Compute(node.op, names, name))
        return name

    def _leaf(self, node: Node) -> str:
        match node:
            case Given():
                value = facet_value(self._text.mentions[node.mention], node.facet)
            case World(value=value) | Stated(value=value):
                pass
            case Apply() | Earlier():
                raise ValueError(f"{type(node).__name__} is no leaf")
        if node in self._chosen:
            name = self._namer.plain(self._chosen[node])
        elif isinstance(node, Given):
            name = self._namer.given(node)
        else:
            name = self._namer.plain(node.name if isinstance(node, World) else "value")
        self.emit(Init(name, value), node)
        return name
