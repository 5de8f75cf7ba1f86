"""Every declared relation of the catalogue, turned round: the words must refuse it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from trace_pipeline.generation import Catalog
from trace_pipeline.generation.semantics import Relation, contradictions, parse_relation

OPPOSITE = {
    "times_as_many": "fraction_as_many",
    "fraction_as_many": "times_as_many",
    "more_than": "fewer_than",
    "fewer_than": "more_than",
    "how_many_more": "how_many_fewer",
    "how_many_fewer": "how_many_more",
    "percent_off": "percent_up",
    "percent_up": "percent_off",
    "percent_of": "percent_off",
    "part_of": "grown",
    "grown": "part_of",
}
DIRECTED = ("times_as_many", "fraction_as_many", "more_than", "fewer_than")


def written(relation: Relation) -> list[str]:
    signs = {-1: "-", 0: "", 1: "+"}
    return [
        repr(term.name) if term.quoted else f"{signs[term.sign]}{term.name}"
        for term in relation.terms
    ]


def opposites(relation: Relation) -> Iterator[str]:
    name, arguments = relation.kind.name, written(relation)
    if name in OPPOSITE:
        yield f"{OPPOSITE[name]}({', '.join(arguments)})"
    if name in DIRECTED:
        yield f"{name}({', '.join(reversed(arguments))})"


def reversals(relation: Relation) -> Iterator[str]:
    arguments = written(relation)
    if relation.kind.name == "account":
        for index in range(2, len(arguments)):
            turned = "+" if arguments[index][0] == "-" else "-"
            changed = [*arguments]
            changed[index] = turned + arguments[index][1:]
            yield f"account({', '.join(changed)})"


def unnoticed(catalog: Catalog, mutate: object) -> tuple[int, list[str]]:
    """How many mutants there are, and those that the words let pass."""
    count, missed = 0, []
    for plan in catalog.plans.values():
        for wording in plan.wordings:
            drawer = wording.drawer
            numbers = frozenset(name for name, _ in (*drawer.samplers, *drawer.derived))
            for index, relation in enumerate(wording.relations):
                for source in mutate(relation):  # type: ignore[operator]
                    count += 1
                    changed = [*wording.relations]
                    changed[index] = parse_relation(source)
                    text = wording.template.source
                    if not contradictions(text, changed, numbers, plan.constants):
                        missed.append(f"{plan.id} {wording.name}: {source}")
    return count, missed


def test_no_comparison_fraction_or_percentage_can_be_turned_round(catalog: Catalog) -> None:
    count, missed = unnoticed(catalog, opposites)
    assert count > 300
    assert missed == []


def test_hardly_a_gain_can_be_declared_a_loss(catalog: Catalog) -> None:
    count, missed = unnoticed(catalog, reversals)
    assert count > 200
    assert len(missed) <= 0.06 * count, missed


@pytest.mark.parametrize(
    ("text", "relation", "fault"),
    [
        (
            "${who} buys ${n item} at ${price|money} each. How much is that?",
            "shared(answer, n, price)",
            "no word divides",
        ),
        (
            "${who} packs ${n item} into boxes of ${m item} each. How many boxes are full?",
            "each(answer, n, m)",
            "count the same thing",
        ),
        (
            "There are ${n} rows with ${m} chairs. How many chairs are there?",
            "shared(answer, n, m)",
            "so many of so much",
        ),
    ],
)
def test_multiplying_and_dividing_are_told_apart(text: str, relation: str, fault: str) -> None:
    numbers = frozenset({"n", "m", "price"})
    found = contradictions(text, [parse_relation(relation)], numbers, {})
    assert any(fault in item for item in found), found
