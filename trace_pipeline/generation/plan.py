"""A schema compiled: everything that generation needs, checked once, nothing left to parse."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from trace_pipeline.generation.drawing import Drawer, RangeError, Sampler, compile_variable
from trace_pipeline.generation.expressions import (
    Expression,
    ExpressionError,
    compile_expression,
    exact,
)
from trace_pipeline.generation.model import (
    IDENTIFIER,
    ChoiceVariable,
    FloatVariable,
    Phrasing,
    Schema,
    SubTraceSpec,
    Text,
)
from trace_pipeline.generation.model import Expression as Source
from trace_pipeline.generation.naming import story_names
from trace_pipeline.generation.semantics import Relation, RelationError, parse_relation
from trace_pipeline.generation.templates import (
    Scope,
    Template,
    TemplateError,
    compile_template,
    expand_snippets,
)
from trace_pipeline.generation.tracing import SubTracePlan, TracePlanError, compile_subtrace
from trace_pipeline.generation.vocabulary import (
    CatalogError,
    Entry,
    UnknownPathError,
    Vocabulary,
)
from trace_pipeline.solver import COMPOSITION
from trace_pipeline.traces import Number
from trace_pipeline.validation import unknown_name

Anchors = Mapping[str, list[str]]
"""Traced names and the parts that print them (``Schema.anchors``)."""


@dataclass(frozen=True, slots=True)
class Wording:
    """One template with the ranges and words of its family."""

    name: str
    """``<domain>/<number>``, unique in the schema."""
    path: str
    """Its place in the schema's file, such as ``$.phrasings[0].texts[1]``."""
    template: Template
    drawer: Drawer
    relations: tuple[Relation, ...]
    """What its words say of its numbers."""
    subtraces: tuple[SubTracePlan, ...]
    """The schema's trace under the names that suit this text."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled schema."""

    id: str
    """``<expert>/<name>``."""
    expert: str
    where: str
    """Its file, for errors."""
    subtraces: tuple[SubTracePlan, ...]
    answer: Expression
    constants: Mapping[str, Number]
    implied_by: Mapping[Number, tuple[str, ...]]
    """Phrases that stand for each declared constant."""
    whole: frozenset[str]
    """Drawn and derived values that must be whole."""
    whole_answer: bool
    fractions: bool
    """Whether a value in the trace could have a fraction at all."""
    wordings: tuple[Wording, ...]

    @property
    def interleaved(self) -> bool:
        """Whether an init follows an operation somewhere."""
        return any(subtrace.interleaved for subtrace in self.subtraces)

    def for_split(self, held_out: bool) -> tuple[Wording, ...]:
        """The last template is kept for the held-out split; all others serve the rest."""
        return self.wordings[-1:] if held_out else self.wordings[:-1]


def compile_schema(schema: Schema, expert: str, name: str, vocab: Vocabulary, where: str) -> Plan:
    """Compile and check a schema whose mixins are merged in.

    Raises:
        CatalogError: anything in it that cannot work; ``where: $.path: reason``.
    """
    return _SchemaCompiler(schema, vocab, where).plan(expert, name)


class _SchemaCompiler:
    def __init__(self, schema: Schema, vocab: Vocabulary, where: str) -> None:
        self.schema, self.vocab, self.where = schema, vocab, where
        self.numbers = frozenset(schema.variables) | set(schema.derived) | set(schema.constants)
        self.used: set[str] = set()
        self._named: dict[tuple[tuple[str, tuple[str, ...]], ...], tuple[SubTracePlan, ...]] = {}
        self.constants = {key: exact(item.value) for key, item in schema.constants.items()}

    @contextmanager
    def at(self, path: str) -> Iterator[None]:
        """Turn the errors of a part into one that names the file and the path inside it."""
        try:
            yield
        except TracePlanError as error:  # knows its own path
            raise CatalogError(f"{self.where}: {error}") from None
        except (
            ExpressionError,
            RangeError,
            RelationError,
            TemplateError,
            UnknownPathError,
        ) as error:
            raise self.refuse(path, str(error)) from None

    def refuse(self, path: str, reason: str) -> CatalogError:
        """An error at ``path``."""
        return CatalogError(f"{self.where}: {path}: {reason}")

    def plan(self, expert: str, name: str) -> Plan:
        """The whole schema, compiled."""
        self._unique_names()
        self.expert = expert
        subtraces = self._subtraces(self.schema.anchors, "$")
        self._refuse_unknown_fractional(subtraces)
        answer = self.expression(self.schema.answer, "$.answer")
        derived = self._derived()
        wordings = [
            wording
            for index, phrasing in enumerate(self.schema.phrasings)
            for wording in self._family(phrasing, derived, f"$.phrasings[{index}]")
        ]
        if len(wordings) < 2:
            raise self.refuse("$.phrasings", "expected two texts or more (the last is held out)")
        self.used |= answer.names.union(*(subtrace.reads for subtrace in subtraces))
        self._refuse_unused(derived, wordings)
        implied: dict[Number, tuple[str, ...]] = {}
        for key, constant in self.schema.constants.items():
            value = self.constants[key]
            for phrase in constant.implied_by:  # looked for in the question's small letters
                if not phrase.strip() or phrase != phrase.lower():
                    reason = f"expected words in small letters, found {phrase!r}"
                    raise self.refuse(f"$.constants.{key}.implied_by", reason)
            implied[value] = (*implied.get(value, ()), *constant.implied_by)
        loose = set(self.schema.fractional)
        return Plan(
            id=f"{expert}/{name}",
            expert=expert,
            where=self.where,
            subtraces=subtraces,
            answer=answer,
            constants=self.constants,
            implied_by=implied,
            whole=frozenset(self.schema.derived) - loose,
            whole_answer="answer" not in loose,
            fractions=any(part.divides for part in subtraces) or self._gives_fractions(),
            wordings=tuple(_numbered(wordings)),
        )

    def expression(self, source: Source, path: str) -> Expression:
        """A compiled expression whose names all exist."""
        with self.at(path):
            expression = compile_expression(source)
        for unknown in sorted(expression.names - self.numbers):
            raise self.refuse(path, unknown_name("name", unknown, sorted(self.numbers)))
        return expression

    def _gives_fractions(self) -> bool:
        families = (self.schema.variables, *(item.variables for item in self.schema.phrasings))
        return not set(self.schema.derived).isdisjoint(self.schema.fractional) or any(
            isinstance(variable, FloatVariable)
            or (isinstance(variable, ChoiceVariable) and any(v % 1 for v in variable.values))
            for family in families
            for variable in family.values()
        )

    def _unique_names(self) -> None:
        seen: dict[str, str] = {"a": "the article of templates", "answer": "the answer"}
        schema = self.schema
        groups: list[tuple[str, Iterable[str]]] = [
            ("variables", schema.variables),
            ("derived", schema.derived),
            ("constants", schema.constants),
            ("draws", sorted({*schema.draws, *(d for p in schema.phrasings for d in p.draws)})),
            ("snippets", schema.snippets),
        ]
        for group, names in groups:
            for name in names:
                if not re.fullmatch(IDENTIFIER, name):
                    reason = "expected a name of small letters, digits and underscores"
                    raise self.refuse(f"$.{group}.{name}", reason)
                if name in seen:
                    raise self.refuse(
                        f"$.{group}.{name}", f"the name is taken by {seen[name]}; take another"
                    )
                seen[name] = f"$.{group}"

    def _subtraces(self, anchors: Anchors, where: str) -> tuple[SubTracePlan, ...]:
        """The trace under the names of ``anchors``, which stand at ``where``."""
        key = tuple((name, tuple(parts)) for name, parts in sorted(anchors.items()))
        if key in self._named:
            return self._named[key]
        schema = self.schema
        if (schema.trace is None) == (schema.subtraces is None):
            found = "both" if schema.trace else "neither"
            raise self.refuse("$", f"expected either trace or subtraces, found {found}")
        if (schema.subtraces is not None) != (self.expert == COMPOSITION):
            raise self.refuse("$", f"subtraces belong in schemas/{COMPOSITION}/, trace elsewhere")
        specs = schema.subtraces or [SubTraceSpec(expert=self.expert, steps=schema.trace or [])]
        plans = []
        for index, spec in enumerate(specs):
            path = f"$.subtraces[{index}].steps" if schema.subtraces else "$.trace"
            with self.at(path):
                plans.append(
                    compile_subtrace(
                        spec.expert, spec.steps, self.numbers, anchors, schema.fractional, path
                    )
                )
        read = {name for spec in specs for name in story_names(spec.steps)[0]}
        for name in anchors:
            if name not in read:
                reason = unknown_name("traced name", name, sorted(read))
                raise self.refuse(f"{where}.anchors", reason)
        self._named[key] = tuple(plans)
        return self._named[key]

    def _refuse_unknown_fractional(self, plans: tuple[SubTracePlan, ...]) -> None:
        schema = self.schema
        traced = {name for plan in plans for name in plan.names["semantic"]}
        known = traced | set(schema.derived) | set(schema.variables) | {"answer"}
        for name in schema.fractional:
            if name not in known:
                raise self.refuse("$.fractional", unknown_name("name", name, sorted(known)))

    def _derived(self) -> tuple[tuple[str, Expression], ...]:
        compiled = {
            name: self.expression(source, f"$.derived.{name}")
            for name, source in self.schema.derived.items()
        }
        graph = {name: item.names & set(compiled) for name, item in compiled.items()}
        try:
            order = list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            raise self.refuse(
                "$.derived", f"a cycle, {' -> '.join(error.args[1])}; break it"
            ) from None
        return tuple((name, compiled[name]) for name in order)

    def _family(
        self, phrasing: Phrasing, derived: tuple[tuple[str, Expression], ...], path: str
    ) -> list[Wording]:
        schema = self.schema
        for name in phrasing.variables:
            if name not in schema.variables:
                known = unknown_name("variable", name, sorted(schema.variables))
                raise self.refuse(f"{path}.variables", known)
        ranges = schema.variables | phrasing.variables
        samplers: list[tuple[str, Sampler]] = []
        earlier: set[str] = set(self.constants)
        for name, variable in ranges.items():
            inside = f"{path}.variables" if name in phrasing.variables else "$.variables"
            with self.at(f"{inside}.{name}"):
                sampler, names = compile_variable(variable)
            for unknown in sorted(names - earlier):
                reason = unknown_name("earlier variable", unknown, sorted(earlier))
                raise self.refuse(f"{inside}.{name}", reason)
            self.used |= names
            earlier.add(name)
            samplers.append((name, sampler))
        constraints = [
            self.expression(source, f"{at}.constraints[{i}]")
            for at, sources in (("$", schema.constraints), (path, phrasing.constraints))
            for i, source in enumerate(sources)
        ]
        pools = self._pools(phrasing, path)
        drawer = Drawer(
            tuple(samplers), derived, self.constants, tuple(constraints), tuple(pools.items())
        )
        relations = self._relations(schema.relations, "$")
        if phrasing.relations:
            relations = self._relations(phrasing.relations, path)
        anchors = {**schema.anchors, **phrasing.anchors}
        named = self._named_for(anchors, pools, path)
        wordings = []
        for index, text in enumerate(phrasing.texts):
            at = f"{path}.texts[{index}]"
            said, subtraces = relations, named
            if isinstance(text, Text):
                template = self._template(text.text, pools, f"{at}.text")
                if text.relations:
                    said = self._relations(text.relations, at)
                if text.anchors:
                    subtraces = self._named_for({**anchors, **text.anchors}, pools, at)
            else:
                template = self._template(text, pools, at)
            wordings.append(Wording(phrasing.domain, at, template, drawer, said, subtraces))
        return wordings

    def _named_for(
        self, anchors: Anchors, pools: Mapping[str, tuple[Entry, ...]], path: str
    ) -> tuple[SubTracePlan, ...]:
        """The trace for a family or a text at ``path``, whose words are ``pools``."""
        for name, parts in anchors.items():
            own = self.schema.anchors.get(name) == parts
            at = f"{'$' if own else path}.anchors.{name}"
            if not parts:
                raise self.refuse(at, "expected a draw or a word in quotes at least")
            for part in parts:
                if part.startswith("'"):
                    if not re.fullmatch(r"'[^']*[A-Za-z0-9][^']*'", part):
                        raise self.refuse(at, f"expected a word in single quotes, found {part}")
                    continue
                draw, _, role = part.partition(".")
                form = f"{role}.slug" if role else "slug"
                if draw not in pools:
                    raise self.refuse(at, unknown_name("draw", draw, sorted(pools)))
                if any(form not in entry.forms for entry in pools[draw]):
                    reason = f"{part!r} does not exist for every entry (used in {path})"
                    raise self.refuse(at, reason)
                self.used.add(draw)
        return self._subtraces(anchors, path)

    def _relations(self, sources: list[str], path: str) -> tuple[Relation, ...]:
        relations = []
        for index, source in enumerate(sources):
            with self.at(f"{path}.relations[{index}]"):
                relations.append(parse_relation(source))
        return tuple(relations)

    def _pools(self, phrasing: Phrasing, path: str) -> dict[str, tuple[Entry, ...]]:
        pools: dict[str, tuple[Entry, ...]] = {}
        for name, source in (self.schema.draws | phrasing.draws).items():
            inside = f"{path}.draws" if name in phrasing.draws else "$.draws"
            with self.at(f"{inside}.{name}"):
                pool = self.vocab.resolve(source)
            keys = {entry.key for entry in pool}
            rivals = sum(not keys.isdisjoint(e.key for e in other) for other in pools.values())
            if len(pool) <= rivals:
                reason = f"{len(pool)} entries for {rivals + 1} different draws; add more"
                raise self.refuse(f"{inside}.{name}", reason)
            pools[name] = pool
        return pools

    def _template(self, text: str, pools: dict[str, tuple[Entry, ...]], path: str) -> Template:
        with self.at(path):
            source = expand_snippets(text, self.schema.snippets)
            template = compile_template(source, Scope(self.numbers, pools))
        self.used |= template.names
        self._use_snippets(text)
        return template

    def _use_snippets(self, text: str) -> None:
        for name, content in self.schema.snippets.items():
            if name not in self.used and f"${{{name}}}" in text:
                self.used.add(name)
                self._use_snippets(content)

    def _refuse_unused(
        self, derived: tuple[tuple[str, Expression], ...], wordings: list[Wording]
    ) -> None:
        for name, expression in reversed(derived):
            if name in self.used:
                self.used |= expression.names
        groups: list[tuple[str, Iterable[str]]] = [
            ("variables", self.schema.variables),
            ("derived", self.schema.derived),
            ("constants", self.schema.constants),
            ("snippets", self.schema.snippets),
            ("draws", {name for item in wordings for name, _ in item.drawer.pools}),
        ]
        for group, names in groups:
            for name in sorted(set(names) - self.used):
                reason = "nothing in the texts, trace or answer uses it; remove it"
                raise self.refuse(f"$.{group}.{name}", reason)


def _numbered(wordings: list[Wording]) -> Iterable[Wording]:
    counts: dict[str, int] = {}
    for wording in wordings:
        index = counts[wording.name] = counts.get(wording.name, -1) + 1
        yield replace(wording, name=f"{wording.name}/{index}")
