"""What the catalogue promises beyond its arithmetic rows: experts and mathematics, row by row."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from tests.generation.test_arithmetic_catalogue import PROMISED
from trace_pipeline.generation import Catalog, Generator
from trace_pipeline.generation.grounding import trace_numbers

ROOT = Path(__file__).parents[2]

Formula = Callable[..., Fraction]
"""Of the numbers that the trace states, in its order."""

# fmt: off
SINGLE: dict[str, Formula] = {
    "comparison/comparison_half": lambda a, half: a - a / half,
    "comparison/comparison_more_less": lambda a, d: a + d + a,
    "comparison/comparison_sum_diff": lambda total, d, two: (total + d) / two,
    "comparison/comparison_times_more": lambda a, m: a * m - a,
    "entity_track/entity_bidirectional": lambda a, other, t, u: a - t + u,
    "entity_track/entity_consume_multiply": lambda s, a, b, p: (s - a - b) * p,
    "entity_track/entity_consume_sequence": lambda s, a, b: s - a - b,
    "entity_track/entity_find_lose": lambda s, f, lost: s + f - lost,
    "entity_track/entity_simple_transfer": lambda s, t: s - t,
    "percentage/percent_increase": lambda b, r: b + b * r / 100,
    "percentage/percent_off": lambda p, r: p - p * r / 100,
    "percentage/percent_simple": lambda w, r: w * r / 100,
    "percentage/percent_tip": lambda bill, r: bill * r / 100,
    "rate_equation/rate_distance": lambda v, t: v * t,
    "rate_equation/rate_earning": lambda wage, t: wage * t,
    "rate_equation/rate_production": lambda r, t: r * t,
    "rate_equation/rate_time_quantity": lambda r, t: r * t,
}
"""The notebook's own problems of one expert."""

FAILED_BEFORE: dict[str, Formula] = {
    "comparison/comparison_times_plus": lambda a, m, d: a * m + d,
    "comparison/comparison_times_minus": lambda a, m, d: a * m - d,
    "comparison/comparison_half_plus": lambda a, half, d: a / half + d,
    "comparison/comparison_fewer_together": lambda a, d: a - d + a,
    "comparison/comparison_shared_times": lambda a, m: a / m + a,
    "comparison/comparison_sum_times": lambda total, m, one: total / (m + one),
    "comparison/comparison_sum_diff_smaller": lambda total, d, two: (total - d) / two,
    "entity_track/entity_receiver": lambda s, other, t: other + t,
    "entity_track/entity_pass_along": lambda s, other, t, u: other + t - u,
    "entity_track/entity_restock_share": lambda s, a, b, n: (s - a + b) / n,
    "entity_track/entity_stops": lambda s, a, b, c, d: s - a + b - c + d,
    "percentage/percent_decrease": lambda b, r: b - b * r / 100,
    "percentage/percent_remaining": lambda w, r: w - w * r / 100,
    "percentage/percent_tip_total": lambda bill, r: bill + bill * r / 100,
    "rate_equation/rate_consumption": lambda r, t: r * t,
    "arithmetic/relation_chain_total": lambda a, m, d: a + a * m + (a * m - d),
    "arithmetic/half_chain_total": lambda a, half, d: a + a / half + (a / half + d),
    "arithmetic/more_fewer_last": lambda a, d, e: a + d - e,
    "arithmetic/twice_plus_total": lambda a, m, d: a + (a * m + d),
    "arithmetic/age_chain": lambda a, d, m, years: (a - d) * m + years,
    "arithmetic/average_with_relation": lambda a, m, d, n: (a + a * m + (a * m + d)) / n,
    "arithmetic/average_needed": lambda goal, n, a, b, c: goal * n - a - b - c,
    "arithmetic/share_of_profit": lambda n, p, cost, people: (n * p - cost) / people,
    "arithmetic/round_up_groups": lambda a, b, size: Fraction(math.ceil((a + b) / size)),
    "arithmetic/left_over": lambda n, k, size: n * k % size,
    "arithmetic/full_boxes": lambda n, lost, size: Fraction((n - lost) // size),
    "arithmetic/dozens_in_cents": lambda n, dozen, cents, dollar: n * dozen * cents / dollar,
    "arithmetic/minutes_to_hours": lambda minutes, days, hour: minutes * days / hour,
    "arithmetic/hours_and_minutes": lambda h, hour, m, extra: h * hour + m + extra,
    "arithmetic/every_so_many": lambda n, step, each: n / step * each,
    "arithmetic/every_second": lambda n, two, each: n / two * each,
    "arithmetic/fraction_of_rest": lambda n, k, m: (n - n / k) / m,
    "arithmetic/undo_half": lambda left, d, two: (left + d) * two,
    "arithmetic/work_backwards": lambda left, a, b, got: left + a + b - got,
    "arithmetic/weigh_and_change": lambda w, p, paid: paid - w * p,
    "arithmetic/change_back": lambda n, p, m, q, paid: paid - n * p - m * q,
    "arithmetic/overtime_pay":
        lambda h, limit, r, extra: limit * r + (h - limit) * r * extra,
    "arithmetic/pack_or_single": lambda n, p, pack: n * p - pack,
    "arithmetic/unit_price_times": lambda p, n, m: p / n * m,
    "arithmetic/fuel_cost": lambda d, per, p: d / per * p,
}
"""Problems aimed at what the notebook's models got wrong."""

FREQUENT: dict[str, Formula] = {
    "arithmetic/split_twice": lambda a, b, c: a / b / c,
    "arithmetic/packed_and_shared": lambda a, b, c, d: a * b / c / d,
    "arithmetic/margin_times": lambda b, c, a: a * (b - c),
    "arithmetic/four_factors": lambda a, b, c, d: a * b * c * d,
    "arithmetic/three_items_cost": lambda a, b, c, d, e, f: a * b + c * d + e * f,
    "arithmetic/income_minus_cost": lambda a, b, c, d: a * b - c * d,
    "arithmetic/rest_divided": lambda a, b, c, d: (a - b * c) / d,
    "arithmetic/four_factors_packed": lambda a, b, c, d, e: a * b * c * d / e,
    "arithmetic/three_factors_shared_twice": lambda a, b, c, d, e: a * b * c / d / e,
    "arithmetic/gain_then_losses": lambda a, b, c, d: a + b - c - d,
    "arithmetic/two_parts_of_each": lambda a, b, c: a * b + a * c,
    "arithmetic/same_price_difference": lambda a, b, c: a * b - c * b,
    "arithmetic/two_eaters": lambda a, b, c: a - b - c * b,
    "arithmetic/share_less_some": lambda a, b, c: a / b - c,
    "arithmetic/stock_made_sold": lambda a, b, c, d: a + b * c - d,
    "arithmetic/packed_less_some": lambda a, b, c, d: a * b / c - d,
    "arithmetic/good_ones_shared": lambda a, b, c, d: a * (b - c) / d,
    "arithmetic/fraction_gone": lambda a, b, c, d: a * b - c * (a * b) / d,
    "arithmetic/some_and_a_part_gone": lambda a, b, c: a - b - a / c,
    "arithmetic/sets_of_three": lambda b, c, d, a: a * (b + c + d),
}
"""The twenty shapes most frequent in GSM-8K's training split that no schema had
(docs/results/conversion.md)."""

COMPOSED: dict[str, tuple[str, Formula]] = {
    "percent_off_plus_extra": ("pa", lambda p, r, x: p - p * r / 100 + x),
    "percent_increase_minus_cost": ("pa", lambda v, r, paid: v * r / 100),
    "percent_of_then_multiply": ("pa", lambda w, r, n: w * r / 100 * n),
    "rate_then_subtract": ("ra", lambda r, t, d: r * t - d),
    "value_increase_profit": ("pa", lambda h, r, paid, c: h + h * r / 100 - (paid + c)),
    "paired_discount": ("pa", lambda p, r, full, n, two: (p + p * r / 100) * n / two),
    "interrupted_rate": ("pa", lambda s, r, v, wait, again: s * r / 100 / v + wait + again / v),
    "consume_then_sell": ("ea", lambda e, a, b, p: (e - a - b) * p),
    "cost_increase_profit": ("apa", lambda h, c, base, r: base + base * r / 100 - (h + c)),
    "discount_tax_total":
        ("ppa", lambda p, d, t, fee: p * (100 - d) / 100 * (100 + t) / 100 + fee),
    "comparison_then_total": ("ca", lambda a, d, p: a * p + (a + d) * p),
    "rate_comparison_total": ("rca", lambda r, t, slow, d, hours: r * t + (slow + d) * hours),
    "cart_with_tax": ("ap", lambda n, p, m, q, r: (n * p + m * q) * (100 + r) / 100),
    "percent_of_percent": ("pp", lambda w, r, q: w * r / 100 * q / 100),
    "percent_rest_shared": ("pa", lambda w, r, whole, n: (whole - w * r / 100) / n),
    "stock_percent_sold": ("ep", lambda s, a, b, r: (s - a + b) * r / 100),
    "successive_discounts": ("pp", lambda p, r, q: p * (100 - r) / 100 * (100 - q) / 100),
    "tip_split": ("pa", lambda bill, r, n: bill * (100 + r) / 100 / n),
    "together_percent": ("cp", lambda a, d, r: (a + a - d) * r / 100),
    "wages_saved": ("rp", lambda wage, t, r: wage * t * r / 100),
    "gifts_times_price": ("eca", lambda s, g, m, d, p: ((s - g) * m + d) * p),
    "output_used_sold": ("rea", lambda r, t, a, b, p: (r * t - a - b) * p),
    "two_shifts_total": ("rra", lambda r, t, q, u, bonus: r * t + q * u + bonus),
    "output_used_percent_sold": ("repa", lambda r, t, a, s, p: (r * t - a) * s / 100 * p),
    "stock_compared_percent":
        ("ecpa", lambda s, g, m, d, r, new: ((s - g) * m + d) * (100 - r) / 100 + new),
    "wages_compared_taxed":
        ("rcpa", lambda r, t, m, d, tax, c: (r * t * m + d) * (100 - tax) / 100 - c),
}
"""Experts of the sub-traces by their first letters, and the mathematics."""
# fmt: on

FORMULAS = (
    SINGLE | FAILED_BEFORE | FREQUENT | {f"composition/{n}": f for n, (_, f) in COMPOSED.items()}
)


@pytest.mark.parametrize("schema", FORMULAS)
def test_a_promised_problem_has_its_mathematics(catalog: Catalog, schema: str) -> None:
    generator = Generator(catalog, seed=23)
    for index in range(8):
        example = generator.example(schema, index)
        given = [Fraction(number) for number in trace_numbers(example.trace.subtraces)]
        assert FORMULAS[schema](*given) == example.answer, example.question


@pytest.mark.parametrize("name", COMPOSED)
def test_a_composition_joins_the_experts_it_promises(catalog: Catalog, name: str) -> None:
    plan = catalog.plan(f"composition/{name}")
    assert "".join(part.expert[0] for part in plan.subtraces) == COMPOSED[name][0]


@pytest.mark.parametrize("schema", FORMULAS)
def test_each_is_told_in_three_domains_and_six_ways(catalog: Catalog, schema: str) -> None:
    wordings = catalog.plan(schema).wordings
    assert len({wording.name.split("/")[0] for wording in wordings}) >= 3
    assert len(wordings) >= 6


@pytest.mark.parametrize("schema", FORMULAS)
def test_each_puts_the_question_first_somewhere(catalog: Catalog, schema: str) -> None:
    texts = [wording.template.source.lstrip("[") for wording in catalog.plan(schema).wordings]
    assert any(text.startswith(("How ", "What ")) for text in texts)


def test_no_mathematics_goes_untested(catalog: Catalog) -> None:
    assert catalog.plans.keys() == FORMULAS.keys() | {f"arithmetic/{name}" for name in PROMISED}


def test_the_guide_lists_every_schema_where_it_belongs(catalog: Catalog) -> None:
    """docs/catalogue.md: one table for each of the groups of this module."""
    page = (ROOT / "docs" / "catalogue.md").read_text()
    listed = {
        title.strip(): re.findall(r"^\| `([\w/]+)` \|", table, re.MULTILINE)
        for title, table in re.findall(
            r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL
        )
    }
    first_compositions = [f"composition/{name}" for name in list(COMPOSED)[:12]]
    assert listed == {
        "The notebook's problems": [*(f"arithmetic/{name}" for name in PROMISED), *SINGLE],
        "The notebook's compositions": first_compositions,
        "Aimed at what models failed on": list(FAILED_BEFORE),
        "More compositions": [f"composition/{name}" for name in list(COMPOSED)[12:]],
        "Frequent shapes of GSM-8K": list(FREQUENT),
    }


def test_there_are_three_hundred_names(catalog: Catalog) -> None:
    texts = catalog.plan("comparison/comparison_half").wordings[0].drawer.pools
    people = dict(texts)["one"]
    assert len(people) >= 300


def test_there_are_two_hundred_and_fifty_things(catalog: Catalog) -> None:
    entries = {
        entry.key: entry
        for plan in catalog.plans.values()
        for wording in plan.wordings
        for _, pool in wording.drawer.pools
        for entry in pool
    }
    assert sum("many" in entry.forms for entry in entries.values()) >= 250
