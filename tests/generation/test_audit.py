from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest

from trace_pipeline.generation import Catalog, Finding, Generator, audit
from trace_pipeline.generation.audit import judge
from trace_pipeline.generation.lint import lint
from trace_pipeline.generation.realisation import Realisation
from trace_pipeline.traces import Compute, Init, Query, SubTrace, Trace


def test_the_catalogue_is_clean(catalog: Catalog) -> None:
    report = audit(catalog, samples=48)
    assert report.ok, report.to_table()
    assert [row.schema for row in report.rows] == sorted(catalog.plans)


@pytest.mark.parametrize(
    "options", [{"naming": "abstract"}, {"wording": "varied"}, {"phrasings": 2}]
)
def test_every_option_is_clean(catalog: Catalog, options: dict[str, Any]) -> None:
    report = audit(Generator(catalog, seed=9, **options), samples=12)
    assert report.ok, report.to_table()


def test_the_report_as_table_and_json(folders: Any, minimal: Any) -> None:
    minimal["phrasings"][0]["texts"][0] += " She has a apple."
    folders.schema(minimal)
    report = audit(folders.load(), samples=20, seed=4)
    assert not report.ok
    table = report.to_table()
    assert "arithmetic/gift" in table
    assert "'a apple': expected 'an'" in table
    assert json.loads(report.to_json())["rows"][0]["findings"]["grammar"] > 0


def test_one_wording_with_two_questions_or_none(folders: Any, minimal: Any) -> None:
    minimal["phrasings"][0]["texts"][0] += " How many are gone?"
    folders.schema(minimal)
    (row,) = audit(folders.load(), samples=20).rows
    assert row.findings == {"question": 15}


def test_relations_that_give_another_answer(folders: Any, minimal: Any) -> None:
    minimal["phrasings"][0]["relations"] = ["account(before, start, -given)"]
    minimal["phrasings"][0]["relations"] += ["account(answer, before, -given)"]
    folders.schema(minimal)
    (row,) = audit(folders.load(), samples=40).rows
    assert row.findings == {"relation": 40}
    assert "the wording gives" in row.quoted["relation"][0]


def test_a_text_with_relations_of_its_own(folders: Any, minimal: Any) -> None:
    texts = minimal["phrasings"][0]["texts"]
    texts[0] = {"text": texts[0], "relations": minimal.pop("relations")}
    folders.schema(minimal)
    (row,) = audit(folders.load(), samples=40).rows
    assert row.findings == {"relation": 1}
    assert "home/1: the text declares no relations" in row.quoted["relation"][0]


def planted(catalog: Catalog, **changes: Any) -> set[str]:
    """The classes found in a sound example after a change."""
    generator = Generator(catalog)
    plan = catalog.plan("multiply_add")
    wording = generator.wording_of(plan, 0, "train")
    sound = generator.realise(plan, wording, 0, "train")
    assert not list(judge(plan, wording, sound, generator))
    drawn = sound._replace(**{k: v(sound) for k, v in changes.items()})
    return {kind.value for kind, _ in judge(plan, wording, drawn, generator)}


def with_trace(change: Any) -> Any:
    def changed(sound: Realisation) -> Trace:
        (subtrace,) = sound.trace.subtraces
        return Trace((SubTrace(subtrace.expert, tuple(change(list(subtrace.steps)))),))

    return changed


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (Finding.LABEL, {"answer": lambda sound: sound.answer + 1}),
        (Finding.LABEL, {"trace": with_trace(lambda found: found[:-1])}),
        (Finding.POSITIVE, {"answer": lambda sound: 0}),
        (Finding.WHOLE, {"answer": lambda sound: Fraction(sound.answer * 2 + 1, 2)}),
        (Finding.GROUNDING, {"trace": with_trace(lambda f: [Init(f[0].var, 987), *f[1:]])}),
        (Finding.PLACEHOLDER, {"question": lambda sound: "${who} " + sound.question}),
        (Finding.PLACEHOLDER, {"question": lambda sound: "[one|two] " + sound.question}),
        (Finding.GRAMMAR, {"question": lambda sound: "an bird. " + sound.question}),
        (Finding.QUESTION, {"question": lambda sound: "Why? " + sound.question}),
        (
            Finding.STRUCTURE,
            {
                "trace": with_trace(
                    lambda f: [*f[:-2], Compute("add", f[-2].args, "sum"), Query("sum")]
                )
            },
        ),
    ],
)
def test_planted_defects_are_caught(catalog: Catalog, kind: Finding, changes: Any) -> None:
    assert kind.value in planted(catalog, **changes)


@pytest.mark.parametrize(
    "text",
    [
        "He eats a orange.",
        "She wears an uniform.",
        "It takes 1 hours.",
        "It takes one days.",
        "It takes 3 hour.",
        "It takes three hour now.",
        "There are two boxs here.",
        "There are many ladys here.",
        "He decided to gives it up.",
        "He will bought it.",
        "He is here. she is not.",
        "he is here.",
        "He has has it.",
        "It costs ten% more.",
        "It is 2:one now.",
        "He has  two.",
        "He is here , now.",
        "He is here,now.",
        "He is here",
    ],
)
def test_the_linter_sees(text: str) -> None:
    assert list(lint(text))


@pytest.mark.parametrize(
    "text",
    [
        "An hour later, Ava's 11-mile run and an 8-hour shift were over.",
        "It is 1.5 hours, 21 hours or 1 hour for $12.50 and 1,250 pages.",
        "Is it one page of the 3-page letter?",
        "A 5-pound bag costs $3.",
        "She gave him a used car, a one-way ticket and a European map.",
        "Boxes, foxes, boys, days and churches.",
    ],
)
def test_the_linter_raises_no_false_alarm(text: str) -> None:
    assert not list(lint(text))
