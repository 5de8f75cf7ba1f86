"""Every class of defects measured in earlier data (CATALOG), planted once: each must be caught."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest

from trace_pipeline.generation import Catalog, CatalogError, Finding, Generator, audit
from trace_pipeline.generation import audit as audit_function
from trace_pipeline.generation.audit import Lengths, judge

COMPARED: dict[str, Any] = {
    "description": "Twice as many.",
    "variables": {"base": {"type": "int", "min": 4, "max": 60, "multiple_of": 2}},
    "constants": {"two_times": {"value": 2, "implied_by": ["twice"]}},
    "draws": {"one": "people", "two": "people", "item": "things.toy"},
    "relations": ["has(two, base)", "times_as_many(one, two_times, two)", "asked(one)"],
    "phrasings": [
        {
            "domain": "home",
            "texts": [
                "${one} has twice as many ${item.many} as ${two}. ${two} has ${base item}. "
                "How many ${item.many} does ${one} have?",
                "How many ${item.many} does ${one} have, if ${two} has ${base} and ${one} has "
                "twice as many as ${two}?",
            ],
        }
    ],
    "trace": [
        {"op": "init", "var": "base", "value": "base"},
        {"op": "init", "var": "two_times", "value": "two_times"},
        {"op": "compute", "compute_op": "mul", "args": ["base", "two_times"], "var": "more"},
        {"op": "query", "var": "more"},
    ],
    "answer": "base * 2",
}
"""A sound schema about a comparison."""


def halved(schema: dict[str, Any]) -> None:
    """The label of half under the words of twice; trace and answer agree."""
    schema["trace"][2]["compute_op"] = "div"
    schema["answer"] = "base / 2"


def found_in(folders: Any, schema: dict[str, Any], samples: int = 60) -> set[str]:
    """The classes that the audit finds, or that loading refuses, in a schema."""
    folders.schema(schema)
    try:
        catalog = folders.load()
    except CatalogError as error:
        return {f"refused: {error}"}
    (row,) = audit(catalog, samples=samples).rows
    return set(row.findings)


def test_the_schemas_are_sound_before_anything_is_planted(folders: Any, minimal: Any) -> None:
    assert found_in(folders, minimal) == set()
    assert found_in(folders, COMPARED) == set()


RELATIONS = {
    "none": [],
    "half declared": ["has(two, base)", "fraction_as_many(one, two_times, two)", "asked(one)"],
    "twice declared": COMPARED["relations"],
    "the other way round": ["has(two, base)", "times_as_many(two, two_times, one)", "asked(one)"],
    "the number to the other": ["has(one, base)", "times_as_many(one, 2, two)", "asked(two)"],
    "another question": ["has(one, base)", "times_as_many(one, 2, two)", "asked(two)"],
    "as a part": ["has(two, base)", "part_of(one, 2, two)", "asked(one)"],
    "as a division": ["shared(answer, base, two_times)"],
}


@pytest.mark.parametrize("relations", RELATIONS.values(), ids=RELATIONS)
def test_twice_as_many_labeled_as_half_cannot_be_merged(folders: Any, relations: list[str]) -> None:
    schema = copy.deepcopy(COMPARED)
    halved(schema)
    schema["relations"] = relations
    assert Finding.RELATION in found_in(folders, schema)


def text(content: str) -> Any:
    return lambda schema: schema["phrasings"][0]["texts"].__setitem__(0, content)


def both(*changes: Any) -> Any:
    return lambda schema: [change(schema) for change in changes]


def relations(*sources: str) -> Any:
    return lambda schema: schema.update(relations=list(sources))


def division(schema: dict[str, Any]) -> None:
    schema["trace"][2]["compute_op"] = "div"


WHO = "${who} has ${start item}, gives ${given} away and"
ENDING = "How many are left?"
PLANTED: dict[str, tuple[Any, str]] = {
    "a fraction in the words unlike the variable": (
        both(
            text("${who} has ${start item}, and Max has half as many. ${given} How many has Max?"),
            relations("fraction_as_many('max', given, start)", "asked('max')"),
        ),
        Finding.RELATION,
    ),
    "per truck asked where the trace divides": (
        both(
            text("Each of ${given} trucks of ${who} holds ${start item}. How many are there?"),
            relations("shared(answer, start, given)"),
            division,
            lambda schema: schema.update(answer="start / given", fractional=["answer", "left"]),
            lambda schema: schema.update(constraints=["start % given == 0"]),
        ),
        Finding.RELATION,
    ),
    "two questions, one answered": (
        text(f"{WHO} counts again. How many are left, and how many are gone?"),
        Finding.QUESTION,
    ),
    "two questions in two sentences": (
        text(f"{WHO} counts again. How many are gone? {ENDING}"),
        Finding.QUESTION,
    ),
    "no question": (text(f"{WHO} wonders how many are left."), Finding.QUESTION),
    "a floor in the label, a division in the trace": (
        both(division, lambda schema: schema.update(answer="floor(start / given)")),
        "disagrees with the trace",
    ),
    "a fraction of a whole thing": (
        both(division, lambda schema: schema.update(answer="start / given")),
        "is not whole",
    ),
    "a number that the question never gives": (
        lambda schema: schema["trace"][1].update(value="given + 100"),
        "disagrees with the trace|is not in the question",
    ),
    "a quantity halved outside the trace": (
        both(
            lambda schema: schema["trace"][0].update(value="start / 2"),
            lambda schema: schema.update(answer="start / 2 - given"),
            lambda schema: schema["variables"]["start"].update(min=40, multiple_of=2),
        ),
        "is not in the question",
    ),
    "a placeholder left": (text("${who} has ${start item} and ${givn}. " + ENDING), "givn"),
    "a bracket left": (
        text("${who} has ${start item]} and gives ${given} away. " + ENDING),
        "placeholder|without",
    ),
    "a word in a symbol": (
        text("${who} has ${start item} and gives ${given|words}% away. " + ENDING),
        Finding.GRAMMAR,
    ),
    "a word after a colon": (text(f"{WHO} plays 2:one. {ENDING}"), Finding.GRAMMAR),
    "one thing renamed half-way": (
        text(f"{WHO} uses pump two for two hours. Pump 2 is new. {ENDING}"),
        Finding.GRAMMAR,
    ),
    "A orange": (text(f"{WHO} eats a orange. {ENDING}"), Finding.GRAMMAR),
    "1 hours": (text(f"{WHO} rests for 1 hours. {ENDING}"), Finding.GRAMMAR),
    "two boxs": (text(f"{WHO} finds two boxs. {ENDING}"), Finding.GRAMMAR),
    "bought book": (text(f"{WHO} bought book. {ENDING}"), Finding.GRAMMAR),
    "decided to gives": (text(f"{WHO} decided to gives up. {ENDING}"), Finding.GRAMMAR),
    "Then He": (text(f"{WHO} rests. Then He sleeps. {ENDING}"), Finding.GRAMMAR),
    "a small letter": (text(f"{WHO} rests: 3. 4 more. 2 o. {ENDING} x"), Finding.GRAMMAR),
    "a doubled word": (text(f"{WHO} has has fun. {ENDING}"), Finding.GRAMMAR),
    "boxes for breakfast": (text(f"{WHO} eats three boxes. {ENDING}"), Finding.GRAMMAR),
    "an answer below zero": (
        lambda schema: schema["variables"]["start"].update(min=1, max=2),
        "is not from 1",
    ),
    "few different questions": (
        lambda schema: (
            schema["variables"]["start"].update(min=10, max=10),
            schema["variables"]["given"].update(min=2, max=2),
        ),
        Finding.DUPLICATE,
    ),
    "a number without a role": (text(f"{WHO} is ${{extra}} years old. {ENDING}"), "extra"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_defect_is_caught(folders: Any, minimal: Any, name: str) -> None:
    change, expected = PLANTED[name]
    change(minimal)
    found = found_in(folders, minimal)
    assert any(part in finding for part in expected.split("|") for finding in found), found


def test_one_word_in_two_roles(catalog: Catalog) -> None:
    generator, plan = Generator(catalog), catalog.plan("comparison_half")
    wording = generator.wording_of(plan, 0, "train")
    sound = generator.realise(plan, wording, 0, "train")
    draws = {**sound.story.draws, "two": sound.story.draws["one"]}
    drawn = sound._replace(story=dataclasses.replace(sound.story, draws=draws))
    assert Finding.ROLES in {kind for kind, _ in judge(plan, wording, drawn, generator)}


def test_vocabulary_that_nothing_reads(folders: Any, minimal: Any) -> None:
    folders.schema(minimal)
    folders.put(folders.vocab / "more.json", {"kind": "words", "lists": {"season": ["spring"]}})
    report = audit(folders.load(), samples=20)
    assert not report.ok
    assert "more.season: no schema draws from it" in report.to_table()


def test_a_schema_that_the_mix_leaves_out(
    folders: Any, minimal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.schema(minimal)
    monkeypatch.setattr(Generator, "quotas", lambda self, n, *rest: {})
    (row,) = audit(folders.load(), samples=20).rows
    assert row.findings == {Finding.REACHABILITY: 1}


def test_a_template_that_no_sample_uses(
    folders: Any, minimal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    minimal["phrasings"][0]["texts"].insert(0, minimal["phrasings"][0]["texts"][0] + " Well.")
    minimal["phrasings"][0]["texts"][0] = "Now ${who} has ${start item}, and gives ${given} away. "
    minimal["phrasings"][0]["texts"][0] += "How many are left now?"
    folders.schema(minimal)
    monkeypatch.setattr(
        Generator, "wording_of", lambda self, plan, index, split: self.wordings(plan, split)[0]
    )
    (row,) = audit(folders.load(), samples=40).rows
    assert row.findings[Finding.REACHABILITY] == 1


def test_a_question_of_another_split(
    folders: Any, minimal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.schema(minimal)
    catalog = folders.load()
    audit_module = __import__(audit_function.__module__, fromlist=["split_of"])
    monkeypatch.setattr(audit_module, "split_of", lambda question: "validation")
    (row,) = audit(catalog, samples=40).rows
    assert row.findings == {Finding.SPLIT: 20}


@pytest.mark.parametrize(
    ("max_len", "max_tokens", "message"),
    [(1000, 10, "decoding stops at 10"), (20, 1000, "training takes 20")],
)
def test_what_is_too_long_for_the_model(
    folders: Any, minimal: Any, max_len: int, max_tokens: int, message: str
) -> None:
    folders.schema(minimal)
    words = Lengths(lambda text: len(text.split()), lambda text: len(text.split()), 0, 0)
    lengths = dataclasses.replace(words, max_len=max_len, max_tokens=max_tokens)
    (row,) = audit(folders.load(), samples=20, lengths=lengths).rows
    assert row.findings == {Finding.LENGTH: 20}
    assert message in row.quoted[Finding.LENGTH][0]


def test_lengths_within_their_limits_are_reported(folders: Any, minimal: Any) -> None:
    folders.schema(minimal)
    report = audit(folders.load(), samples=20, lengths=Lengths(len, len, 10_000, 10_000))
    (row,) = report.rows
    assert report.ok
    assert row.longest_target is not None
    assert row.longest_sequence is not None
    assert 0 < row.longest_target < row.longest_sequence
    assert str(row.longest_sequence) in report.to_table()
    unmeasured = audit(folders.load(), 20, lengths=Lengths(len, len, 1, 1), measured=())
    assert unmeasured.ok
    assert unmeasured.rows[0].longest_target is None


def test_a_length_without_limit_is_no_finding(folders: Any, minimal: Any) -> None:
    folders.schema(minimal)
    report = audit(folders.load(), samples=20, lengths=Lengths(len, len, None, 10_000))
    assert report.ok
    assert "training takes any length" in report.to_table()
