"""Contamination is found whatever the punctuation, and nothing else is."""

import time

import pytest

from trace_pipeline.gsm8k import Hit, find_overlaps
from trace_pipeline.gsm8k.overlap import normalised_words

TEST = [
    "A ferry takes 1,200 cars across the strait on each of its trips, and it makes 3 trips a day.",
    "How many eggs?",
]


def words(count: int, prefix: str = "w") -> str:
    return " ".join(f"{prefix}{i}" for i in range(count))


@pytest.mark.parametrize(
    "variant",
    [
        TEST[0],
        TEST[0].upper(),
        TEST[0].replace(",", "").replace(" ", "  "),
        TEST[0].replace(".", "!?") + "\n",
    ],
)
def test_the_same_words_are_an_exact_hit(variant):
    overlap = find_overlaps([words(20), variant], TEST)
    assert [(hit.train, hit.test) for hit in overlap.exact] == [(1, 0)]
    assert overlap.thirteen_gram == ()
    assert overlap.train_indices == {1}


@pytest.mark.parametrize(
    "written",
    [
        "The cafe\u0301 Zoe\u0308 runs",  # letters and accents apart, as some keyboards give them
        "The ca\u00adf\u00e9 Zo\u00eb\u200d runs",  # a soft hyphen and a joiner
        "\ufeffThe\u200bcaf\u00e9\u00a0Zo\u00eb runs",  # a mark in front, spaces of other widths
    ],
)
def test_letters_that_look_the_same_are_the_same(written):
    assert normalised_words(written) == ("the", "caf\u00e9", "zo\u00eb", "runs")


def test_a_short_question_can_only_be_an_exact_hit():
    assert find_overlaps(["how many EGGS"], TEST).train_indices == {0}
    assert find_overlaps(["How many eggs are there?"], TEST).clean


@pytest.mark.parametrize(("shared", "clean"), [(12, True), (13, False), (30, False)])
def test_thirteen_words_in_a_row_are_a_hit(shared, clean):
    train = f"{words(5, 'a')} {words(shared)} {words(5, 'b')}"
    test = f"{words(4, 'c')} {words(shared)} {words(9, 'd')}"
    overlap = find_overlaps([train], [test])
    assert overlap.clean is clean
    assert overlap.exact == ()
    if not clean:
        assert overlap.thirteen_gram == (Hit(0, 0, words(13)),)


def test_each_pair_is_reported_once():
    test = words(40)
    overlap = find_overlaps([test + " more", test + " less"], [test, test])
    pairs = [(hit.train, hit.test) for hit in overlap.thirteen_gram]
    assert sorted(pairs) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert "2 of 2 training questions" in overlap.describe()


def test_numbers_are_compared_as_numbers():
    assert normalised_words("It's $1,234.50, isn't it? 1,23") == (
        *("it", "s", "1234.50", "isn", "t", "it", "1", "23"),
    )


def test_ten_thousand_against_thirteen_hundred_is_quick():
    train = [words(45, f"t{i}x") for i in range(10_000)]
    test = [words(45, f"s{i}x") for i in range(1_300)]
    start = time.process_time()
    assert find_overlaps(train, test).clean
    assert time.process_time() - start < 5
