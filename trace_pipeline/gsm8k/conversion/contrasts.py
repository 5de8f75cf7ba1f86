"""Contrasting questions: one relation of a converted problem turned round, its trace with it.

"5 more than" becomes "5 fewer than", "twice as many" becomes "half as many": almost the same words
ask for another computation. Numbers drawn anew never show a learner that (variants keep every
relation), and most wrong answers of a small model have the right numbers put together wrongly.

A relation is turned only where the reading leaves no doubt about it: its number is used once, by
the one operation that the words speak of. If A is N more than B, then one of them is the other plus
or minus N, whichever is asked; "fewer" swaps the two signs. The same holds for factors.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from trace_pipeline.gsm8k.conversion.constants import singular, words
from trace_pipeline.gsm8k.conversion.conversion import Conversion
from trace_pipeline.gsm8k.conversion.experts import Policy
from trace_pipeline.gsm8k.conversion.mentions import Form, Mention, Token
from trace_pipeline.gsm8k.conversion.nodes import (
    Apply,
    Facet,
    Given,
    Node,
    UndefinedValueError,
    evaluate,
    facet_value,
    question_values,
)
from trace_pipeline.gsm8k.conversion.rewording import reworded
from trace_pipeline.gsm8k.conversion.text import Text
from trace_pipeline.traces.numbers import Number, is_terminating

_PAIRS = (
    "older younger, longer shorter, taller shorter, heavier lighter, faster slower, higher lower, "
    "bigger smaller, larger smaller, deeper shallower, wider narrower, warmer colder, later earlier"
)
_OPPOSITES: dict[str, str] = {}
for _pair in _PAIRS.split(", "):
    _first, _second = _pair.split()
    _OPPOSITES.setdefault(_first, _second)
    _OPPOSITES.setdefault(_second, _first)
_OPPOSITES |= {"less": "more", "fewer": "more"}
_HEIGHT = words("tall taller tallest height")
"""Where the question has one of them, the opposite of "shorter" is "taller", not "longer"."""
_NO_UNIT = words("times time percent % of or and to in at for from with each per out as was is")
"""What stands between a number and "more" only where the number is no plain difference."""
_REACH = 3
"""Most words between a number and its comparative, and between that and "than"."""
_MASS = words(
    "dollar cent pound ounce kilogram kg gram ton inch foot feet meter metre mile kilometer km cm "
    "gallon liter litre cup money weight time water milk flour sugar"
)
"""What is measured: "less" of it, not "fewer"."""
_FACTORS: dict[str, Number] = {
    "half": Fraction(1, 2),
    "twice": 2,
    "three times": 3,
    "four times": 4,
}
"""Words before "as many as"."""


class _Turn(Struct, frozen=True):
    """Words to be replaced, and what becomes of the operation that they speak of."""

    start: int
    end: int
    words: str
    was: Apply
    becomes: Apply


def contrasts(conversion: Conversion, policy: Policy = Policy.ARITHMETIC) -> list[Conversion]:
    """``conversion`` with one relation turned round, once for each that can be; numbers as before.

    Every result is positive, and whole or in whole cents if it was, so whatever the question counts
    can be counted. A question whose reading is ungrounded, tied or incomplete has none.
    """
    if not conversion.grounded or conversion.tied or conversion.reading.dead:
        return []
    found = []
    for turn in _turns(conversion):
        turned = _turned(conversion, turn, policy)
        if turned is not None:
            found.append(turned)
    return found


def _turns(conversion: Conversion) -> Iterator[_Turn]:
    uses = _uses(conversion.reading.order)
    text = conversion.text
    for index, mention in enumerate(text.mentions):
        used = uses.get(index, [])
        if len(used) == 1:
            yield from _differences(mention, text, *used[0])
            yield from _factors(index, mention, text, *used[0])


def _uses(order: tuple[Node, ...]) -> dict[int, list[tuple[Apply, Given]]]:
    """For each mention the operations that take one of its numbers, once for each operand."""
    uses: dict[int, list[tuple[Apply, Given]]] = {}
    seen: set[Node] = set()

    def visit(node: Node) -> None:
        if node in seen or not isinstance(node, Apply):
            return
        seen.add(node)
        for arg in node.args:
            if isinstance(arg, Given):
                uses.setdefault(arg.mention, []).append((node, arg))
            visit(arg)

    for node in order:
        visit(node)
    return uses


def _differences(mention: Mention, text: Text, node: Apply, given: Given) -> Iterator[_Turn]:
    """``5 more than`` and ``4 years older than``, where 5 and 4 are added or taken away."""
    if mention.form not in (Form.FIGURES, Form.MONEY, Form.WORDS):
        return
    token = _comparative(mention, text.tokens)
    others = tuple(arg for arg in node.args if arg is not given)
    if token is None or len(others) != 1 or given in others:
        return
    if node.op == "add":
        becomes = Apply("sub", (*others, given))
    elif node.op == "sub" and node.args[1] == given:
        becomes = Apply("add", (*others, given))
    else:
        return
    yield _Turn(token.start, token.end, _opposite(mention, text, token), node, becomes)


def _comparative(mention: Mention, tokens: list[Token]) -> Token | None:
    """The comparative that ``mention`` measures, if "than" follows it."""
    behind = tokens[mention.last : mention.last + 2 * _REACH + 2]
    place = next((n for n, token in enumerate(behind) if _compares(token)), None)
    if place is None or place > _REACH:
        return None
    after = [token.lower for token in behind[place + 1 : place + 2 + _REACH]]
    if "than" not in after:
        return None
    between = behind[:place] + behind[place + 1 : place + 1 + after.index("than")]
    plain = all(token.kind == "word" and token.lower not in _NO_UNIT for token in between)
    before = tokens[mention.first - 1].lower if mention.first else ""
    return behind[place] if plain and before not in ("than", "-", "/") else None


def _compares(token: Token) -> bool:
    return token.lower == "more" or token.lower in _OPPOSITES


def _opposite(mention: Mention, text: Text, token: Token) -> str:
    """The other comparative: ``fewer`` of what is counted, ``less`` of what is measured."""
    if token.lower == "shorter" and not text.words.isdisjoint(_HEIGHT):
        return "taller"
    if token.lower in _OPPOSITES:
        return _OPPOSITES[token.lower]
    place = next(n for n, other in enumerate(text.tokens) if other.start == token.start)
    after = [other.lower for other in text.tokens[place + 1 : place + 2 + _REACH]]
    compared = after[: after.index("than")]
    near = [other.lower for other in text.tokens[mention.last : place]] + compared
    if mention.form is Form.MONEY or any(singular(word) in _MASS for word in near):
        return "less"
    return "fewer" if not compared or any(word.endswith("s") for word in compared) else "less"


def _factors(
    index: int, mention: Mention, text: Text, node: Apply, given: Given
) -> Iterator[_Turn]:
    """``twice as many as``, ``half as old as``, ``three times as much as``."""
    others = tuple(arg for arg in node.args if arg is not given)
    if len(others) != 1 or given in others or not _is_factor(mention, text.tokens):
        return
    if node.op not in ("mul", "div") or (node.op == "div" and node.args[1] != given):
        return
    value = Fraction(facet_value(mention, given.facet))
    times = value if node.op == "mul" else 1 / value
    # Whether the operation makes what "as many as" describes, or goes back from it.
    forward = times == mention.value
    if not forward and times * mention.value != 1:
        return
    end = text.tokens[_end(mention, text.tokens) - 1].end
    for phrase, factor in _FACTORS.items():
        if factor != mention.value:
            whole = factor.denominator == 1
            operand = Given(index, Facet.VALUE if whole else Facet.DENOMINATOR)
            operation = "mul" if whole == forward else "div"
            operands: tuple[Node, ...] = (*others, operand)
            if operation == node.op:  # as the author wrote it
                operands = tuple(operand if arg is given else arg for arg in node.args)
            yield _Turn(mention.start, end, phrase, node, Apply(operation, operands))


def _end(mention: Mention, tokens: list[Token]) -> int:
    return mention.last + (tokens[mention.last].lower == "times")


def _is_factor(mention: Mention, tokens: list[Token]) -> bool:
    """Whether ``mention`` is written as one of ``_FACTORS`` or ``7 times``, before ``as``."""
    if mention.last + 2 >= len(tokens) or tokens[mention.first].text.istitle():
        return False
    end = _end(mention, tokens)
    if tokens[end].lower != "as" or mention.value == 1:
        return False
    if end > mention.last:
        return mention.form in (Form.FIGURES, Form.WORDS) and isinstance(mention.value, int)
    return tokens[mention.first].lower in _FACTORS and end - mention.first == 1


def _turned(conversion: Conversion, turn: _Turn, policy: Policy) -> Conversion | None:
    question = conversion.question[: turn.start] + turn.words + conversion.question[turn.end :]
    text = conversion.text.reworded(question)
    if len(text.mentions) != len(conversion.text.mentions):
        return None
    order = tuple(_replaced(node, turn, {}) for node in conversion.reading.order)
    before = _results(conversion.reading.order, conversion.text)
    after = _results(order, text)
    if before is None or after is None or not _as_sensible(before, after):
        return None
    reading = replace(conversion.reading, order=order)
    found = reworded(conversion, text, reading, policy)
    if found is not None and found.answer != after[-1]:
        raise AssertionError("the reading of a contrast disagrees with the solver")
    return found


def _replaced(node: Node, turn: _Turn, done: dict[Node, Node]) -> Node:
    """``node`` with the operation turned, wherever its result is used."""
    if not isinstance(node, Apply):
        return node
    if node not in done:
        changed = turn.becomes if node == turn.was else node
        args = tuple(_replaced(arg, turn, done) for arg in changed.args)
        done[node] = Apply(changed.op, args)
    return done[node]


def _results(order: tuple[Node, ...], text: Text) -> list[Number] | None:
    """The result of every operation, in order; None where one is undefined."""
    known: dict[Node, Number] = {}
    try:
        for node in order:
            evaluate(node, question_values(text.mentions), known)
    except UndefinedValueError:
        return None
    return [value for node, value in known.items() if isinstance(node, Apply)]


def _as_sensible(before: list[Number], after: list[Number]) -> bool:
    """Whether each result is positive, and whole or in whole cents if it was before."""
    if len(before) != len(after) or not is_terminating(after[-1]):
        return False
    return all(
        value > 0
        and (was.denominator > 1 or value.denominator == 1)
        and (100 % was.denominator > 0 or 100 % value.denominator == 0)
        for was, value in zip(before, after, strict=True)
    )
