"""Slips of an author's hand that a schema must not hide: each is one message with its place."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.generation.test_catalog import Change, put, text
from trace_pipeline.cli import cli
from trace_pipeline.generation import CatalogError, Generator

STORY = "${who} has ${start item} and gives ${given} away. How many are left?"
WEEK = ["${who} has ${start item} and gives ${given} away in a week. How many are left?"] * 2


def all_of(*changes: Change) -> Change:
    def change(schema: dict[str, Any]) -> None:
        for one in changes:
            one(schema)

    return change


def week(*phrases: str) -> Change:
    """A constant that the answer and the texts use, implied by ``phrases``."""
    return all_of(
        put("constants", to={"week": {"value": 7, "implied_by": list(phrases)}}),
        put("trace", 1, "value", to="week"),
        put("answer", to="start - week"),
        put("phrasings", 0, "texts", to=WEEK),
    )


def shown(**fields: Any) -> Change:
    """A derived number that the first text shows."""
    derived = all_of(*(put(name, to=value) for name, value in fields.items()))
    return all_of(derived, text("${x} " + STORY))


SLIPS: dict[str, tuple[Change, str]] = {
    "snippet that no text uses": (
        put("snippets", to={"ask": "How many?"}),
        r"\$\.snippets\.ask: nothing in the texts, trace or answer uses it",
    ),
    "phrase with a capital": (
        week("a Week"),
        r"\$\.constants\.week\.implied_by: expected words in small letters, found 'a Week'",
    ),
    "phrase that every text holds": (week("week", ""), r"implied_by: expected words .* found ''"),
    "name of no parts": (put("anchors", to={"start": []}), r"anchors\.start: expected a draw or"),
    "name of no letters": (put("anchors", to={"start": ["''"]}), r"in single quotes, found ''"),
    "name without its closing quote": (
        put("phrasings", 0, "anchors", to={"start": ["'price"]}),
        r"\$\.phrasings\[0\]\.anchors\.start: expected a word in single quotes, found 'price",
    ),
    "line break in a traced name": (put("trace", 1, "var", to="given\n"), r"found 'given\\n'"),
    "line break in a name": (put("variables", "given\n", to={"type": "bool"}), "small letters"),
    "number without end in a relation": (
        put("relations", to=["each(answer, 1e999, start)"]),
        r"\$\.relations\[0\]: expected names, quoted words or numbers",
    ),
    "fraction that never ends": (
        shown(derived={"x": "start * 1000 / 7"}, fractional=["x"]),
        r"texts\[0\]: no figures for \d+/7, which never ends as a decimal",
    ),
    "amount below nothing": (
        all_of(shown(derived={"x": "-1.5 * start"}), text("${x|money} " + STORY)),
        r"texts\[0\]: no amount of money is -",
    ),
    "part of a thing behind a derived fraction": (
        all_of(
            put("variables", "start", to={"type": "int", "min": 101, "max": 199}),
            put("derived", to={"part": "start / 4"}),
            put("constraints", to=["whole(part) == 0"]),
            put("fractional", to=["part", "answer"]),
            put("trace", 0, "value", to="part"),
            put("answer", to="part - given"),
            put("phrasings", 0, "texts", to=[STORY.replace("start", "part")] * 2),
        ),
        r"start = [\d.]+ is not whole",
    ),
}


@pytest.mark.parametrize("case", SLIPS)
def test_a_slip_is_named_with_its_place(case: str, folders: Any, minimal: dict[str, Any]) -> None:
    change, reason = SLIPS[case]
    change(minimal)
    folders.refuse(minimal, reason)


def test_a_snippet_within_a_snippet_is_used(folders: Any, minimal: dict[str, Any]) -> None:
    minimal["snippets"] = {"many": "How many", "ask": "${many} are left?", "end": "${ask}"}
    text(STORY.replace("How many are left?", "${end}"))(minimal)
    folders.schema(minimal)
    assert folders.load().plan("gift").wordings


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"min": 10', '"min": 10, "min": 2', ": the key 'min' stands twice in one object, with"),
        ('"min": 10', '"min": NaN', ": not JSON: NaN is not a finite number"),
        ('"min": 10', '"min": 1e999', ": not JSON: 1e999 is not a finite number"),
        ('"min": 10', f'"min": {"9" * 5000}', "digits"),
        ('"min": 10', '"min": 010', ":6:12: not JSON: expecting"),
        ('"min": 10', f'"min": {"[" * 99999}', ": not JSON: nested too deeply"),
    ],
)
def test_json_that_says_two_things_or_none(
    folders: Any, minimal: Any, old: str, new: str, reason: str
) -> None:
    content = json.dumps(minimal, indent=1)
    assert old in content
    path = folders.schema(content.replace(old, new))
    with pytest.raises(CatalogError) as caught:
        folders.load()
    assert str(caught.value).startswith(str(path))
    assert reason in str(caught.value)


def test_the_bytes_of_a_file(folders: Any, minimal: Any) -> None:
    path = folders.schema(minimal)
    content = json.dumps(minimal, indent=1).replace("\n", "\r\n").encode()
    path.write_bytes(codecs.BOM_UTF8 + content)
    assert list(folders.load().plans) == ["arithmetic/gift"]
    path.write_bytes(content.replace(b"gift", b"caf\xe9"))
    with pytest.raises(CatalogError, match=r"not JSON: byte \d+ is not UTF-8; save it as UTF-8"):
        folders.load()


@pytest.mark.parametrize("place", ["gift", "arithmetic/new/gift"])
def test_a_schema_that_would_never_be_read(folders: Any, minimal: Any, place: str) -> None:
    folders.schema(minimal)
    folders.schema({}, "arithmetic/.checkpoints/gift")
    folders.put(folders.schemas / "schema.json", {})
    assert len(folders.load().plans) == 1
    path = folders.schema(minimal, place)
    with pytest.raises(CatalogError, match=r"<expert>/<name>\.json alone; move it") as caught:
        folders.load()
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("", r"\$\.lists\.x: expected words without spaces around, found ''"),
        ("cat ", r"\$\.lists\.x: expected words without spaces around, found 'cat '"),
        ({"one": "mouse", "plural": "mice"}, r"\$\.lists\.x\[1\]: unknown key 'plural'.*many, one"),
    ],
)
def test_a_word_that_is_none(folders: Any, minimal: Any, word: Any, reason: str) -> None:
    folders.schema(minimal)
    path = folders.put(folders.vocab / "more.json", {"kind": "nouns", "lists": {"x": ["b", word]}})
    with pytest.raises(CatalogError, match=reason) as caught:
        folders.load()
    assert str(caught.value).startswith(str(path))


def test_more_names_than_letters(folders: Any, minimal: Any) -> None:
    """Abstract naming has the last letters of the alphabet for what is computed."""
    extra = [{"op": "init", "var": f"more{i}", "value": "given"} for i in range(26)]
    minimal["trace"][2:2] = extra
    folders.schema(minimal)
    (subtrace,) = Generator(folders.load(), naming="abstract").example("gift", 0).trace.subtraces
    names = [step.var for step in subtrace.steps[:-2]]  # type: ignore[union-attr]
    assert len(set(names)) == 28
    assert (names[:2], names[18:20]) == (["a", "b"], ["s", "a20"])


@pytest.fixture
def home(folders: Any, minimal: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one schema, whose answer is now and then 0."""
    root: Path = folders.schemas.parent
    (root / "experiments").mkdir()
    minimal["variables"]["given"]["max"] = 10
    folders.schema(minimal)
    monkeypatch.setenv("TRACE_PIPELINE_HOME", str(root))
    return root


@pytest.mark.parametrize("command", [("show",), ("generate", "--out", "x.jsonl")])
def test_an_unsound_example_is_one_message(home: Path, command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*command, "--n", "900", "--schema", "gift"])
    assert result.exit_code == 1
    assert "Error: arithmetic/gift home/0 #" in result.output
    assert "the answer 0 is not from 1 to 10**9; constrain it" in result.output


def test_the_audit_of_one_schema_leaves_out_the_others(home: Path, folders: Any) -> None:
    folders.schema(json.loads((home / "schemas/arithmetic/gift.json").read_text()), "arithmetic/b")
    audit = ["audit", "--samples", "9", "--no-lengths", "--schema"]
    result = CliRunner().invoke(cli, [*audit, "gift"])
    assert "9 examples of 1 schemas" in result.output
    assert "skeletons" not in result.output
    unknown = CliRunner().invoke(cli, [*audit, "gifts"])
    assert "unknown schema 'gifts'. There are: arithmetic/b, arithmetic/gift" in unknown.output
