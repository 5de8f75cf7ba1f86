"""To which expert a converted trace is given.

Under the fitting policy a trace goes to another expert than arithmetic only where
its structure and the question's words leave no doubt: one percentage of a base, a
rate times a time, two people compared. Everything else is arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from trace_pipeline.gsm8k.conversion.emission import RESULT, Written, write_subtrace
from trace_pipeline.gsm8k.conversion.mentions import Form
from trace_pipeline.gsm8k.conversion.naming import Namer, identifier
from trace_pipeline.gsm8k.conversion.nodes import HUNDRED, Apply, Facet, Given, Node, facet_value
from trace_pipeline.gsm8k.conversion.reading import Reading
from trace_pipeline.gsm8k.conversion.text import Text
from trace_pipeline.traces import (
    Init,
    PercentIncrease,
    PercentOf,
    PercentOff,
    Query,
    Step,
    SubTrace,
    Trace,
)

_RATES = frozenset(("per", "a", "an", "each", "every"))
_PERCENT_STEPS: dict[str, type[PercentOf] | type[PercentOff] | type[PercentIncrease]] = {
    "of": PercentOf,
    "off": PercentOff,
    "increase": PercentIncrease,
}


class Policy(StrEnum):
    """Which experts converted traces use."""

    ARITHMETIC = "arithmetic"
    """Everything arithmetic."""
    FITTING = "fitting"
    """The expert whose vocabulary fits, where that is unambiguous."""


class _Percentage(Struct, frozen=True):
    node: Node
    base: Node
    rate: Given
    kind: str


def write_trace(
    reading: Reading, text: Text, policy: Policy, names: Mapping[Node, str] | None = None
) -> tuple[Trace, tuple[tuple[Node | None, ...], ...]]:
    """``reading`` as a trace, and the origin of the number in each step of each sub-trace.

    ``names`` are those of computed values; the others are numbered.
    """
    written = _fitting(reading, text, names or {}) if policy is Policy.FITTING else None
    if written is None:
        written = [write_subtrace(reading.order, text, names=names)]
    return (
        Trace(tuple(part.subtrace for part in written)),
        tuple(part.origins for part in written),
    )


def _fitting(reading: Reading, text: Text, names: Mapping[Node, str]) -> list[Written] | None:
    return _rate(reading, text) or _comparison(reading, text) or _percentage(reading, text, names)


def _rate(reading: Reading, text: Text) -> list[Written] | None:
    """One product of a number per something and another number."""
    root = reading.root
    if not isinstance(root, Apply) or root.op != "mul" or len(root.args) != 2:
        return None
    if not all(isinstance(arg, Given) and arg.facet is Facet.VALUE for arg in root.args):
        return None
    rates = [arg for arg in root.args if isinstance(arg, Given) and _is_rate(arg, text)]
    if len(rates) != 1:
        return None
    return [write_subtrace(reading.order, text, "rate_equation")]


def _is_rate(node: Given, text: Text) -> bool:
    mention = text.mentions[node.mention]
    behind = [token.lower for token in text.tokens[mention.last : mention.last + 3]]
    return bool(behind) and (
        not _RATES.isdisjoint(behind[1:]) or behind[0] in ("per", "each", "/") or "mph" in behind
    )


def _comparison(reading: Reading, text: Text) -> list[Written] | None:
    """Two people or things: ``k`` times or more than the other, then sum or difference."""
    root = reading.root
    if not isinstance(root, Apply) or root.op not in ("add", "sub") or len(root.args) != 2:
        return None
    first, second = root.args
    base, other = (first, second) if isinstance(first, Given) else (second, first)
    if not isinstance(base, Given) or not isinstance(other, Apply) or len(other.args) != 2:
        return None
    factors = [arg for arg in other.args if arg != base]
    if base not in other.args or len(factors) != 1 or not isinstance(factors[0], Given):
        return None
    if other.op not in ("mul", "div", "add", "sub") or not _compares(factors[0], text):
        return None
    owner = _owner(base, text)
    if owner is None:
        return None
    # The base is read first whichever way round the author multiplied.
    operands = (base, factors[0])
    node = Apply(other.op, operands) if other.op in ("mul", "add") else other
    if node.args[0] != base:
        return None
    top = Apply(root.op, tuple(node if arg == other else arg for arg in root.args))
    names: dict[Node, str] = {base: f"{owner}.{Namer(text).given(base)}"}
    return [write_subtrace((node, top), text, "comparison", names)]


def _compares(node: Given, text: Text) -> bool:
    mention = text.mentions[node.mention]
    if mention.form in (Form.MULTIPLE, Form.PART, Form.FRACTION):
        return True
    behind = {token.lower for token in text.tokens[mention.last : mention.last + 4]}
    return text.is_factor(node.mention) or not behind.isdisjoint(
        ("more", "less", "fewer", "older", "younger", "taller", "shorter")
    )


def _owner(node: Given, text: Text) -> str | None:
    """The one person named right before a number."""
    first = text.mentions[node.mention].first
    for position in range(first - 1, max(-1, first - 6), -1):
        token = text.tokens[position]
        if token.text in text.names:
            return identifier(token.text)
        if token.text in (".", "?", "!"):
            break
        if position == 0 or text.tokens[position - 1].text in (".", "?", "!"):
            return identifier(token.text) if token.text in text.everyone else None
    return None


def _percentage(reading: Reading, text: Text, names: Mapping[Node, str]) -> list[Written] | None:
    """One percentage, alone or between arithmetic that leads to its base and goes on from it."""
    found = [match for node in reading.order if (match := _matched(node, text)) is not None]
    if not found:
        return None
    widest = found[-1]
    if any(match.node not in {widest.node, *_below(widest.node)} for match in found):
        return None  # several percentages
    if not isinstance(widest.base, Apply | Given) or _leaks(widest, reading):
        return None
    parts: list[Written] = []
    sources: dict[Node, str] = {}
    if isinstance(widest.base, Apply):
        before = [node for node in reading.order if node in _below(widest.node)]
        before = before[: before.index(widest.base) + 1] if widest.base in before else []
        if not before:
            return None
        parts.append(write_subtrace(before, text, names=names))
        sources[widest.base] = "sub0.result"
    parts.append(_written_percentage(widest, text))
    if widest.node != reading.root:
        sources[widest.node] = "prev.result"
        done = _below(widest.node)
        rest = [node for node in reading.order if node != widest.node and node not in done]
        named = {**names, widest.node: _named(widest)}
        parts.append(write_subtrace(rest, text, names=named, sources=sources))
    return parts


def _leaks(percentage: _Percentage, reading: Reading) -> bool:
    """Whether a computation inside the percentage is needed outside of it too."""
    kept = _below(percentage.base) | {percentage.base}
    hidden = _below(percentage.node) - kept
    outside = [node for node in reading.order if node not in hidden | kept | {percentage.node}]
    used = {
        arg
        for node in outside
        for part in {node} | _below_until(node, percentage.node)
        if isinstance(part, Apply)
        for arg in part.args
    }
    return not hidden.isdisjoint(used)


def _below_until(node: Node, stop: Node) -> set[Node]:
    """Every computation that ``node`` needs, ``stop`` and what only it needs left out."""
    found: set[Node] = set()
    if isinstance(node, Apply):
        for arg in node.args:
            if isinstance(arg, Apply) and arg != stop and arg not in found:
                found |= {arg} | _below_until(arg, stop)
    return found


def _named(percentage: _Percentage) -> str:
    return {"of": "share", "off": "reduced", "increase": "increased"}[percentage.kind]


def _matched(node: Node, text: Text) -> _Percentage | None:
    """A percentage of a base, or the base with it taken off or added."""
    if not isinstance(node, Apply) or len(node.args) != 2:
        return None
    if node.op in ("sub", "add"):
        for base, share in (node.args, node.args[::-1])[: 1 if node.op == "sub" else 2]:
            inner = _matched(share, text)
            if inner is not None and inner.kind == "of" and inner.base == base:
                return _Percentage(
                    node, base, inner.rate, "off" if node.op == "sub" else "increase"
                )
        return None
    if node.op == "mul":
        for share, base in (node.args, node.args[::-1]):
            match share:
                case Apply(op="div", args=(Given() as rate, hundred)) if hundred == HUNDRED:
                    if text.mentions[rate.mention].form is Form.PERCENT:
                        return _Percentage(node, base, rate, "of")
    match node:
        case Apply(op="div", args=(Apply(op="mul", args=(first, second)), hundred)):
            if hundred != HUNDRED:
                return None
            for part, base in ((first, second), (second, first)):
                if isinstance(part, Given) and text.mentions[part.mention].form is Form.PERCENT:
                    return _Percentage(node, base, part, "of")
    return None


def _below(node: Node) -> set[Node]:
    """Every computation that ``node`` needs."""
    found: set[Node] = set()
    if isinstance(node, Apply):
        for arg in node.args:
            if isinstance(arg, Apply) and arg not in found:
                found |= {arg} | _below(arg)
    return found


def _written_percentage(percentage: _Percentage, text: Text) -> Written:
    namer = Namer(text)
    base = percentage.base
    follows = isinstance(base, Apply)
    if follows:
        name = namer.plain("base")
        first = Init(name, source="prev.result")
    elif isinstance(base, Given):
        name = namer.given(base)
        first = Init(name, facet_value(text.mentions[base.mention], base.facet))
    else:
        raise TypeError(f"a percentage of {type(base).__name__}")
    rate = namer.plain("rate")
    step: Step = _PERCENT_STEPS[percentage.kind](name, rate, RESULT)
    return Written(
        SubTrace(
            "percentage",
            (first, Init(rate, text.mentions[percentage.rate.mention].value), step, Query(RESULT)),
        ),
        (None if follows else base, percentage.rate, None, None),
    )
