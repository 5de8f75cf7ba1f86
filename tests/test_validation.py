from __future__ import annotations

from enum import StrEnum
from typing import Literal

import pytest
from msgspec import Struct

from trace_pipeline.validation import NAMES_LISTED, InvalidInputError, convert, unknown_name


class Color(StrEnum):
    RED = "red"
    BLUE = "blue"


class Circle(Struct, tag_field="kind", tag="circle"):
    radius: int


class Square(Struct, tag_field="kind", tag="square"):
    side: int
    color: Color = Color.RED


class Page(Struct, forbid_unknown_fields=True):
    shapes: dict[str, Circle | Square]
    sizes: dict[str, dict[str, int]] = {}
    paper: Literal["a4", "letter"] = "a4"
    rows: list[dict[str, int]] = []
    margins: dict[Literal["left", "right"], int] = {}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "$: the field 'shapes' is missing; add it"),
        ({"shapes": {}, "shape": 1}, "$: unknown field 'shape'; remove it or correct its name"),
        ({"shapes": []}, "$.shapes: expected object, found []"),
        (
            {"shapes": {"a": {"kind": "circle", "radius": 1}, "b": {"kind": "circle"}}},
            "$.shapes.b: the field 'radius' is missing; add it",
        ),
        (
            {"shapes": {"a": {"kind": "squere", "side": 1}}},
            "$.shapes.a.kind: unknown value 'squere'; did you mean 'square'? "
            "There are: circle, square",
        ),
        (
            {"shapes": {"a": {"kind": "square", "side": 1, "color": "green"}}},
            "$.shapes.a.color: unknown value 'green'. There are: red, blue",
        ),
        (
            {"shapes": {}, "paper": "a5"},
            "$.paper: unknown value 'a5'. There are: a4, letter",
        ),
        (
            {"shapes": {}, "sizes": {"x": {"w": 1}, "y": {"w": 1, "h": "2"}}},
            "$.sizes.y.h: expected int, found '2'",
        ),
        (
            {"shapes": {}, "rows": [{}, {3: 1}]},
            "$.rows[1]: name of an entry: expected str, found 3",
        ),
        (
            {"shapes": {}, "margins": {"lft": 1}},
            "$.margins: unknown key 'lft'; did you mean 'left'? There are: left, right",
        ),
        ({"shapes": {}, "rows": [{}, {"n": None}]}, "$.rows[1].n: expected int, found None"),
        # names with signs that paths are written with
        (
            {"shapes": {}, "sizes": {"a.b": {"w": 1}, "c[0]": {"v.w": "2"}}},
            "$.sizes.c[0].v.w: expected int, found '2'",
        ),
        (
            {"shapes": {"a.b": {"kind": "squere", "side": 1}}},
            "$.shapes.a.b.kind: unknown value 'squere'; did you mean 'square'? "
            "There are: circle, square",
        ),
        (
            {"shapes": {}, "sizes": {"x": {}, 7: {}}},
            "$.sizes: name of an entry: expected str, found 7",
        ),
        (
            {"shapes": {}, "sizes": {"x": {"w": 1}, "y": {"w": 1, None: 2}}},
            "$.sizes.y: name of an entry: expected str, found None",
        ),
        (
            {"shapes": {}, "paper": "it's"},
            '$.paper: unknown value "it\'s". There are: a4, letter',
        ),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(data: object, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        convert(data, Page, "page.json")
    assert str(caught.value) == f"page.json: {message}"


def test_of_many_names_those_most_alike_are_listed() -> None:
    known = [f"arithmetic/pattern_{number}" for number in range(140)] + ["percentage/percent_off"]
    told = unknown_name("schema", "percent_of", known)
    assert told.startswith("unknown schema 'percent_of'; did you mean 'percentage/percent_off'? ")
    assert "There are 141, such as percentage/percent_off" in told
    assert told.count(",") <= NAMES_LISTED // 2
    strange = unknown_name("schema", "zzz", known)
    assert strange.startswith("unknown schema 'zzz'. There are 141, such as arithmetic/pattern_0, ")
    assert unknown_name("schema", "zzz", known[:20]).endswith("arithmetic/pattern_19")


def test_what_fits_is_typed() -> None:
    page = convert({"shapes": {"a": {"kind": "circle", "radius": 2}}}, Page, "page.json")
    assert page.shapes == {"a": Circle(2)}
