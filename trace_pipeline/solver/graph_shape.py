"""Computation graphs compared by their shape alone: without names, values and order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from string import ascii_lowercase, ascii_uppercase

from trace_pipeline.solver.graph import LEAF, PRODUCT, SUM, Graph

_REFINEMENTS = 2
"""Rounds in which numbers are told apart by where they are used."""


def shape(graph: Graph, of: int | None = None) -> str:
    """The graph as an expression with a letter for each number: ``(a - b - c) * d``.

    Equal for two graphs that differ only in names, values and the order of what
    commutes. A computed part that is used again is named where it first stands:
    ``(A=(a + b)) * A``.

    Args:
        graph: The graph.
        of: The term to print; the root by default.
    """
    return _Printer(graph, graph.root if of is None else of, True).text()


def skeleton(graph: Graph, of: int | None = None) -> str:
    """The shape without its operations: ``((a b c) d)``."""
    return _Printer(graph, graph.root if of is None else of, False).text()


class _Printer:
    """Prints a graph in an order that depends on its shape alone."""

    def __init__(self, graph: Graph, root: int, operations: bool) -> None:
        self._graph = graph
        self._root = root
        self._operations = operations
        self._parts = graph.parts(root)
        self._uses = Counter(child for part in self._parts for child in graph.terms[part].children)
        self._keys = self._refined()
        self._names: dict[int, str] = {}
        self._letters = _letters(ascii_lowercase)
        self._capitals = _letters(ascii_uppercase)

    def text(self) -> str:
        """The whole expression."""
        return self._printed(self._root, outermost=True)

    def _refined(self) -> dict[int, str]:
        """A key for each term by which its parents order it."""
        colours = dict.fromkeys(self._parts, "")
        keys = self._hashed(colours)
        for _ in range(_REFINEMENTS):
            # What a number is used for tells it from others: (a + b) * a.
            contexts: dict[int, list[str]] = {part: [] for part in self._parts}
            contexts[self._root].append("root")
            for part in reversed(self._parts):
                own = _digest(keys[part], *sorted(contexts[part]))
                for role, child in self._roles(part):
                    contexts[child].append(_digest(own, role))
            colours = {part: _digest(*sorted(contexts[part])) for part in self._parts}
            keys = self._hashed(colours)
        return keys

    def _hashed(self, colours: dict[int, str]) -> dict[int, str]:
        keys: dict[int, str] = {}
        for part in self._parts:
            term = self._graph.terms[part]
            if term.op == LEAF:
                keys[part] = _digest("leaf", colours[part])
                continue
            operands = [_digest(role, keys[child]) for role, child in self._roles(part)]
            if self._is_unordered(term.op):
                operands.sort()
            op = term.op if self._operations else ""
            keys[part] = _digest(op, colours[part], *operands)
        return keys

    def _is_unordered(self, op: str) -> bool:
        return not self._operations or op in (SUM, PRODUCT, "min", "max")

    def _roles(self, part: int) -> list[tuple[str, int]]:
        term = self._graph.terms[part]
        if self._is_unordered(term.op):
            inverse = "-" if self._operations else "+"
            return [("+", child) for child in term.args] + [
                (inverse, child) for child in term.inverse
            ]
        return [(str(index), child) for index, child in enumerate(term.args)]

    def _printed(self, part: int, outermost: bool = False) -> str:
        if part in self._names:
            return self._names[part]
        term = self._graph.terms[part]
        if term.op == LEAF:
            self._names[part] = next(self._letters)
            return self._names[part]
        roles = self._roles(part)
        if self._is_unordered(term.op):
            roles.sort(key=self._order)
        shared = self._uses[part] > 1
        if shared:
            self._names[part] = next(self._capitals)
        text = self._joined(term.op, [(role, self._printed(child)) for role, child in roles])
        if shared:
            return f"({self._names[part]}={text})"
        return text if outermost else f"({text})"

    def _order(self, role: tuple[str, int]) -> tuple[bool, bool, str]:
        """What is added before what is subtracted, numbers before computed parts."""
        sign, child = role
        return sign == "-", self._graph.terms[child].op != LEAF, self._keys[child]

    def _joined(self, op: str, operands: list[tuple[str, str]]) -> str:
        if not self._operations:
            return " ".join(text for _, text in operands)
        if op not in (SUM, PRODUCT):
            return f"{op}({', '.join(text for _, text in operands)})"
        plus, minus = (" + ", " - ") if op == SUM else (" * ", " / ")
        first, *rest = operands
        text = first[1] if first[0] == "+" else f"{minus.strip()}{first[1]}"
        return text + "".join((plus if role == "+" else minus) + other for role, other in rest)


def _letters(alphabet: str) -> Iterator[str]:
    for number in range(10**6):
        for letter in alphabet:
            yield f"{letter}{number or ''}"


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()
