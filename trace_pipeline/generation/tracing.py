"""Trace specifications compiled to builders of typed traces."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from msgspec.structs import astuple

from trace_pipeline.generation.expressions import (
    Expression,
    ExpressionError,
    Values,
    compile_expression,
)
from trace_pipeline.generation.grammar import slug
from trace_pipeline.generation.model import (
    IDENTIFIER,
    SOURCE,
    AddSpec,
    CompareSpec,
    ComputeSpec,
    ConsumeSpec,
    InitSpec,
    PercentIncreaseSpec,
    PercentOffSpec,
    PercentOfSpec,
    QuerySpec,
    StepSpec,
    TransferSpec,
)
from trace_pipeline.generation.model import Expression as Source
from trace_pipeline.generation.naming import NAMINGS, Naming, printed_names, story_names
from trace_pipeline.generation.vocabulary import Entry
from trace_pipeline.solver import EXPERT_OPERATIONS
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
    Transfer,
)
from trace_pipeline.validation import unknown_name

Names = Mapping[str, str]
Builder = Callable[[Names, Values], Step]

_PERCENT: dict[type, type[PercentOff] | type[PercentIncrease] | type[PercentOf]] = {
    PercentOffSpec: PercentOff,
    PercentIncreaseSpec: PercentIncrease,
    PercentOfSpec: PercentOf,
}


class TracePlanError(ValueError):
    """A trace specification that cannot be used; the message starts with the path inside it."""


@dataclass(frozen=True, slots=True)
class SubTracePlan:
    """A compiled sub-trace."""

    expert: str
    reads: frozenset[str]
    """The variables, derived values and constants that its steps put into the trace."""
    interleaved: bool
    """Whether an init follows an operation."""
    divides: bool
    """Whether a step can make a fraction of whole numbers."""
    names: Mapping[Naming, Mapping[str, str]]
    anchors: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    """Story name and the parts that print it: (draw, slug form), or ("", text) as it is.

    What is the same in every story stands in ``names`` already.
    """
    rows: Mapping[Naming, tuple[Step | Builder, ...]]
    """Steps in order: the same in every story, or what builds them."""
    fractional: Mapping[Naming, frozenset[str]]
    """Printed names that may have a fraction."""

    def build(self, naming: Naming, draws: Mapping[str, Entry], values: Values) -> SubTrace | None:
        """The typed sub-trace of one story; None where two quantities would share a name."""
        names = self.names[naming]
        if self.anchors and naming != "abstract":
            names = dict(names)
            for name, parts in self.anchors:
                names[name] = ".".join([draws[d].forms[form] if d else form for d, form in parts])
            if len(set(names.values())) < len(names):
                return None
        row = self.rows[naming]
        return SubTrace(
            self.expert,
            tuple([part(names, values) if callable(part) else part for part in row]),
        )


def compile_subtrace(
    expert: str,
    steps: Sequence[StepSpec],
    numbers: frozenset[str],
    anchors: Mapping[str, Sequence[str]],
    fractional: Sequence[str],
    path: str,
) -> SubTracePlan:
    """Compile one sub-trace; ``numbers`` are the names that expressions may read.

    Raises:
        TracePlanError: an unknown name, a malformed expression, a query that is not last.
    """
    if expert not in EXPERT_OPERATIONS:
        reason = unknown_name("expert", expert, list(EXPERT_OPERATIONS))
        raise TracePlanError(f"{path}: {reason}")
    read, computed = story_names(steps)
    own = {name: parts for name, parts in anchors.items() if name in read}
    fixed = {
        name: ".".join(text for _, text in map(_slug_form, parts))
        for name, parts in own.items()
        if all(part.startswith("'") for part in parts)
    }
    drawn = {name: parts for name, parts in own.items() if name not in fixed}
    reads: set[str] = set()
    known: set[str] = set()
    builders: list[Builder] = []
    moving: list[bool] = []
    for index, step in enumerate(steps):
        where = f"{path}[{index}]"
        op = str(step.__struct_config__.tag)
        if op not in EXPERT_OPERATIONS[expert]:
            allowed = list(EXPERT_OPERATIONS[expert])
            raise TracePlanError(f"{where}.op: {unknown_name(f'{expert} op', op, allowed)}")
        if isinstance(step, QuerySpec) != (index == len(steps) - 1):
            raise TracePlanError(f"{where}: expected exactly one query, as the last step")
        own_reads: set[str] = set()
        builders.append(_builder(step, known, numbers, own_reads, where))
        moving.append(bool(own_reads) or not drawn.keys().isdisjoint(_mentions(step)))
        reads |= own_reads
    tables = {naming: printed_names(steps, naming) for naming in NAMINGS}
    for naming in NAMINGS:
        if naming != "abstract":
            tables[naming] |= fixed
    for naming, table in tables.items():
        if len(set(table.values())) < len(table):
            twice = sorted(n for n in table.values() if [*table.values()].count(n) > 1)[0]
            raise TracePlanError(
                f"{path}: two quantities have one name, {twice!r}, under {naming} naming; "
                "rename the one that is read"
            )
    loose = [name for name in fractional if name in read or name in computed]
    if any(name in drawn for name in loose):
        raise TracePlanError(f"{path}: a name anchored to a draw cannot be fractional")
    operations = [not isinstance(step, InitSpec | QuerySpec) for step in steps]
    first = operations.index(True) if any(operations) else len(steps)
    return SubTracePlan(
        expert=expert,
        reads=frozenset(reads),
        divides=any(map(_divides, steps)),
        interleaved=any(isinstance(step, InitSpec) for step in steps[first:]),
        names=tables,
        anchors=tuple((name, tuple(map(_slug_form, parts))) for name, parts in drawn.items()),
        rows={
            naming: tuple(
                builder if moves else builder(table, {})
                for builder, moves in zip(builders, moving, strict=True)
            )
            for naming, table in tables.items()
        },
        fractional={n: frozenset(t[name] for name in loose) for n, t in tables.items()},
    )


def _mentions(step: StepSpec) -> set[str]:
    """Every text in ``step``: among them the traced names that it is about."""
    fields = astuple(step)
    lists = [field for field in fields if isinstance(field, list)]
    return {text for text in chain(fields, *lists) if isinstance(text, str)}


def _divides(step: StepSpec) -> bool:
    """Whether a step can make a fraction; an init can, where an expression divides."""
    match step:
        case ComputeSpec(compute_op=op) | CompareSpec(compute_op=op):
            return op not in ("add", "sub", "mul", "min", "max", "floordiv", "ceildiv", "abs")
        case QuerySpec() | ConsumeSpec() | AddSpec() | TransferSpec():
            return False
        case InitSpec(value=str() as value):
            return not value.isidentifier()
        case InitSpec(value=value):
            return isinstance(value, float)
    return True


def _slug_form(part: str) -> tuple[str, str]:
    if part.startswith("'"):
        return "", slug(part.strip("'"))
    draw, _, role = part.partition(".")
    return draw, f"{role}.slug" if role else "slug"


def _builder(
    step: StepSpec, known: set[str], numbers: frozenset[str], reads: set[str], where: str
) -> Builder:
    def name(value: str, field: str) -> str:
        if value not in known:
            raise TracePlanError(
                f"{where}.{field}: {unknown_name('traced name', value, sorted(known))}"
            )
        return value

    def amount(source: Source, field: str) -> Callable[[Names, Values], Number | str]:
        if isinstance(source, str) and source in known:
            return lambda names, values: names[source]
        expression = _expression(source, numbers, f"{where}.{field}")
        reads.update(expression.names)
        return lambda names, values: expression.evaluate(values)

    match step:
        case InitSpec(var=var, value=None, source=str() as earlier):
            if not re.fullmatch(SOURCE, earlier):
                raise TracePlanError(
                    f"{where}.source: expected prev.result or subN.result, found {earlier!r}"
                )
            builder: Builder = lambda names, values: Init(names[var], source=earlier)  # noqa: E731
        case InitSpec(var=var, value=str() | int() | float() as value, source=None):
            number = _expression(value, numbers, f"{where}.value")
            reads.update(number.names)
            given = number.evaluate
            builder = lambda names, values: Init(names[var], given(values))  # noqa: E731
        case InitSpec():
            found = "both" if step.value is not None else "neither"
            raise TracePlanError(f"{where}: expected either value or source, found {found}")
        case (
            ComputeSpec(compute_op=op, args=args, var=var)
            | CompareSpec(compute_op=op, args=args, var=var)
        ):
            kind = Compute if isinstance(step, ComputeSpec) else Compare
            builder = _computing(kind, op, [name(arg, "args") for arg in args], var)
        case QuerySpec(var=var):
            name(var, "var")
            return lambda names, values: Query(names[var])
        case ConsumeSpec(entity=entity, amount=source):
            name(entity, "entity")
            taken = amount(source, "amount")
            return lambda names, values: Consume(names[entity], taken(names, values))
        case AddSpec(entity=var, amount=source):
            added = amount(source, "amount")
            known.add(var)
            return lambda names, values: AddEntity(names[var], added(names, values))
        case TransferSpec(from_entity=giver, to_entity=var, amount=source):
            name(giver, "from_entity")
            moved = amount(source, "amount")
            known.add(var)
            return lambda names, values: Transfer(names[giver], names[var], moved(names, values))
        case PercentOffSpec() | PercentIncreaseSpec() | PercentOfSpec():
            var, base, operation = step.var, name(step.base, "base"), _PERCENT[type(step)]
            rate = amount(step.rate, "rate")
            builder = lambda names, values: operation(  # noqa: E731
                names[base], rate(names, values), names[var]
            )
    if not re.fullmatch(IDENTIFIER, var):
        raise TracePlanError(f"{where}.var: expected small letters, digits and _, found {var!r}")
    if var in known:
        raise TracePlanError(f"{where}.var: {var!r} exists already; take another name")
    known.add(var)
    return builder


def _computing(
    kind: type[Compute] | type[Compare], op: str, operands: list[str], var: str
) -> Builder:
    if len(operands) == 2:  # nearly all of them; a loop would take longer
        first, second = operands
        return lambda names, values: kind(op, (names[first], names[second]), names[var])
    return lambda names, values: kind(
        op, tuple([names[operand] for operand in operands]), names[var]
    )


def _expression(source: Source, numbers: frozenset[str], where: str) -> Expression:
    try:
        expression = compile_expression(source)
    except ExpressionError as error:
        raise TracePlanError(f"{where}: {error}") from None
    for name in sorted(expression.names - numbers):
        raise TracePlanError(f"{where}: {unknown_name('name', name, sorted(numbers))}")
    return expression
