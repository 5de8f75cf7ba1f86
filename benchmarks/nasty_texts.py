"""Texts made to be slow or to break a reader; each must be judged within bounds.

A plain module, so that the benchmark measures the same corpus as the tests judge.
"""

from __future__ import annotations

from collections.abc import Iterator

from trace_pipeline.traces.limits import MAX_BYTES

_HEAD = "expert: arithmetic\ntrace:\n"
_QUERY = "- {op: query, var: a}\n"


def nasty_texts() -> dict[str, str]:
    """Name -> text, the same at every call."""
    return dict(_texts())


def _fill(piece: str, head: str = _HEAD, tail: str = "") -> str:
    """As many pieces as fit between head and tail within the limit on length."""
    room = MAX_BYTES - len((head + tail).encode())
    return head + piece * (room // len(piece.encode())) + tail


def _numbered(step: str, head: str, tail: str) -> str:
    """As above for a step in which ``{n}`` is a running number."""
    lines: list[str] = []
    room = MAX_BYTES - len(head) - len(tail)
    while (room := room - len(line := step.replace("{n}", str(len(lines))))) >= 0:
        lines.append(line)
    return head + "".join(lines) + tail


def _texts() -> Iterator[tuple[str, str]]:
    deep = "expert: arithmetic\ntrace: "
    yield "empty", ""
    yield "a million characters", "a" * 1_000_000
    yield "a million steps", _HEAD + _QUERY * 1_000_000
    yield "prose", _fill("the answer is 18. ", "")
    yield "newlines", "\n" * MAX_BYTES
    yield "spaces", " " * MAX_BYTES
    yield "trace keys", _fill("trace:\nX\n", "")
    yield "expert keys", _fill("expert: a\n", "")
    yield "item starts", _fill("- expert:\n", "")
    yield "braces before expert", _fill("{expert:", "")
    yield "unclosed quotes", _fill("'{expert: \"", "")
    yield "escaped quotes", _fill('\\"', '{expert: "')
    yield "brackets", "[" * MAX_BYTES
    yield "brackets in a trace", _fill("[", deep)
    yield "5000-deep mappings", _fill("{a: ", deep)
    yield "dashes", _fill("- ", deep + "\n")
    yield "question marks", _fill("? ", deep + "\n")
    yield "indentation", deep + "".join(f"\n{' ' * n}a:" for n in range(1, 170))
    yield "flow of empties", _fill("[],", deep + "[", "]")
    yield "flow of keys", _numbered("a{n}: ,", deep + "[{", "}]")
    yield "small steps", _fill("- {op: query}\n")
    yield "empty steps", _fill("- {}\n")
    yield "keyed steps", _fill("- {a: 1, b: 2, c: 3}\n")
    yield "one long step", _numbered("k{n}: {n}, ", _HEAD + "- {", "}\n")
    yield "quoted scalars", _fill('"a",', deep + "[{op: [", "]}]")
    yield "escapes", _fill(r"\u0041", _HEAD + '- {op: "', '"}\n')
    yield "aliases", _fill("*a, ", "expert: &a arithmetic\ntrace: [", "]")
    yield (
        "alias bomb",
        "expert: &a [x, x]\ntrace: [*a]\n"
        + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in ("ab", "bc", "cd", "de")),
    )
    yield "tags", _fill("- !!int 5\n")
    yield "comments", _fill("# x\n", _HEAD + _QUERY)
    yield "merge keys", _fill("- {<<: {a: 1}}\n")
    yield "block scalar", _fill("   x\n", _HEAD + "- op: |\n")
    yield "folded prose", _fill("   x y\n", _HEAD + "- op: query\n  var: >-\n")
    yield "commas", _fill(",111", _HEAD + "- {op: init, var: a, value: 1", "}\n")
    yield "digits", _fill("9", _HEAD + "- {op: init, var: a, value: ", "}\n")
    yield "zeros", _fill("0", _HEAD + "- {op: init, var: a, value: 0.", "1}\n")
    yield "hexadecimal", _fill("f", _HEAD + "- {op: init, var: a, value: 0x", "}\n")
    yield "exponent", _fill("9", _HEAD + "- {op: init, var: a, value: 1e", "}\n")
    yield "ratio", _fill("9", _HEAD + "- {op: init, var: a, value: 1/", "}\n")
    init = f"- {{op: init, var: v{{n}}, value: {'9' * 300}}}\n"
    yield "many huge values", _numbered(init, _HEAD, _QUERY)
    yield "ratios", _numbered(init.replace("9}", "9/7}"), _HEAD, _QUERY)
    yield "control characters", _fill("\x00\x1b\x7f", "")
    yield "surrogates", "expert: \ud800\ntrace: []\n" * 10
    yield "unicode", _fill("é\u2028\u0085😀", "")
    yield "carriage returns", _fill("- {op: query, var: a}\r\n", _HEAD)
    yield "tabs", _fill("\t", _HEAD)
    yield "long name", _fill("a", _HEAD + "- {op: query, var: ", "}\n")
    yield "source", _fill("9", _HEAD + "- {op: init, var: a, source: sub", ".result}\n")
    yield from _executions()


def _executions() -> Iterator[tuple[str, str]]:
    """Traces of a right shape that make execution and the short-circuit check work."""
    start = "- {op: init, var: a, value: 3}\n- {op: init, var: b, value: 0.7}\n"
    args = ", ".join(["a"] * 32)
    sums = f"- {{op: compute, compute_op: add, args: [{args}], var: s{{n}}}}\n"
    yield "wide sums", _subtraces(start, sums)
    yield "wide products", _subtraces(start, sums.replace("add", "mul"))
    yield "wide sums of fractions", _subtraces(start, sums.replace("[a", "[b"))
    total = f"- {{op: compute, compute_op: add, args: [{args}], var: t}}\n"
    less = ", ".join(["t"] + ["a"] * 31)
    rest = f"- {{op: compute, compute_op: sub, args: [{less}], var: s{{n}}}}\n"
    yield "a disguise under wide sums", _subtraces(start + total, rest)
    yield "towers", _subtraces(start, "- {op: compute, compute_op: pow, args: [a, a], var: s{n}}\n")
    huge = f"- {{op: init, var: a, value: {'8' * 307}}}\n- {{op: init, var: b, value: 1/3}}\n"
    yield (
        "cube roots",
        _subtraces(
            huge.replace("8" * 307, str(int("8" * 102) ** 3)),
            "- {op: compute, compute_op: pow, args: [a, b], var: s{n}}\n",
        ),
    )
    yield (
        "huge powers",
        _subtraces(huge, "- {op: compute, compute_op: pow, args: [b, a], var: s{n}}\n"),
    )
    fine = f"- {{op: init, var: a, value: {'8' * 307}/{'7' * 306}1}}\n"
    copies = "- {op: compute, compute_op: sub, args: [a, a], var: s{n}}\n"
    yield "fine fractions", _subtraces(fine, copies)
    wide = ", ".join(["a"] + ["z"] * 31)
    yield (
        "fine fractions, wide",
        _subtraces(
            fine + "- {op: compute, compute_op: sub, args: [a, a], var: z}\n",
            f"- {{op: compute, compute_op: add, args: [{wide}], var: s{{n}}}}\n",
        ),
    )
    yield (
        "wide minima",
        _subtraces(
            fine,
            f"- {{op: compute, compute_op: min, args: [{args}], var: s{{n}}}}\n",
        ),
    )
    pair = ", ".join(["a", "b"] * 16)
    yield (
        "products that cancel",
        _subtraces(
            "- {op: init, var: a, value: 3/7}\n- {op: init, var: b, value: 7/3}\n",
            f"- {{op: compute, compute_op: mul, args: [{pair}], var: s{{n}}}}\n",
        ),
    )
    moves = "- {op: transfer, from_entity: a, to_entity: e, amount: 0}\n"
    yield "moves of nothing", _subtraces(start, moves, "entity_track")


def _subtraces(start: str, step: str, expert: str = "arithmetic") -> str:
    """A composition that fits the limits on counts and on length, each sub-trace a disguise."""
    lines: list[str] = []
    size = 0
    for _ in range(16):
        body = [f"- expert: {expert}\n  trace:\n", *(f"  {line}\n" for line in start.splitlines())]
        ending = "  - {op: query, var: a}\n"
        for number in range(64 - len(body)):
            line = "  " + step.replace("{n}", str(number))
            if size + sum(map(len, body)) + len(line) + len(ending) > MAX_BYTES:
                break
            body.append(line)
        block = "".join(body) + ending
        if size + len(block) > MAX_BYTES:
            break
        lines.append(block)
        size += len(block)
    return "".join(lines)
