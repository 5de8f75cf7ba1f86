from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trace_pipeline.generation import Catalog, CatalogError
from trace_pipeline.generation.json_schema import schema_text

ROOT = Path(__file__).parents[2]

Change = Callable[[dict[str, Any]], object]


def put(*path: str | int, to: Any) -> Change:
    """A change that sets one place of a schema."""

    def change(schema: dict[str, Any]) -> None:
        place: Any = schema
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return change


def text(content: str) -> Change:
    return put("phrasings", 0, "texts", 0, to=content)


MALFORMED: dict[str, tuple[Change, str]] = {
    "missing answer": (lambda s: s.pop("answer"), r"\$: the field 'answer' is missing"),
    "missing phrasings": (lambda s: s.pop("phrasings"), r"'phrasings' is missing"),
    "missing description": (lambda s: s.pop("description"), r"'description' is missing"),
    "no texts": (put("phrasings", 0, "texts", to=[]), r"phrasings\[0\]\.texts"),
    "one text only": (
        put("phrasings", 0, "texts", to=["${who} ${start item} ${given}?"]),
        "two texts",
    ),
    "unknown field": (put("anwser", to="1"), "unknown field 'anwser'"),
    "unknown phrasing field": (put("phrasings", 0, "txt", to=[]), "unknown field 'txt'"),
    "unknown variable type": (put("variables", "start", "type", to="integer"), r"variables"),
    "unknown variable field": (put("variables", "start", "step", to=2), "unknown field 'step'"),
    "wrong type of a bound": (put("variables", "start", "min", to=[1]), r"variables"),
    "multiple of zero": (put("variables", "start", "multiple_of", to=0), r"multiple_of|variables"),
    "empty choice": (put("variables", "start", to={"type": "choice", "values": []}), "variables"),
    "empty range": (put("variables", "start", "min", to=90), r"\$\.variables\.start: nothing lies"),
    "no multiple in range": (put("variables", "given", "multiple_of", to=40), "nothing lies"),
    "empty decimal range": (
        put("variables", "start", to={"type": "float", "min": 3, "max": 2}),
        "nothing lies",
    ),
    "precision too low": (
        put("variables", "start", to={"type": "float", "min": 1, "max": 9, "multiple_of": 0.25}),
        "raise precision",
    ),
    "bound reads a later variable": (
        put("variables", "start", "min", to="given + 1"),
        r"start: unknown earlier variable 'given'",
    ),
    "capital in a name": (put("variables", "Start", to={"type": "bool"}), "small letters"),
    "name taken twice": (put("derived", to={"start": "given"}), "taken by"),
    "reserved name": (put("derived", to={"a": "given"}), "taken by the article"),
    "unused variable": (
        put("variables", "extra", to={"type": "bool"}),
        r"variables\.extra: nothing",
    ),
    "unused derived": (put("derived", to={"extra": "start"}), r"derived\.extra: nothing"),
    "unused draw": (put("draws", "friend", to="people"), r"draws\.friend: nothing"),
    "unused constant": (
        put("constants", to={"week": {"value": 7, "implied_by": ["week"]}}),
        r"constants\.week: nothing",
    ),
    "constant without phrase": (
        put("constants", to={"week": {"value": 7, "implied_by": []}}),
        "implied_by",
    ),
    "cycle in derived": (
        put("derived", to={"x": "y + 1", "y": "x - 1"}),
        r"\$\.derived: a cycle, (x -> y -> x|y -> x -> y)",
    ),
    "derived from nothing": (put("derived", to={"x": "nothing"}), r"derived\.x: unknown name"),
    "unknown name in a constraint": (
        put("constraints", to=["z > 1"]),
        r"constraints\[0\]: unknown",
    ),
    "unknown name in the answer": (put("answer", to="start - taken"), r"\$\.answer: unknown name"),
    "call in an expression": (put("answer", to="print(start)"), "unknown function 'print'"),
    "attribute in an expression": (put("answer", to="start.real"), "Attribute is not allowed"),
    "power in an expression": (put("answer", to="start ** given"), "BinOp is not allowed"),
    "no expression": (put("answer", to="start -"), "expected an expression"),
    "division by zero": (put("answer", to="start / (given - given)"), "division by zero"),
    "unsatisfiable": (
        put("constraints", to=["given > start"]),
        "no usable draw in 1000.*given > start",
    ),
    "answer disagrees": (put("answer", to="start + given"), "disagrees with the trace"),
    "answer without reason": (put("answer", to="start / 7"), "disagrees with the trace"),
    "negative answer": (
        lambda s: (
            put("trace", 2, "args", to=["given", "start"])(s),
            put("answer", to="given - start")(s),
        ),
        "is not from 1 to",
    ),
    "unknown placeholder": (
        text("${wo} ${start} ${given} ${item}?"),
        r"texts\[0\]: unknown placeholder 'wo'",
    ),
    "unknown form": (text("${who} ${start|loud} ${given} ${item}?"), "unknown form 'loud'"),
    "unknown word form": (
        text("${who.name} ${start} ${given} ${item}?"),
        "'who.name' does not exist",
    ),
    "unbalanced bracket": (text("[${who} ${start} ${given} ${item}?"), "without a ']'"),
    "number not in the text": (
        put("phrasings", 0, "texts", to=["${who} has ${start item}. How many?"] * 2),
        "of the trace is not in the question",
    ),
    "form that cannot hold the number": (
        text("${who} ${start|grown} ${given} ${item}?"),
        "no word for growth",
    ),
    "unknown vocabulary": (
        put("draws", "item", to="things.toys"),
        r"draws\.item: unknown vocabulary path",
    ),
    "too few words": (
        lambda s: [put("draws", f"x{i}", to="things.toy")(s) for i in range(4)],
        "add more",
    ),
    "foreign op": (
        put("trace", 2, to={"op": "percent_off", "base": "start", "rate": "given", "var": "left"}),
        r"trace\[2\]\.op: unknown arithmetic op 'percent_off'",
    ),
    "unknown op": (put("trace", 2, "op", to="add"), r"trace"),
    "unknown compute_op": (put("trace", 2, "compute_op", to="plus"), "plus"),
    "unknown traced name": (
        put("trace", 2, "args", to=["start", "gone"]),
        r"trace\[2\]\.args: unknown",
    ),
    "traced name twice": (put("trace", 1, "var", to="start"), r"trace\[1\]\.var: 'start' exists"),
    "traced name that the naming gives away": (
        lambda s: (
            put("trace", 1, "var", to="result")(s),
            put("trace", 2, "args", to=["start", "result"])(s),
        ),
        r"\$\.trace: two quantities have one name, 'result', under hybrid naming",
    ),
    "bad traced name": (put("trace", 1, "var", to="Given"), "small letters"),
    "no query": (lambda s: s["trace"].pop(), "exactly one query"),
    "query in the middle": (
        put("trace", 1, to={"op": "query", "var": "start"}),
        "exactly one query",
    ),
    "short circuit": (put("trace", 3, "var", to="start"), "trace is invalid"),
    "value and source": (put("trace", 0, "source", to="prev.result"), "either value or source"),
    "bad source": (
        put("trace", 0, to={"op": "init", "var": "start", "source": "last"}),
        "prev.result",
    ),
    "source without a sub-trace": (
        put("trace", 0, to={"op": "init", "var": "start", "source": "prev.result"}),
        "trace is invalid",
    ),
    "empty trace": (put("trace", to=[]), r"trace"),
    "no trace": (lambda s: s.pop("trace"), "either trace or subtraces"),
    "both traces": (
        put("subtraces", to=[{"expert": "arithmetic", "steps": [{"op": "query", "var": "x"}]}] * 2),
        "either trace or subtraces",
    ),
    "anchor of nothing": (put("anchors", to={"gone": ["item"]}), r"anchors: unknown traced name"),
    "anchor by nothing": (put("anchors", to={"start": ["thing"]}), r"anchors\.start: unknown draw"),
    "fractional nothing": (put("fractional", to=["gone"]), r"fractional: unknown name"),
    "unknown mixin": (put("mixins", to=["gone"]), r"mixins: unknown mixin 'gone'"),
    "snippet cycle": (
        lambda s: (
            put("snippets", to={"x": "${x}"})(s),
            text("${x} ${who} ${start} ${given} ${item}?")(s),
        ),
        "cycle: x -> x",
    ),
    "ranges of a family for nothing": (
        put("phrasings", 0, "variables", to={"gone": {"type": "bool"}}),
        r"phrasings\[0\]\.variables: unknown variable 'gone'",
    ),
    "relation about nothing": (
        put("phrasings", 0, "relations", to=["twice(x)"]),
        "unknown relation",
    ),
    "relation with too few arguments": (
        put("relations", to=["each(answer)", "account(answer, start, -given)"]),
        r"relations\[0\]",
    ),
    "relation that is none": (put("relations", to=["start minus given"]), r"relations\[0\]"),
    "phrasings as a text": (put("phrasings", to="x"), r"\$\.phrasings: expected array"),
    "variables as a list": (put("variables", to=[]), r"\$\.variables: expected object"),
    "constant without a number": (
        put("constants", to={"week": {"value": "7", "implied_by": ["week"]}}),
        r"\$\.constants\.week\.value: expected int \| float, found '7'",
    ),
    "choice of words": (
        put("variables", "start", to={"type": "choice", "values": ["many"]}),
        r"\$\.variables\.start\.values\[0\]: expected int \| float, found 'many'",
    ),
    "decimal without a maximum": (
        put("variables", "start", to={"type": "float", "min": 2}),
        r"\$\.variables\.start: the field 'max' is missing",
    ),
    "variable that reads itself": (
        put("variables", "start", "min", to="start - 1"),
        r"start: unknown earlier variable 'start'",
    ),
    "string in an expression": (put("answer", to="start - 'x'"), "Constant is not allowed"),
    "lambda in an expression": (put("answer", to="lambda: start"), "Lambda is not allowed"),
    "subscript in an expression": (put("answer", to="start[0]"), "Subscript is not allowed"),
    "keyword in an expression": (put("answer", to="max(start, key=given)"), "Call is not allowed"),
    "identity in an expression": (put("constraints", to=["start is given"]), "Is is not allowed"),
    "function with too few arguments": (put("answer", to="max(start)"), "takes two arguments"),
    "expression without end": (put("answer", to="+".join(["start"] * 99)), "at most 300"),
    "number that is none": (put("answer", to="1e999"), "is not allowed|expected an expression"),
    "division by zero in derived": (
        lambda s: (put("derived", to={"x": "1 / (given - given)"})(s), put("answer", to="x")(s)),
        "division by zero in '1 / .given - given.'; add a constraint",
    ),
    "fraction of a thing": (
        lambda s: (
            put("trace", 2, "compute_op", to="div")(s),
            put("answer", to="start / given")(s),
            put("constraints", to=["start % given > 0"])(s),
        ),
        "is not whole",
    ),
    "text that is an object of nothing": (
        put("phrasings", 0, "texts", 0, to={"relations": ["asked(x)"]}),
        r"texts\[0\]: the field 'text' is missing",
    ),
    "names of a family for nothing": (
        put("phrasings", 0, "anchors", to={"gone": ["item"]}),
        r"\$\.phrasings\[0\]\.anchors: unknown traced name 'gone'",
    ),
    "names of a text by nothing": (
        put("phrasings", 0, "texts", 0, to={"text": "x", "anchors": {"start": ["thing"]}}),
        r"\$\.phrasings\[0\]\.texts\[0\]\.anchors\.start: unknown draw 'thing'",
    ),
    "one name for two quantities": (
        put("phrasings", 0, "anchors", to={"start": ["'given'"]}),
        r"\$\.trace: two quantities have one name, 'given'",
    ),
    "words from a list of lists": (
        put("draws", "item", to=["things.toy", "things.tool"]),
        r"\$\.draws\.item: unknown vocabulary path 'things.tool'",
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_schema_is_refused_with_file_path_and_reason(
    case: str, folders: Any, minimal: dict[str, Any]
) -> None:
    change, reason = MALFORMED[case]
    change(minimal)
    folders.refuse(minimal, reason)


def test_the_table_is_as_long_as_promised() -> None:
    assert len(MALFORMED) >= 60


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object"),
        ('"x"', "expected an object"),
        ("", "not JSON"),
    ],
)
def test_a_file_that_is_no_schema(folders: Any, content: str, reason: str) -> None:
    path = folders.schema(content)
    with pytest.raises(CatalogError, match=reason) as caught:
        folders.load()
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not JSON"),
        ({"kind": "verbs", "lists": {}}, "kind"),
        ({"kind": "nouns"}, "'lists' is missing"),
        ({"kind": "nouns", "lists": {"x": []}}, "at least one entry"),
        ({"kind": "nouns", "lists": {"x": ["cat", "cat"]}}, "'cat' stands in one list twice"),
        ({"kind": "nouns", "lists": {"x": [{"many": "cats"}]}}, r"\$\.lists\.x\[0\]: expected the"),
        ({"kind": "nouns", "lists": {"x": [3]}}, r"lists"),
        ({"kind": "words", "lists": {"x": [{"one": "cat"}]}}, r"lists"),
        ({"kind": "scenes", "lists": {"x": [{"r": {"one": "cat"}}]}}, r"\[0\]\.r: expected a text"),
        ({"kind": "scenes", "verbs": ["v"], "lists": {"x": [{"v": {"past": "x"}}]}}, "base"),
        ({"kind": "people", "she": ["Ava"]}, "'he' is missing"),
    ],
)
def test_a_malformed_vocabulary_file(folders: Any, minimal: Any, content: Any, reason: str) -> None:
    folders.schema(minimal)
    path = folders.put(folders.vocab / "more.json", content)
    with pytest.raises(CatalogError, match=reason) as caught:
        folders.load()
    assert str(caught.value).startswith(str(path))


def test_missing_folders_and_unknown_experts(folders: Any, minimal: Any, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="folder of schemas"):
        folders.load()
    with pytest.raises(CatalogError, match="folder with vocabulary"):
        Catalog.load(folders.schemas, tmp_path / "none")
    folders.schema(minimal, "arithmatic/gift")
    with pytest.raises(
        CatalogError, match="unknown expert 'arithmatic'; did you mean 'arithmetic'"
    ):
        folders.load()


def test_mixins_bring_what_a_schema_does_not_say(folders: Any, minimal: Any) -> None:
    start = minimal["variables"].pop("start")
    below = {"description": "d", "mixins": ["base"], "variables": {"given": {"type": "bool"}}}
    base = {"description": "d", "variables": {"start": start}, "constraints": ["start > 40"]}
    folders.put(folders.schemas / "mixins" / "below.json", below)
    folders.put(folders.schemas / "mixins" / "base.json", base)
    folders.schema(minimal | {"mixins": ["below"], "constraints": ["given == 9"]})
    (plan,) = folders.load().plans.values()
    assert [item.source for item in plan.wordings[0].drawer.constraints] == [
        "start > 40",
        "given == 9",
    ]


def test_a_cycle_of_mixins(folders: Any, minimal: Any) -> None:
    for name, other in (("x", "y"), ("y", "x")):
        content = {"description": "d", "mixins": [other]}
        folders.put(folders.schemas / "mixins" / f"{name}.json", content)
    folders.schema(minimal | {"mixins": ["x"]})
    with pytest.raises(CatalogError, match="a cycle, x -> y -> x"):
        folders.load()


def test_a_malformed_mixin_is_named(folders: Any, minimal: Any) -> None:
    path = folders.put(folders.schemas / "mixins" / "x.json", {"description": "d", "answer": "1"})
    folders.schema(minimal | {"mixins": ["x"]})
    with pytest.raises(CatalogError, match="unknown field 'answer'") as caught:
        folders.load()
    assert str(caught.value).startswith(str(path))


def test_schemas_are_found_by_id_and_by_unique_name(folders: Any, minimal: Any) -> None:
    folders.schema(minimal, "arithmetic/gift")
    folders.schema(minimal, "arithmetic/present")
    folders.schema(minimal, "rate_equation/gift")
    catalog = folders.load()
    assert catalog.plan("present").id == "arithmetic/present"
    assert catalog.plan("rate_equation/gift").expert == "rate_equation"
    with pytest.raises(CatalogError, match="ambiguous; take one of: arithmetic/gift, rate"):
        catalog.plan("gift")
    with pytest.raises(CatalogError, match="did you mean 'arithmetic/present'"):
        catalog.plan("arithmetic/presents")


def test_the_editors_json_schema_is_current() -> None:
    """Mend it with: python -m trace_pipeline.generation.json_schema > schemas/schema.json."""
    assert (ROOT / "schemas" / "schema.json").read_text() == schema_text()


def test_the_files_are_formatted_data() -> None:
    for path in [*ROOT.glob("schemas/**/*.json"), *ROOT.glob("vocab/*.json")]:
        content = json.loads(path.read_text())
        assert path.read_text() == json.dumps(content, indent=2, ensure_ascii=False) + "\n", path


def test_the_catalogue_covers_what_is_promised(catalog: Catalog) -> None:
    experts = [plan.expert for plan in catalog.plans.values()]
    assert len(set(experts)) == 6
    assert experts.count("composition") >= 4
    assert len(experts) - experts.count("composition") >= 20
    for plan in catalog.plans.values():
        assert len(plan.wordings) >= 4
        assert len({wording.name.split("/")[0] for wording in plan.wordings}) >= 3
    assert catalog.unused_vocabulary == ()
