"""The quick look at figures never claims what reading the whole text would deny."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from trace_pipeline.generation.grounding import FIGURES, plainly_printed

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
