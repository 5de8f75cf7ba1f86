"""What a trace computes, apart from how it is written: its canonical computation graph.

Two traces that add the same things in another order, name them differently, split a
sum over two steps or use ``percent_of`` instead of a product have one graph. Sums and
products are unordered collections; every other operation keeps its operands in order.

A graph is a table of terms that refer to each other by position, so that a part used
many times stands in it once: the work is linear in the trace, however often it doubles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from trace_pipeline.traces import (
    AddEntity,
    Compare,
    Compute,
    Consume,
    Init,
    Number,
    PercentIncrease,
    PercentOf,
    PercentOff,
    Query,
    Step,
    SubTrace,
    Trace,
    Transfer,
)

LEAF = "leaf"
SUM = "sum"
PRODUCT = "product"


class Term(Struct, frozen=True):
    """A number that the trace states, or an operation on earlier terms of the table."""

    op: str
    """``leaf``, ``sum``, ``product``, or the name of another operation."""
    args: tuple[int, ...] = ()
    """Terms that are added or multiplied; of another operation, its operands."""
    inverse: tuple[int, ...] = ()
    """Terms that are subtracted or divided by."""
    name: str = ""
    """A leaf's name; the same name and value are the same quantity."""
    value: Number = 0
    """A leaf's number."""

    @property
    def children(self) -> tuple[int, ...]:
        """All operands."""
        return self.args + self.inverse


class Graph(Struct, frozen=True):
    """The graph of one trace."""

    terms: tuple[Term, ...]
    """Operands stand before what uses them."""
    root: int
    """The term that the trace queries."""
    steps: tuple[int, ...]
    """What each operation computes, in the order of the trace; inits are no operations."""

    def parts(self, of: int) -> list[int]:
        """The terms that ``of`` is made of, itself last."""
        wanted = {of}
        for position in range(of, -1, -1):
            if position in wanted:
                wanted.update(self.terms[position].children)
        return sorted(wanted)

    def operations(self, of: int) -> int:
        """Number of binary operations that ``of`` takes; a shared part counts once."""
        parts = (self.terms[position] for position in self.parts(of))
        return sum(max(1, len(term.children) - 1) for term in parts if term.op != LEAF)

    def leaves(self, of: int) -> list[Term]:
        """The numbers that ``of`` is made of."""
        return [term for term in map(self.terms.__getitem__, self.parts(of)) if term.op == LEAF]


class GraphError(ValueError):
    """A trace that has no graph because a name or source in it does not resolve."""


def computation_graph(trace: Trace) -> Graph:
    """The graph of a trace that the solver accepts.

    Raises:
        GraphError: an unknown name or source, or no query.
    """
    table: dict[Term, int] = {}
    queried: list[int] = []
    steps: list[int] = []
    for subtrace in trace.subtraces:
        queried.append(_Builder(subtrace, queried, steps, table).build())
    return Graph(tuple(table), queried[-1], tuple(steps))


class _Builder:
    """Symbolic execution of one sub-trace."""

    def __init__(
        self,
        subtrace: SubTrace,
        queried: Sequence[int],
        steps: list[int],
        table: dict[Term, int],
    ) -> None:
        self._subtrace = subtrace
        self._table = table
        self._queried = queried
        self._steps = steps
        self._values: dict[str, int] = {}
        self._uses = Counter(name for step in subtrace.steps for name in _names_read(step))

    def build(self) -> int:
        for step in self._subtrace.steps:
            if isinstance(step, Query):
                return self._value(step.var)
            self._run(step)
        raise GraphError("a sub-trace without a query")

    def _term(self, term: Term) -> int:
        """The position of ``term``, which is the position of its equal if there is one."""
        return self._table.setdefault(term, len(self._table))

    def _leaf(self, name: str, value: Number) -> int:
        return self._term(Term(LEAF, name=name, value=value))

    def _sum(self, plus: Iterable[int], minus: Iterable[int] = ()) -> int:
        return self._term(Term(SUM, tuple(sorted(plus)), tuple(sorted(minus))))

    def _product(self, over: Iterable[int], under: Iterable[int] = ()) -> int:
        return self._term(Term(PRODUCT, tuple(sorted(over)), tuple(sorted(under))))

    def _value(self, name: str) -> int:
        if name not in self._values:
            raise GraphError(f"unknown name {name!r}")
        return self._values[name]

    def _amount(self, amount: Number | str, name: str) -> int:
        return self._value(amount) if isinstance(amount, str) else self._leaf(name, amount)

    def _run(self, step: Step) -> None:
        match step:
            case Init(var=var, value=None, source=source):
                self._values[var] = self._source(source or "")
                return
            case Init(var=var, value=value):
                self._values[var] = self._leaf(var, value if value is not None else 0)
                return
            case (
                Compute(compute_op=op, args=args, var=var)
                | Compare(compute_op=op, args=args, var=var)
            ):
                node = self._operation(op, args)
            case Consume(entity=var, amount=amount):
                self._value(var)
                node = self._stock(var, minus=self._amount(amount, f"{var} consumed"))
            case AddEntity(entity=var, amount=amount):
                node = self._stock(var, plus=self._amount(amount, f"{var} added"))
            case Transfer(from_entity=giver, to_entity=var, amount=amount):
                moved = self._amount(amount, f"{giver} given")
                self._value(giver)
                self._values[giver] = self._stock(giver, minus=moved)
                node = self._stock(var, plus=moved)
            case PercentOf() | PercentOff() | PercentIncrease():
                var, node = step.var, self._percentage(step)
            case Query():
                raise GraphError("a query before the end")
        self._values[var] = node
        self._steps.append(node)

    def _stock(self, entity: str, plus: int | None = None, minus: int | None = None) -> int:
        """A stock after something came in or went out; new ones start empty."""
        added = [] if plus is None else [plus]
        taken = [] if minus is None else [minus]
        if entity not in self._values:
            return added[0]
        before = self._values[entity]
        term = list(self._table)[before]
        if term.op == SUM and not self._uses[entity]:
            return self._sum([*term.args, *added], [*term.inverse, *taken])
        return self._sum([before, *added], taken)

    def _source(self, source: str) -> int:
        which = source.removesuffix(".result")
        if which == "prev" and self._queried:
            return self._queried[-1]
        number = which.removeprefix("sub")
        if number.isdecimal() and int(number) < len(self._queried):
            return self._queried[int(number)]
        raise GraphError(f"unknown source {source!r}")

    def _percentage(self, step: PercentOf | PercentOff | PercentIncrease) -> int:
        base, rate = self._value(step.base), self._amount(step.rate, f"{step.base} percent")
        share = self._product([base, rate], [self._leaf("hundred", 100)])
        if isinstance(step, PercentOf):
            return share
        if isinstance(step, PercentOff):
            return self._sum([base], [share])
        return self._sum([base, share])

    def _operation(self, op: str, args: Sequence[str]) -> int:
        match op:
            case "add":
                return self._merged(SUM, args, ())
            case "sub":
                return self._merged(SUM, args[:1], args[1:])
            case "mul":
                return self._merged(PRODUCT, args, ())
            case "div":
                return self._merged(PRODUCT, args[:1], args[1:])
        values = [self._value(name) for name in args]
        return self._term(Term(op, tuple(sorted(values) if op in ("min", "max") else values)))

    def _merged(self, op: str, args: Sequence[str], inverse: Sequence[str]) -> int:
        """A sum or product with the sums or products that only it uses merged into it."""
        plus: list[int] = []
        minus: list[int] = []
        terms = list(self._table)
        for names, same, other in ((args, plus, minus), (inverse, minus, plus)):
            for name in names:
                value = self._value(name)
                if terms[value].op == op and self._uses[name] == 1:
                    same.extend(terms[value].args)
                    other.extend(terms[value].inverse)
                else:
                    same.append(value)
        return self._sum(plus, minus) if op == SUM else self._product(plus, minus)


def _names_read(step: Step) -> Iterator[str]:
    """The names whose values a step reads; a stock that it changes is none of them."""
    match step:
        case Compute(args=args) | Compare(args=args):
            yield from args
        case Consume(amount=str() as amount) | AddEntity(amount=str() as amount):
            yield amount
        case Transfer(amount=str() as amount):
            yield amount
        case PercentOf() | PercentOff() | PercentIncrease():
            yield step.base
            if isinstance(step.rate, str):
                yield step.rate
