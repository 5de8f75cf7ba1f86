"""The quick looks at a text never claim what reading the whole of it would deny."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from trace_pipeline.generation.grounding import (
    FIGURES,
    plainly_printed,
    plainly_spelled,
    spelled_in,
)
from trace_pipeline.generation.realisation import leftover

WORDS = st.lists(
    st.sampled_from(["seven", "teen", "ty", "one", "hundred", "-", " ", ".", "half", "a", "s"]),
    max_size=8,
).map("".join)
TEXTS = st.text(alphabet="0123 .,a$-", max_size=24)


@given(TEXTS, st.integers(-3, 330))
@example("1,200", 200)
@example("1,2000", 2000)
@example("3.5", 5)
@example("-3", -3)
def test_what_it_finds_is_a_number_of_the_text(text: str, number: int) -> None:
    if plainly_printed(number, text):
        assert str(number) in FIGURES.findall(text)


def test_what_it_is_there_for() -> None:
    text = "Ann has 16 eggs, eats 3, and sells the rest at $2. Half of 48."
    assert all(plainly_printed(number, text) for number in (16, 3, 2, 48))
    assert not plainly_printed(4, text)
    assert not plainly_printed(1250, "1,250")


@given(WORDS, st.integers(-1, 101))
@example("one hundred", 100)
@example("twenty-two", 2)
@example("seventeen", 7)
@example("a two-day trip", 2)
def test_a_word_that_it_finds_is_a_number_of_the_text(text: str, number: int) -> None:
    if plainly_spelled(number, text):
        assert number in spelled_in(text)


def test_words_that_it_is_there_for() -> None:
    text = "seven gets half of twenty-two, twice."
    assert all(plainly_spelled(number, text) for number in (7, 2, 22))
    assert not plainly_spelled(20, text)


@given(st.text(alphabet="a1 ${}[]|", max_size=12))
@example("$5 [3")
@example("$5 [a")
def test_a_mark_is_left_over_where_no_figure_follows_it(text: str) -> None:
    marks = [i for i, sign in enumerate(text) if sign in "${}[]|"]
    assert leftover(text) == any(not text[i + 1 : i + 2].isdigit() for i in marks)
