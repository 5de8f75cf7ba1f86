"""The incremental recogniser of canonical traces: from slot to slot, always able to end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trace_pipeline.solver.experts import EXPERT_OPERATIONS
from trace_pipeline.solver.prefix.program import PLACEHOLDER, Program, first_field
from trace_pipeline.solver.prefix.slots import Slot, number, variable
from trace_pipeline.traces.limits import MAX_BYTES, MAX_SUBTRACES
from trace_pipeline.traces.numbers import Number, decimal_number
from trace_pipeline.traces.operations import OPERATIONS, Field
from trace_pipeline.traces.steps import Query, Step
from trace_pipeline.traces.writing import render_step

STEP_ROOM = 4_000
"""Bytes that must be left where a step begins: the longest step and an end fit in."""

_FRESH = {("init", "var"), ("compute", "var"), ("compare", "var")} | {
    (op, "var") for op in ("percent_off", "percent_increase", "percent_of")
}
_ANY = {("add_entity", "entity"), ("transfer", "to_entity")}
_HELD = {("consume", "entity"), ("transfer", "from_entity")}


class TracePrefix:
    """The start of a canonical trace that can become a valid one.

    A trace alternates between *slots*, where :meth:`slot` says what may stand, and nothing: every
    continuation reaches up to the next slot. The solver's own functions run each step as it is
    written, so whatever :meth:`slot` offers leads to a trace that the solver executes.

    Stricter than the solver only where that is needed to stay within bounds: names end at 48
    characters, numbers at 18 digits before and after the point, texts at about 12 KiB; in a
    composition, a result that equals a given number must prove itself computed under the plain
    perturbations; from the 62nd of 64 steps on, a sub-trace takes the shortest way to its end.
    """

    def __init__(self) -> None:
        self._program: Program | None = None
        self._op = ""
        self._fields: dict[str, Any] = {}
        self._open: str | None = None
        """The field at hand, within a step."""
        self._between = False
        """Behind a query: the trace may end, or another sub-trace begin."""
        self._slot: Slot | None = None
        self.size = 0
        """Characters accepted."""

    def copy(self) -> TracePrefix:
        """An independent copy."""
        other = TracePrefix()
        other._program = self._program.copy() if self._program else None
        other._op, other._fields, other._open = self._op, dict(self._fields), self._open
        other._between, other._slot, other.size = self._between, self._slot, self.size
        return other

    @property
    def complete(self) -> bool:
        """Whether the text is a valid trace as it is."""
        program = self._program
        least = 2 if program is not None and program.composed else 1
        return self._between and program is not None and len(program.done) >= least

    # -- what may come ---------------------------------------------------------------------

    def slot(self) -> Slot:
        """What may stand here; empty where the trace can only end."""
        if self._slot is None:
            self._slot = self._find_slot()
        return self._slot

    def _find_slot(self) -> Slot:
        program = self._program
        if program is None:
            return Slot(
                tuple(
                    _header(expert, composed)
                    for composed in (False, True)
                    for expert in EXPERT_OPERATIONS
                )
            )
        if self._between:
            room = self.size + 2 * STEP_ROOM <= MAX_BYTES and len(program.done) < MAX_SUBTRACES
            if not program.composed or not (room or not self.complete):
                return Slot()
            return Slot(tuple(_header(expert, True) for expert in EXPERT_OPERATIONS))
        if self._open is None:
            if program.must_end or self.size + STEP_ROOM > MAX_BYTES:
                return Slot((self._planned(program),))
            return Slot(tuple(_op_text(op) for op in program.ops()))
        return self._field_slot(program, self._open)

    def _field_slot(self, program: Program, name: str) -> Slot:
        kind = OPERATIONS[self._op].fields[name]
        ends = self._ends(name)
        if kind is Field.COMPUTE_OP:
            return Slot(tuple(op + end for op in program.computations() for end in ends))
        if kind is Field.NAMES:
            return self._arguments(program, ends)
        if kind is Field.SOURCE:
            count = len(program.done)
            sources = ["prev.result", *(f"sub{index}.result" for index in range(count))]
            return Slot(tuple(source + end for source in sources for end in ends))
        if kind is Field.NUMBER:
            return Slot(free=number(ends))
        if kind is Field.QUANTITY:
            allowed = self._allows(program, name)
            names = [n for n in program.values if allowed(n)]
            return Slot(
                tuple(n + end for n in names for end in ends),
                number(ends, allowed, signed=self._op.startswith("percent")),
            )
        if (self._op, name) in _FRESH:
            return Slot(free=variable(ends, program.values.keys()))
        if (self._op, name) in _ANY:
            return Slot(free=variable(ends))
        if (self._op, name) in _HELD:
            names = list(program.stocks())
        elif self._op == "query":
            names = list(program.targets())
        else:
            names = list(program.values)
        return Slot(tuple(n + end for n in names for end in ends))

    def _arguments(self, program: Program, ends: tuple[str, ...]) -> Slot:
        op, args = self._fields["compute_op"], self._fields.get("args", ())
        texts = []
        for name in program.extensions(op, args):
            longer = (*args, name)
            if program.closes(op, longer):
                texts += [f"{name}]{end}" for end in ends]
            if program.extensible(op, longer):
                texts.append(f"{name}, ")
        return Slot(tuple(texts))

    def _allows(self, program: Program, name: str) -> Callable[[Number | str], bool]:
        step = OPERATIONS[self._op].step
        fields = dict(self._fields)
        if "var" in OPERATIONS[self._op].fields:
            fields["var"] = PLACEHOLDER

        def allows(value: Number | str) -> bool:
            return program.allows(step(**fields | {name: value}))

        return allows

    def _ends(self, name: str) -> tuple[str, ...]:
        """What may follow the field ``name``, up to the next slot."""
        program = self._program
        assert program is not None
        operation = OPERATIONS[self._op]
        if self._op == "init" and name == "var":
            return (", value: ", ", source: ") if program.done else (", value: ",)
        order = list(operation.fields)
        following = order[order.index(name) + 1 :]
        if following and self._op != "init":
            opening = "[" if operation.fields[following[0]] is Field.NAMES else ""
            return (f", {following[0]}: {opening}",)
        if self._op == "query":
            return ("}\n",)
        return ("}\n" + _margin(program.composed) + "- {op: ",)

    def preferred(self, texts: list[str]) -> list[str]:
        """Of ``texts``, continuations of :meth:`slot`, those that make better sense.

        Computations whose result is not above zero or no whole number of hundredths are left out,
        and so is the query while the latest result is not whole and above zero; for a few steps,
        since some questions are like that. Where nothing else is left, nothing is left out. A
        composition's sub-traces may ask for anything: what follows may mend it.
        """
        program = self._program
        if program is None or self._between:
            return texts
        if self._open is None:
            if program.composed or program.must_end or not program.awaits_answer:
                return texts
            kept = [text for text in texts if not text.startswith("query,")]
        elif OPERATIONS[self._op].fields[self._open] is Field.NAMES:
            kept = [text for text in texts if self._makes_sense(program, text)]
        elif self._op == "query" and not program.composed:
            kept = [text for text in texts if program.is_answer(_value_of(text, Field.NAME)[0])]
        else:
            return texts
        return kept or texts

    def _makes_sense(self, program: Program, text: str) -> bool:
        op, stop = self._fields["compute_op"], text.index("]" if "]" in text else ",")
        args = (*self._fields.get("args", ()), text[:stop])
        if text[stop] == "]":
            return program.is_sensible(op, args)
        return program.leads_to_sense(op, args)

    # -- going on --------------------------------------------------------------------------

    def take(self, text: str) -> None:
        """Go on by ``text``, a whole continuation of :meth:`slot`."""
        slot = self.slot()
        assert slot.fills(text), text
        self._slot = None
        program = self._program
        if program is None or self._between:
            composed = text.startswith("- ")
            self._program = program = program or Program(composed)
            program.begin(text.removeprefix("- ").removeprefix("expert: ").partition("\n")[0])
            self._between = False
        elif self._open is None:
            self._op = text.partition(",")[0]
            self._fields, self._open = {}, first_field(self._op)
            head = _op_text(self._op)
            self.size += len(head)
            self.feed(text[len(head) :])
            return
        else:
            self._fill(program, self._open, text)
        self.size += len(text)

    def _fill(self, program: Program, name: str, text: str) -> None:
        operation = OPERATIONS[self._op]
        kind = operation.fields[name]
        value, following = _value_of(text, kind)
        if kind is Field.NAMES:
            self._fields["args"] = (*self._fields.get("args", ()), value)
            if text.endswith(", "):
                return
        else:
            self._fields[name] = value
        if following.endswith(("- {op: ", "}\n")):
            self._open = None
            step: Step = operation.step(**self._fields)
            program.add(step)
            self._between = self._op == "query"
        else:
            self._open = following.removeprefix("]").removeprefix(", ").partition(":")[0]

    def feed(self, text: str) -> str | None:
        """Take all whole continuations at the start of ``text``.

        Returns:
            The rest, the viable start of a continuation; None where ``text`` leaves the language.
            Then the prefix is at the slot where it does.
        """
        while text:
            slot = self.slot()
            whole = next((n for n in range(1, len(text) + 1) if slot.fills(text[:n])), None)
            if whole is None:
                return text if slot.viable(text) else None
            self.take(text[:whole])
            text = text[whole:]
        return text

    def _planned(self, program: Program) -> str:
        """The first step of a short end, whole."""
        step = program.ending()[0]
        text = render_step(step).removeprefix("{op: ")
        if isinstance(step, Query):
            return text + "\n"
        return text + "\n" + _margin(program.composed) + "- {op: "

    def ending(self, typed: str = "") -> str:
        """A short text after which the trace is valid, from ``typed`` of the slot at hand on."""
        ahead = self.copy()
        written = ""
        while typed or not ahead.complete:
            text = ahead._towards_end(typed)
            ahead.feed(text)
            written += text[len(typed) :]
            typed = ""
        return written

    def _towards_end(self, typed: str) -> str:
        program = self._program
        if program is not None and not self._between and self._open is None:
            planned = self._planned(program)
            if planned.startswith(typed):
                return planned
        return self.slot().shortest(typed)


def _header(expert: str, composed: bool) -> str:
    first, rest = ("- ", "  ") if composed else ("", "")
    return f"{first}expert: {expert}\n{rest}trace:\n{rest}- {{op: "


def _margin(composed: bool) -> str:
    return "  " if composed else ""


def _op_text(op: str) -> str:
    return f"{op}, {first_field(op)}: "


def _value_of(text: str, kind: Field) -> tuple[Any, str]:
    """The value that a continuation says, and what of it is structure."""
    stop = next(n for n, sign in enumerate(text) if sign in ",]}")
    value = text[:stop]
    if kind in (Field.NUMBER, Field.QUANTITY) and value[0] in "-0123456789":
        return decimal_number(value), text[stop:]
    return value, text[stop:]
