"""The typed trace language: what a trace is once it has been read.

The table of operations is in docs/trace-language.md; reading and writing YAML
stand beside this module in ``reading`` and ``writing``. The structs hold numbers,
texts and each other, never a cycle, so the garbage collector need not follow them.
"""

from __future__ import annotations

from msgspec import Struct

from trace_pipeline.traces.numbers import Number


class Init(Struct, frozen=True, gc=False):
    """Introduce ``var`` from a ``value`` of the problem or from a ``source``.

    Exactly one of the two is set; ``source`` is ``prev.result`` or ``subN.result``.
    """

    var: str
    value: Number | None = None
    source: str | None = None


class Compute(Struct, frozen=True, gc=False):
    """``var = compute_op(args)``, where args name earlier variables."""

    compute_op: str
    args: tuple[str, ...]
    var: str


class Compare(Struct, frozen=True, gc=False):
    """``var = compute_op(args)`` in the comparison expert's own vocabulary."""

    compute_op: str
    args: tuple[str, ...]
    var: str


class Query(Struct, frozen=True, gc=False):
    """Ask for the value of ``var``; always the last step."""

    var: str


class Consume(Struct, frozen=True, gc=False):
    """Take ``amount`` (a number or a name) from the stock of ``entity``."""

    entity: str
    amount: Number | str


class AddEntity(Struct, frozen=True, gc=False):
    """Add ``amount`` (a number or a name) to the stock of ``entity`` (new ones start at 0)."""

    entity: str
    amount: Number | str


class Transfer(Struct, frozen=True, gc=False):
    """Move ``amount`` (a number or a name) between stocks; ``to_entity`` may be new."""

    from_entity: str
    to_entity: str
    amount: Number | str


class PercentOff(Struct, frozen=True, gc=False):
    """``var = base * (1 - rate/100)``; rate is a number or a name."""

    base: str
    rate: Number | str
    var: str


class PercentIncrease(Struct, frozen=True, gc=False):
    """``var = base * (1 + rate/100)``; rate is a number or a name."""

    base: str
    rate: Number | str
    var: str


class PercentOf(Struct, frozen=True, gc=False):
    """``var = base * rate/100``; rate is a number or a name."""

    base: str
    rate: Number | str
    var: str


Step = (
    Init
    | Compute
    | Compare
    | Query
    | Consume
    | AddEntity
    | Transfer
    | PercentOff
    | PercentIncrease
    | PercentOf
)


class SubTrace(Struct, frozen=True, gc=False):
    """One expert's program with a state of its own."""

    expert: str
    steps: tuple[Step, ...]


class Trace(Struct, frozen=True, gc=False):
    """A program of one sub-trace, or a composition of several (run in order)."""

    subtraces: tuple[SubTrace, ...]

    @property
    def expert(self) -> str:
        """The expert's name; ``composition`` for two or more sub-traces."""
        return self.subtraces[0].expert if len(self.subtraces) == 1 else "composition"
