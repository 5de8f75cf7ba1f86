"""How many examples each schema gives, and in which order they come."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from itertools import islice

from trace_pipeline.experiment import DEFAULT_MIX, EXPERTS
from trace_pipeline.generation.plan import Plan
from trace_pipeline.generation.vocabulary import CatalogError
from trace_pipeline.solver import COMPOSITION
from trace_pipeline.validation import unknown_name

Quota = dict[str, int]
"""Count by schema id or expert."""

Order = Callable[[str], int]
"""A fixed pseudo-random rank, by which remainders that do not divide are given out."""


def largest_remainder(n: int, weights: Mapping[str, float], order: Order | None = None) -> Quota:
    """``n`` split exactly in proportion to ``weights`` (Hamilton's method).

    Ties go by ``order``, else alphabetically.
    """
    exact = {key: Fraction(str(weight)) for key, weight in weights.items()}
    total = sum(exact.values())
    shares = {key: n * weight / total for key, weight in exact.items()}
    counts = {key: int(share) for key, share in shares.items()}
    rank = order or (lambda key: 0)
    by_remainder = sorted(shares, key=lambda key: (int(shares[key]) - shares[key], rank(key), key))
    for key in by_remainder[: n - sum(counts.values())]:
        counts[key] += 1
    return counts


def allocate(
    n: int,
    mix: Mapping[str, float] | None,
    plans: Iterable[Plan],
    order: Order,
    *,
    interleaved_ratio: float | None = None,
    composition_share: float | None = None,
    restricted: bool = False,
) -> Quota:
    """Count by schema id: experts by ``mix``, then evenly over each expert's schemas.

    With ``restricted`` (the user chose schemas), experts of the mix that have none are left out.

    Raises:
        CatalogError: a mix that names an unknown expert or one without schemas.
    """
    groups: dict[str, list[Plan]] = {}
    for plan in plans:
        groups.setdefault(plan.expert, []).append(plan)
    weights = dict(DEFAULT_MIX if mix is None else mix)
    for expert in weights:
        if expert not in EXPERTS:
            raise CatalogError(f"mix: {unknown_name('expert', expert, list(EXPERTS))}")
    weights = {expert: weight for expert, weight in weights.items() if weight}
    if composition_share is not None:
        weights = _with_share(weights, composition_share)
    if restricted:
        weights = {expert: weight for expert, weight in weights.items() if expert in groups}
    missing = sorted(set(weights) - set(groups))
    if missing:
        raise CatalogError(f"mix: there is no schema of {missing[0]!r}; leave it out of the mix")
    if not weights and restricted and groups:
        chosen = ", ".join(sorted(groups))
        raise CatalogError(
            f"mix: the chosen schemas are of {chosen}, which has no weight in the mix"
        )
    if not weights:
        raise CatalogError("mix: no expert with a weight has a schema; give one a weight")
    counts: Quota = {}
    for expert, count in largest_remainder(n, weights).items():
        counts |= _over_schemas(count, expert, groups[expert], order, interleaved_ratio)
    return counts


def _with_share(weights: dict[str, float], share: float) -> dict[str, float]:
    others = {expert: weight for expert, weight in weights.items() if expert != COMPOSITION}
    rest = sum(others.values()) or 1.0
    scaled = {expert: weight / rest * (1 - share) for expert, weight in others.items()}
    return {key: value for key, value in (scaled | {COMPOSITION: share}).items() if value}


def _over_schemas(
    count: int, expert: str, plans: list[Plan], order: Order, interleaved_ratio: float | None
) -> Quota:
    if expert != "arithmetic" or interleaved_ratio is None:
        return largest_remainder(count, {plan.id: 1 for plan in plans}, order)
    kinds = {"interleaved": interleaved_ratio, "sequential": 1 - interleaved_ratio}
    totals = largest_remainder(count, {kind: share for kind, share in kinds.items() if share})
    quota: Quota = {}
    for kind, total in totals.items():
        chosen = {plan.id: 1 for plan in plans if plan.interleaved == (kind == "interleaved")}
        if not chosen:
            raise CatalogError(f"interleaved_ratio: there is no {kind} arithmetic schema")
        quota |= largest_remainder(total, chosen, order)
    return quota


def in_proportion(quota: Quota, start: int = 0) -> Iterator[tuple[str, int]]:
    """Every (key, index) of a quota, each key spread evenly over the whole sequence.

    The order of some keys among themselves does not depend on the others. What lies before
    place ``start`` is left out, without a walk through it.
    """
    # Up to any point from 0 to 1, a key has given its share of its count, to within a half.
    # So no more than ``start`` come before this point, and hardly fewer.
    point = max(0, start - len(quota)) / max(1, sum(quota.values()))
    firsts = {
        key: bisect_left(range(count), point, key=partial(_position, count))
        for key, count in quota.items()
    }
    streams = [_spread(key, quota[key], firsts[key]) for key in sorted(quota)]
    following = ((key, index) for _, key, index in heapq.merge(*streams))
    return islice(following, start - sum(firsts.values()), None)


def _position(count: int, index: int) -> float:
    # One correctly rounded division: equal fractions give equal floats on every machine.
    return (2 * index + 1) / (2 * count)


def _spread(key: str, count: int, first: int) -> Iterator[tuple[float, str, int]]:
    return ((_position(count, index), key, index) for index in range(first, count))
