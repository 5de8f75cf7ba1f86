from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trace_pipeline.generation.allocation import in_proportion, largest_remainder

WEIGHTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 50), min_size=1)


@given(st.integers(0, 2000), WEIGHTS)
def test_largest_remainder_is_exact_and_fair(n: int, weights: dict[str, float]) -> None:
    counts = largest_remainder(n, weights)
    total = sum(weights.values())
    assert sum(counts.values()) == n
    assert all(abs(counts[key] - n * weight / total) < 1 for key, weight in weights.items())


def test_250_at_the_notebooks_mix_is_250() -> None:
    """The notebook's generator gave 249 (run 7)."""
    weights = {"arithmetic": 20, "composition": 15, "entity_track": 25, "comparison": 20}
    assert sum(largest_remainder(250, weights | {"x": 10, "y": 10}).values()) == 250


def test_ties_go_by_the_given_order() -> None:
    weights = {"a": 1.0, "b": 1.0, "c": 1.0}
    assert largest_remainder(1, weights) == {"a": 1, "b": 0, "c": 0}
    assert largest_remainder(1, weights, order=lambda key: -ord(key)) == {"a": 0, "b": 0, "c": 1}


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 30)), st.sampled_from("abcdef"))
def test_the_order_of_a_part_does_not_depend_on_the_rest(quota: dict[str, int], one: str) -> None:
    whole = list(in_proportion(quota))
    assert sorted(whole) == [(key, i) for key in sorted(quota) for i in range(quota[key])]
    part = {key: count for key, count in quota.items() if key <= one}
    assert list(in_proportion(part)) == [item for item in whole if item[0] <= one]


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 60)), st.integers(0, 400))
def test_any_place_is_found_without_those_before(quota: dict[str, int], start: int) -> None:
    assert list(in_proportion(quota, start)) == list(in_proportion(quota))[start:]
