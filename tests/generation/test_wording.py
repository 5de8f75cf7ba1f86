from __future__ import annotations

import pytest

from trace_pipeline.generation import Catalog, Generator
from trace_pipeline.generation.grounding import figures_in, spelled_in
from trace_pipeline.generation.lint import lint, question_count
from trace_pipeline.generation.randomness import Stream
from trace_pipeline.generation.wording import vary


def variants(text: str, count: int = 250) -> set[str]:
    return {vary(text, Stream(text, number)) for number in range(count)}


@pytest.mark.parametrize(
    ("text", "among"),
    [
        ("Ava has 3 kites. How many does Ava have?", "Picture this. Ava has 3 kites. "),
        ("Ava has 3 kites. How many does Ava have?", "Can you tell how many Ava has?"),
        ("Ava lost 3 kites. How many did she find?", "Do you know how many she found?"),
        ("6 pups play. How many pups are there in all?", "work out how many pups there are in"),
        ("She has $9. How much is left?", "Can you say how much is left?"),
        ("She has $9. How much is left?", "How much remains?"),
        ("A hat is $9. What is the total cost?", "Can you find out what the total cost is?"),
        ("Ava has 3 kites. What does she have?", "Given all this, what does she have?"),
        ("How many did Ben win, if Ava won 3?", "If Ava won 3, how many did Ben win?"),
        ("How many can Ben win, if he plays 3?", "If Ben plays 3, how many can he win?"),
        ("If Ava has 3, how many does Ben have?", "How many does Ben have if Ava has 3?"),
        ("Ava ran 3 miles each day. How many miles in all?", "3 miles every day."),
    ],
)
def test_what_may_become_of_a_text(text: str, among: str) -> None:
    assert any(among in variant for variant in variants(text)), variants(text)


@pytest.mark.parametrize(
    ("text", "never"),
    [
        ("How many does Ben have, if it is full?", "If it is full"),  # a pronoun before its noun
        ("How many of the 5 are his, if Ben has 2 of them?", "If Ben"),
        ("If Ava has 3, how many does she give away?", "away if"),
        ("Ava has 3 in all the bags. How many in all?", "altogether the"),
        ("Ava has $3. How many dollars does she need?", "money"),  # it may imply 100 cents
        ("Ava has a store-bought cake of 8. How many eat?", "purchased"),
        ("Ava has 3 now. How many does she have now?", "Now, how many"),
        ("Ava has 3. How many are left over?", "remain over"),
    ],
)
def test_what_may_not(text: str, never: str) -> None:
    assert not any(never in variant for variant in variants(text)), variants(text)


def test_a_question_in_the_middle_is_left_alone() -> None:
    text = "How many hats are there? Ava has 3."
    assert variants(text) == {text}


def test_numbers_questions_and_grammar_are_kept(catalog: Catalog) -> None:
    changed = 0
    for example in Generator(catalog, seed=11).sample(600):
        text = vary(example.question, Stream("test", example.question))
        changed += text != example.question
        assert figures_in(text) == figures_in(example.question)
        assert spelled_in(text) == spelled_in(example.question)
        assert question_count(text) == 1
        if not list(lint(example.question)):
            assert list(lint(text)) == [], text
    assert changed > 300


def test_it_depends_on_the_stream_alone() -> None:
    text = "Ava has 3 kites and buys 4 each day. How many kites does she have altogether?"
    assert vary(text, Stream("x")) == vary(text, Stream("x"))
    assert len(variants(text)) > 20
