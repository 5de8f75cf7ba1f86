"""A reading written down as a trace: values in the order of reasoning, hybrid names."""

from __future__ import annotations

from collections.abc import Sequence

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
from trace_pipeline.gsm8k.conversion.sources import Text
from trace_pipeline.traces import Compute, Init, Query, Step

RESULT = "result"


class Written(Struct, frozen=True):
    """The steps of one program and the node behind each init and computation."""

    steps: tuple[Step, ...]
    nodes: tuple[Node | None, ...]
    """One for each step; None for the query."""


def write_steps(order: Sequence[Node], text: Text) -> Written:
    """The program that computes ``order[-1]``, computations in the order given.

    Args:
        order: What the author computed, one after the other, the answer last.
        text: The question, from which names are taken.
    """
    writer = _Writer(text, order[-1])
    for node in order:
        writer.visit(node)
    writer.emit(Query(RESULT), None)
    return Written(tuple(writer.steps), tuple(writer.nodes))


class _Writer:
    def __init__(self, text: Text, root: Node) -> None:
        self.steps: list[Step] = []
        self.nodes: list[Node | None] = []
        self._text = text
        self._root = root
        self._namer = Namer(text)
        self._names: dict[Node, str] = {}

    def emit(self, step: Step, node: Node | None) -> None:
        self.steps.append(step)
        self.nodes.append(node)

    def visit(self, node: Node) -> str:
        """Write what ``node`` needs, then ``node``; the name that holds its value."""
        if node in self._names:
            return self._names[node]
        if isinstance(node, Apply):
            # Computations first: an init stands right before the operation that uses it.
            for arg in node.args:
                if isinstance(arg, Apply):
                    self.visit(arg)
            names = tuple([self.visit(arg) for arg in node.args])
            computed = sum(isinstance(step, Compute) for step in self.steps) + 1
            name = RESULT if node == self._root else f"step{computed}"
            self.emit(Compute(node.op, names, name), node)
        else:
            name = self._leaf(node)
        self._names[node] = name
        return name

    def _leaf(self, node: Node) -> str:
        match node:
            case Given():
                mention = self._text.mentions[node.mention]
                name, value = self._namer.given(node), facet_value(mention, node.facet)
            case World(value=value):
                name = self._namer.plain(node.name)
            case Stated(value=value):
                name = self._namer.plain("value")
            case Apply() | Earlier():
                raise ValueError(f"{type(node).__name__} is no leaf")
        self.emit(Init(name, value), node)
        return name
