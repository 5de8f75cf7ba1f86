"""The arithmetic problems that the catalogue promises: shape and mathematics, row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import pytest

from trace_pipeline.generation import Catalog, Example, Generator
from trace_pipeline.generation.semantics import contradictions, parse_relation
from trace_pipeline.traces import Compute, Init

Formula = Callable[..., Fraction]


@dataclass(frozen=True)
class Row:
    """A promised schema."""

    inits: int
    operations: int
    interleaved: bool
    formula: Formula
    """Of the init values, in the order of the trace."""


# fmt: off
PROMISED: dict[str, Row] = {
    "average_three": Row(4, 3, True, lambda a, b, c, n: (a + b + c) / n),
    "chained_comparison": Row(3, 4, False, lambda a, m, n: a + a * m + a * m * n),
    "chained_mul_sum": Row(3, 4, True, lambda a, f, g: a + a * f + a * f * g),
    "classroom_groups": Row(3, 2, True, lambda a, b, c: a * b + c),
    "combined_rate": Row(3, 2, False, lambda a, b, t: (a + b) * t),
    "consume_then_sell": Row(4, 3, True, lambda p, u, v, price: (p - u - v) * price),
    "decimal_multiply": Row(2, 1, False, lambda n, d: n * d),
    "decimal_rate_week": Row(3, 2, True, lambda n, d, week: n * d * week),
    "distance_rate": Row(2, 1, False, lambda v, t: v * t),
    "distance_round_trip": Row(3, 2, True, lambda v, t, two: v * t * two),
    "div_chain": Row(4, 3, False, lambda s, a, b, c: s / a / b / c),
    "div_then_add": Row(2, 2, False, lambda a, half: a + a / half),
    "divide_multiply": Row(3, 2, False, lambda total, n, m: total / n * m),
    "feed_remainder_scattered": Row(4, 3, True, lambda a, n, b, c: a * n - (b + c)),
    "fraction_simple": Row(2, 1, False, lambda total, k: total / k),
    "growth_doubled": Row(3, 2, True, lambda a, m, x: a * m + x),
    "half_twice": Row(2, 2, False, lambda a, half: a + a / half),
    "interleaved_mul_mul": Row(3, 2, True, lambda a, b, d: a * b * d),
    "long_expense_chain": Row(5, 4, False, lambda s, a, b, c, m: (s - a - b - c) * m),
    "material_half": Row(2, 2, False, lambda a, half: a + a / half),
    "material_twice": Row(2, 2, False, lambda a, twice: a + a * twice),
    "multi_item_cost": Row(4, 3, True, lambda n, p, m, q: n * p + m * q),
    "multiply_add": Row(3, 2, False, lambda n, p, fee: n * p + fee),
    "nested_groups": Row(3, 2, True, lambda a, b, c: a * b * c),
    "parallel_merge": Row(4, 3, True, lambda n, k, g, h: n * k - (g + h)),
    "price_chain": Row(3, 2, False, lambda base, tax, shipping: base + tax + shipping),
    "rate_comparison_total": Row(3, 4, True, lambda r, t, m: r * t + r * m * t),
    "ratio_split": Row(3, 3, False, lambda total, k, other: total / (k + other) * k),
    "recover_then_multiply": Row(3, 2, True, lambda now, used, m: (now + used) * m),
    "remaining_capacity": Row(3, 2, True, lambda limit, b, u: (limit - b) / u),
    "school_supplies": Row(3, 2, True, lambda a, b, c: a * b + c),
    "shopping_spree": Row(4, 3, False, lambda s, a, b, c: s - a - b - c),
    "sub_sub_div_div": Row(5, 4, False, lambda s, a, b, m, n: (s - a - b) / m / n),
    "subtract_chain": Row(4, 3, False, lambda s, a, b, c: s - a - b - c),
    "time_from_distance": Row(2, 1, False, lambda d, v: d / v),
    "total_minus_given": Row(4, 3, True, lambda a, b, c, d: a * b - (c + d)),
    "twice_as_much": Row(2, 2, False, lambda a, twice: a + a / twice),
    "twice_relationship": Row(2, 1, False, lambda a, m: a * m),
    "two_period_sum": Row(4, 3, True, lambda r, t, s, u: r * t + s * u),
    "weekly_sprints": Row(3, 2, True, lambda a, b, m: a * b * m),
    "weekly_sprints_same": Row(3, 2, True, lambda a, same, m: a * same * m),
    "work_rate": Row(3, 2, False, lambda r, t, w: r * t / w),
}
# fmt: on


def examples(catalog: Catalog, name: str) -> list[Example]:
    generator = Generator(catalog, seed=17)
    return [generator.example(f"arithmetic/{name}", index) for index in range(8)]


@pytest.mark.parametrize("name", PROMISED)
def test_a_promised_schema_has_its_shape_and_its_mathematics(catalog: Catalog, name: str) -> None:
    promised = PROMISED[name]
    plan = catalog.plan(f"arithmetic/{name}")
    assert plan.interleaved == promised.interleaved
    for example in examples(catalog, name):
        (part,) = example.trace.subtraces
        given = [
            Fraction(step.value)
            for step in part.steps
            if isinstance(step, Init) and step.value is not None
        ]
        assert len(given) == promised.inits
        assert sum(isinstance(step, Compute) for step in part.steps) == promised.operations
        assert promised.formula(*given) == example.answer, example.question


def test_the_same_number_really_comes_twice(catalog: Catalog) -> None:
    for example in examples(catalog, "weekly_sprints_same"):
        one, two, *_ = example.trace.subtraces[0].steps
        assert isinstance(one, Init)
        assert isinstance(two, Init)
        assert one.value == two.value


@pytest.mark.parametrize("name", PROMISED)
def test_each_is_told_in_three_domains_and_six_ways(catalog: Catalog, name: str) -> None:
    wordings = catalog.plan(f"arithmetic/{name}").wordings
    assert len({wording.name.split("/")[0] for wording in wordings}) >= 3
    assert len(wordings) >= 6
    starts = [wording.template.source.lstrip("[") for wording in wordings]
    assert any(start.startswith(("How", "What", "If")) for start in starts)


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("In the ratio ${large}:${small}, ${one} and ${two} share ${all}. Who gets most?", True),
        ("For every ${large} that ${one} gets, ${two} gets ${small} of ${all}. Who?", True),
        ("In the ratio ${small}:${large}, ${one} and ${two} share ${all}. Who gets most?", False),
        ("For every ${small} that ${one} gets, ${two} gets ${large} of ${all}. Who?", False),
    ],
)
def test_a_ratio_told_the_other_way_round_is_refused(text: str, sound: bool) -> None:
    relations = [parse_relation("ratio(one, large, two, small)"), parse_relation("has(goal, all)")]
    found = contradictions(text, relations, frozenset({"large", "small", "all"}), {})
    assert any("crossed" in fault for fault in found) != sound
