"""What an author computed: annotated calculations, and equations written without annotation.

An unannotated equation counts only if it is true: the numbers beside the equals
sign are computed and must give what stands behind it. A second, looser look also
takes expressions without a written result (``because 60 x 320``), if the value that
they give is written in the solution. Equations with one unknown are solved.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache

from msgspec import Struct

from trace_pipeline.gsm8k.annotations import (
    AnnotationError,
    Expression,
    Operation,
    evaluate,
    parse_expression,
    read_calculations,
)
from trace_pipeline.gsm8k.conversion.algebra import solve_equations
from trace_pipeline.traces.numbers import Number

NUMBER = r"\d{1,3}(?: \d{3})* 000(?!\d)|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
"""A number in figures; some authors write ``450 000``."""

_DOLLARS = re.compile(rf"\s*(?:{NUMBER})?\s*(?:\$|dollars?\b|cents?\b)")
_ANNOTATION = re.compile(r"<<.*?>>", re.DOTALL)
_PIECE = re.compile(rf"(?P<number>{NUMBER})|(?P<word>[A-Za-z][A-Za-z'’]*)|(?P<mark>//|[^\s\w]|_)")
_OPERATORS = {
    "+": "+", "-": "-", "−": "-", "–": "-", "*": "*", "×": "*", "x": "*", "X": "*", "/": "/",
    "÷": "/", "of": "*", "times": "*", "plus": "+", "minus": "-",
}  # fmt: skip
_WORDS_BETWEEN = 4
"""Words of units that may stand beside a number of an equation ("3 bags of chips x $2")."""

_AFTER = 60
"""Characters of prose kept behind a result."""


class Calculated(Struct, frozen=True, cache_hash=True):
    """One calculation of a solution."""

    expression: Expression
    """A single number where the author only states one."""
    value: Number
    """The exact value of the expression."""
    result: Number
    """What the author wrote, possibly rounded."""
    annotated: bool
    solved: bool
    """Whether it isolates the unknown of an equation."""
    before: str
    """The prose from the previous calculation up to the result."""
    after: str
    """The first words from the result on."""

    @property
    def is_money(self) -> bool:
        """Whether the author marks the result as money: ``= $18``, ``= 18 dollars``."""
        return self.is_dollars or bool(_DOLLARS.match(self.after))

    @property
    def is_dollars(self) -> bool:
        """Whether the author marks the result with a dollar sign: ``= $18``."""
        return self.before.rstrip().endswith("$")

    @property
    def is_percent(self) -> bool:
        """Whether the author marks the result as a percentage."""
        return self.after[:12].lstrip("0123456789.").startswith(("%", " percent"))


class _Found(Struct, frozen=True):
    start: int
    at: int
    """Offset of the result."""
    expression: Expression
    value: Number
    result: Number
    annotated: bool
    solved: bool = False


def read_solution(
    solution: str, given: Collection[Number] = (), loose: bool = False
) -> list[Calculated]:
    """The calculations of an annotated solution in order, plain equations included.

    Args:
        solution: With annotations and the ``####`` line.
        given: The numbers of the question, by which an equation is told from its rearrangements.
        loose: Take expressions without a written result too.

    Raises:
        AnnotationError: an annotation that cannot be read.
    """
    prose, _, gold = solution.rpartition("####")
    text, marks = _without_annotations(prose)
    pieces = list(_PIECE.finditer(text))
    plain = list(_equations(pieces))
    if loose:
        plain += _loose(pieces, {item.at for item in plain}, gold)
    plain += [
        _Found(solved.end, solved.end, solved.expression, solved.value, solved.value, False, True)
        for solved in solve_equations(text, given)
    ]
    found: list[_Found] = []
    for calculation, at in zip(read_calculations(solution), marks, strict=True):
        beside = [item for item in plain if abs(item.at - at) <= 2]
        if isinstance(calculation.expression, Operation) or not beside:
            plain = [item for item in plain if item not in beside]
            found.append(
                _Found(at, at, calculation.expression, calculation.value, calculation.result, True)
            )
    found = sorted([*found, *plain], key=lambda item: item.at)
    calculated, previous = [], 0
    for item in found:
        calculated.append(
            Calculated(
                item.expression,
                item.value,
                item.result,
                item.annotated,
                item.solved,
                text[previous : item.at],
                text[item.at : item.at + _AFTER],
            )
        )
        previous = item.at
    return calculated


def stated(value: Number) -> Calculated:
    """A number that is to be explained as if the author had stated it last."""
    return Calculated(value, value, value, False, False, "", "")


@lru_cache(maxsize=4096)
def number_of(text: str) -> Number:
    """The value of a number as written (``1,234``, ``450 000``)."""
    number = parse_expression(text.replace(" ", ""))
    if isinstance(number, Operation):
        raise AnnotationError(f"{text!r} is no number")
    return number


def agrees(value: Number, written: Number) -> bool:
    """Whether ``written`` is ``value``, or a rounding of it to a whole or to its own decimals."""
    if value == written:
        return True
    places = next((p for p in range(6) if (written * 10**p).denominator == 1), 6)
    unit = Fraction(1, 10**places)
    exact, rounded = Fraction(value), Fraction(written)
    return abs(exact - rounded) < unit and abs(exact) * 2 > abs(rounded)


def _without_annotations(text: str) -> tuple[str, list[int]]:
    parts, marks, length, position = [], [], 0, 0
    for match in _ANNOTATION.finditer(text):
        parts.append(text[position : match.start()])
        length += match.start() - position
        marks.append(length)
        position = match.end()
    parts.append(text[position:])
    return "".join(parts), marks


def _equations(pieces: Sequence[re.Match[str]]) -> Iterator[_Found]:
    for index, piece in enumerate(pieces):
        if piece[0] != "=":
            continue
        right = index + 1
        while right < len(pieces) and pieces[right][0] in ("$", "€", "£"):
            right += 1
        if right == len(pieces) or pieces[right]["number"] is None:
            continue
        behind = pieces[right + 1][0] if right + 1 < len(pieces) else ""
        below = pieces[right + 2]["number"] if right + 2 < len(pieces) else None
        if behind == "/" and below and pieces[right].end() == pieces[right + 1].start():
            share = Fraction(number_of(pieces[right]["number"])) / (number_of(below) or 1)
            found = _expression_before(pieces, index, share)
            if found is not None and found[2] == share:
                yield _Found(found[0], pieces[right].start(), *found[1:], share, False)
            continue
        if behind in _OPERATORS and behind not in ("of", "times", "plus", "minus"):
            continue
        result = number_of(pieces[right]["number"])
        found = _expression_before(pieces, index, result)
        if found is not None:
            start, expression, value = found
            yield _Found(start, pieces[right].start(), expression, value, result, False)


def _expression_before(
    pieces: Sequence[re.Match[str]], index: int, result: Number
) -> tuple[int, Operation, Number] | None:
    """The longest expression that ends before piece ``index`` and gives ``result``."""
    for left in _starts(pieces, index):
        text = _joined(pieces[left:index])
        # "35 / 70 x 100% = 50%" means percent on both sides; in "90 / 1% x 100%" it cancels.
        attempts = (text, text.replace("%", ""))
        for attempt in dict.fromkeys(attempts[::-1] if text.count("%") > 1 else attempts):
            try:
                expression = parse_expression(attempt)
                value = evaluate(expression)
            except AnnotationError:
                continue
            if isinstance(expression, Operation) and agrees(value, result):
                return pieces[left].start(), expression, value
    return None


def _starts(pieces: Sequence[re.Match[str]], index: int) -> list[int]:
    """Where the left side of an equation may begin, the longest first."""
    left, words = index, 0
    starts = []
    while left > 0:
        piece = pieces[left - 1]
        if piece["number"] is not None or piece[0] in _OPERATORS or piece[0] in "()$%":
            words = 0
            if piece["number"] is not None or piece[0] in "($":
                starts.append(left - 1)
        elif piece["word"] is not None and words < _WORDS_BETWEEN:
            words += 1
        else:
            break
        left -= 1
    return starts[::-1]


def _joined(pieces: Sequence[re.Match[str]]) -> str:
    parts: list[str] = []
    for index, piece in enumerate(pieces):
        if piece[0] == "/" and index + 1 < len(pieces) and pieces[index + 1]["word"]:
            continue  # 5 miles/hour
        if piece["number"] is not None:
            text = piece["number"].replace(" ", "")
        elif piece[0] in _OPERATORS:
            text = _OPERATORS[piece[0]]
        elif piece[0] in "()%":
            text = piece[0]
        else:
            continue
        if (
            parts
            and (text == "(" or text[0].isdigit() or text[0] == ".")
            and (parts[-1] == ")" or (text == "(" and parts[-1][-1].isdigit()))
        ):
            parts.append("*")  # 40(.10), 2(3 + 4)
        parts.append(text)
    return " ".join(parts)


def _loose(pieces: Sequence[re.Match[str]], taken: set[int], gold: str) -> list[_Found]:
    """Expressions without a written result whose value is written anywhere."""
    written = {number_of(piece["number"]) for piece in pieces if piece["number"] is not None}
    written.add(number_of(gold.strip().replace("$", "").rstrip(".")))
    found = []
    for index, piece in enumerate(pieces):
        following = pieces[index + 1][0] if index + 1 < len(pieces) else ""
        ends = piece["number"] is not None or piece[0] in ")%"
        if not ends or following in _OPERATORS or following in ("=", "%", ")"):
            continue
        for left in _starts(pieces, index + 1):
            text = _joined(pieces[left : index + 1])
            try:
                expression = parse_expression(text)
                value = evaluate(expression)
            except AnnotationError:
                continue
            if isinstance(expression, Operation) and value in written and value > 0:
                at = piece.end()
                if not any(abs(at - other) < 12 for other in taken):
                    found.append(_Found(pieces[left].start(), at, expression, value, value, False))
                break
    return found
