"""Short ways to write traces in tests: one line a step, ``a = 5``, ``c = add a b``, ``query c``."""

from __future__ import annotations


def program(*steps: str, expert: str = "arithmetic") -> str:
    """The text of a single trace."""
    return f"expert: {expert}\ntrace:\n" + "".join(f"- {_step(step)}\n" for step in steps)


def composition(*parts: tuple[str, ...]) -> str:
    """The text of a composition of arithmetic sub-traces."""
    return "".join(
        "- expert: arithmetic\n  trace:\n" + "".join(f"  - {_step(step)}\n" for step in part)
        for part in parts
    )


def _step(text: str) -> str:
    words = text.split()
    if words[0] == "query":
        return f"{{op: query, var: {words[1]}}}"
    if words[0] in ("consume", "add_entity"):
        return f"{{op: {words[0]}, entity: {words[1]}, amount: {words[2]}}}"
    if words[0] == "transfer":
        op, giver, taker, amount = words
        return f"{{op: {op}, from_entity: {giver}, to_entity: {taker}, amount: {amount}}}"
    var, equals, first, *rest = words
    assert equals == "=", text
    if first.startswith("percent"):
        return f"{{op: {first}, base: {rest[0]}, rate: {rest[1]}, var: {var}}}"
    if rest:
        op, first = ("compare", first[1:]) if first[0] == "?" else ("compute", first)
        return f"{{op: {op}, compute_op: {first}, args: [{', '.join(rest)}], var: {var}}}"
    kind = "source" if first.endswith(".result") else "value"
    return f"{{op: init, var: {var}, {kind}: {first}}}"
