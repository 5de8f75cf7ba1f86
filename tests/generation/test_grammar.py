from __future__ import annotations

import json
from pathlib import Path

import pytest

from trace_pipeline.generation import grammar
from trace_pipeline.generation.vocabulary import load_vocabulary

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("box", "boxes"),
        ("loaf of bread", "loaves of bread"),
        ("box of nails", "boxes of nails"),
        ("toy mouse", "toy mice"),
        ("picture frame", "picture frames"),
        ("scarf", "scarves"),
        ("bookshelf", "bookshelves"),
        ("photo", "photos"),
        ("potato", "potatoes"),
        ("child", "children"),
        ("sheep", "sheep"),
        ("foot", "feet"),
        ("yo-yo", "yo-yos"),
    ],
)
def test_plural(one: str, many: str) -> None:
    assert grammar.plural(one) == many


@pytest.mark.parametrize(
    ("text", "article"),
    [
        ("apple", "an"),
        ("banana", "a"),
        ("hour", "an"),
        ("house", "a"),
        ("uniform", "a"),
        ("umbrella", "an"),
        ("unusual hat", "an"),
        ("used car", "a"),
        ("one-way ticket", "a"),
        ("old coin", "an"),
        ("8% raise", "an"),
        ("11-mile run", "an"),
        ("18th floor", "an"),
        ("80 percent tip", "an"),
        ("110-page book", "a"),
        ("180-page book", "a"),
        ("1,100-page book", "a"),
        ("11,000-ton ship", "an"),
        ("$8 ticket", "an"),
        ("$12 ticket", "a"),
        ("European trip", "a"),
    ],
)
def test_article(text: str, article: str) -> None:
    assert grammar.article(text) == article


@pytest.mark.parametrize(
    ("base", "forms"),
    [
        ("bake", ("bakes", "baked", "baking")),
        ("carry", ("carries", "carried", "carrying")),
        ("play", ("plays", "played", "playing")),
        ("wash", ("washes", "washed", "washing")),
        ("pick up", ("picks up", "picked up", "picking up")),
    ],
)
def test_verb_forms(base: str, forms: tuple[str, str, str]) -> None:
    assert grammar.verb_forms(base) == dict(zip(("s", "past", "ing"), forms, strict=True))


def test_given_verb_forms_win() -> None:
    assert grammar.verb_forms("make", {"past": "made"})["past"] == "made"


def test_possessive_and_slug() -> None:
    assert grammar.possessive("Ava") == "Ava's"
    assert grammar.possessive("James") == "James's"
    assert grammar.possessive("the workers") == "the workers'"
    assert grammar.slug("jars of jam") == "jars_of_jam"
    assert grammar.slug("T-shirts") == "t_shirts"
    assert grammar.slug("café") == "cafe"
    assert grammar.slug("3D prints") == "_3d_prints"


def test_sentences_start_with_a_capital() -> None:
    text = "she has 2.5 pounds. is it more? ben asks! $5 is right."
    expected = "She has 2.5 pounds. Is it more? Ben asks! $5 is right."
    assert grammar.capitalise_sentences(text) == expected


GOLDEN = ROOT / "tests" / "generation" / "plurals.json"


def test_every_plural_of_the_vocabulary_was_read_by_a_person() -> None:
    """A new noun with its plural must be added to plurals.json by hand, after reading it."""
    found = {}
    for entries in load_vocabulary(ROOT / "vocab").lists.values():
        for entry in entries:
            for path, many in entry.forms.items():
                role, _, form = path.rpartition(".")
                if form == "many":
                    found[entry.forms[role]] = many
    assert found == json.loads(GOLDEN.read_text())
