"""Texts with the relations that they state, and the defects that must not get past them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction

import pytest

from trace_pipeline.generation.semantics import (
    KINDS,
    RelationError,
    UnderivableError,
    contradictions,
    derive_answer,
    parse_relation,
)
from trace_pipeline.generation.semantics.passage import Passage

NUMBERS = frozenset({"base", "other", "n", "m", "k", "rate", "price", "count", "given", "got"})


def faults(text: str, relations: Sequence[str], **constants: int) -> list[str]:
    return contradictions(text, [parse_relation(item) for item in relations], NUMBERS, constants)


SOUND: dict[str, tuple[str, list[str]]] = {
    "times, in full": (
        "${one} has ${k|times} as many ${item.many} as ${two}. ${two} has ${base item}. "
        "How many ${item.many} does ${one} have?",
        ["has(two, base)", "times_as_many(one, k, two)", "asked(one)"],
    ),
    "times, the reference named before": (
        "${two} has ${base item}. ${one} has twice as many. How many does ${one} have?",
        ["has(two, base)", "times_as_many(one, 2, two)", "asked(one)"],
    ),
    "a number compared": (
        "${one} has ${base item}, which is twice as many as ${two} has. How many has ${two}?",
        ["has(one, base)", "times_as_many(one, 2, two)", "asked(two)"],
    ),
    "words for quantities": (
        "The larger tank holds ${base} fish and the [smaller|little] one half as many. "
        "How many fish are that [together|in all]?",
        [
            "fraction_as_many('smaller|little', 2, base)",
            "total(answer, base, 'smaller|little')",
        ],
    ),
    "the compared after the phrase": (
        "There are ${base} fish in the pond and half that many in the aquarium. "
        "How many fish are there in all?",
        [
            "fraction_as_many('aquarium', 2, 'pond')",
            "has('pond', base)",
            "total(answer, 'pond', 'aquarium')",
        ],
    ),
    "three more than twice": (
        "${one} has ${n} more ${item.many} than twice as many as ${two}, who has ${base}. "
        "How many does ${one} have?",
        [
            "more_than(one, n, doubled)",
            "times_as_many(doubled, 2, two)",
            "has(two, base)",
            "asked(one)",
        ],
    ),
    "fewer, from the other side": (
        "${one} has ${base item}, ${n} fewer than ${two} has. How many do they have together?",
        ["has(one, base)", "fewer_than(one, n, two)", "total(answer, one, two)"],
    ),
    "giving, told of the giver": (
        "${one} has ${base item} and gives ${given} to ${two}. Later ${two} gives ${got} back to "
        "${one}. How many does ${one} have now?",
        ["account(one, base, -given, +got)", "asked(one)"],
    ),
    "a purse": (
        "${one} has ${base|money}, earns ${got|money} and buys a cap for ${given|money}. "
        "How much money is left?",
        ["account(answer, base, +got, -given)"],
    ),
    "percent off, then shipping": (
        "A coat costs ${price|money} and is ${rate}% off. Shipping is ${n|money}. "
        "What is the total?",
        ["percent_off(reduced, rate, price)", "total(answer, reduced, n)"],
    ),
    "a tip of a percentage": (
        "The bill is ${price|money}, and ${one} leaves a tip of ${rate} percent. How much is that?",
        ["percent_of(answer, rate, price)"],
    ),
    "two prices": (
        "${one} buys ${count} pens at ${price|money} each and ${m} pads at ${n|money} each. "
        "How much is that in all?",
        ["each(pens, count, price)", "each(pads, m, n)", "total(answer, pens, pads)"],
    ),
    "an equal division": (
        "${one} splits ${base item} equally among ${count} friends. How many does each get?",
        ["shared(answer, base, count)"],
    ),
    "two thirds": (
        "Two thirds of the ${base} students walk to school. How many walk?",
        ["parts_of(answer, 2, 3, base)"],
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_wording_passes(name: str) -> None:
    assert faults(*SOUND[name]) == []


DEFECTS: dict[str, tuple[str, list[str], str]] = {
    "twice labeled as half": (
        SOUND["times, in full"][0].replace("${k|times}", "twice"),
        ["has(two, base)", "fraction_as_many(one, 2, two)", "asked(one)"],
        "no such phrase",
    ),
    "twice the wrong way round": (
        SOUND["times, in full"][0].replace("${k|times}", "twice"),
        ["has(two, base)", "times_as_many(two, 2, one)", "asked(one)"],
        "'two' follows, not 'one'",
    ),
    "half the wrong way round, the reference before": (
        "The larger tank holds ${base} fish, the smaller one half as many. How many is that?",
        ["fraction_as_many(base, 2, 'smaller')", "asked('larger')"],
        "not named before|stands before it",
    ),
    "a fixed fraction unlike the variable": (
        "${two} has ${base item}. ${one} has half as many. How many does ${one} have? ${k}",
        ["has(two, base)", "fraction_as_many(one, k, two)", "asked(one)"],
        "the phrase has 2, the relation k",
    ),
    "a phrase without its relation": (
        "${two} has ${base item}, twice as many as last year. How many does ${two} have?",
        ["has(two, base)", "asked(two)"],
        "says times_as_many, but no relation",
    ),
    "a relation without its phrase": (
        "${one} has ${n} apples and ${two} has ${base}. How many has ${one}?",
        ["more_than(one, n, two)", "has(two, base)", "asked(one)"],
        "no such phrase",
    ),
    "more labeled as fewer": (
        "${one} has ${n} more apples than ${two}. ${two} has ${base}. How many has ${one}?",
        ["fewer_than(one, n, two)", "has(two, base)", "asked(one)"],
        "says more_than, but no relation",
    ),
    "the number of another phrase": (
        "${one} has ${n} more apples than ${two}. How many has ${one}? ${base}",
        ["has(one, n)", "has(two, base)", "more_than(one, base, two)", "asked(one)"],
        "the phrase has n, the relation base",
    ),
    "the number beside another holder": (
        "${one} has ${base} apples. ${two} has twice as many as ${one}. How many has ${two}?",
        ["has(two, base)", "times_as_many(two, 2, one)", "asked(two)"],
        "beside the number stands 'one'",
    ),
    "the question about another": (
        "${one} has ${base} apples. ${two} has twice as many as ${one}. How many has ${one}?",
        ["has(one, base)", "times_as_many(two, 2, one)", "asked(two)"],
        "the question is about 'one'",
    ),
    "a number that nobody uses": (
        "${one} has ${base} apples and ${n} pears. How many apples has ${one}?",
        ["has(one, base)", "asked(one)"],
        "no relation says what the number 'n' is",
    ),
    "a number that the text does not give": (
        "${one} has ${base} apples and eats some. How many are left?",
        ["account(answer, base, -given)"],
        "does not give the number 'given'",
    ),
    "what goes, labeled as coming": (
        "${one} has ${base} apples and eats ${given}. How many are left?",
        ["account(answer, base, +given)"],
        "no word says that 'given' comes",
    ),
    "the other one's gift": (
        "${one} has ${base item} and gives ${given} to ${two}. How many does ${two} have?",
        ["account(two, base, -given)", "asked(two)"],
        "no word says that 'given' goes",
    ),
    "off labeled as up": (
        "A coat for ${price|money} is ${rate}% off. What does it cost now?",
        ["percent_up(answer, rate, price)"],
        "says percent_off, but no relation",
    ),
    "each labeled as a division": (
        "Each of ${count} boxes holds ${base} eggs. How many eggs are there?",
        ["shared(answer, base, count)"],
        "'base' is told as so much each",
    ),
    "a division labeled as each": (
        "${one} splits ${base item} equally among ${count} friends. How many does each get?",
        ["each(answer, base, count)"],
        "says an equal division, but no relation",
    ),
    "crossed prices": (
        SOUND["two prices"][0],
        ["each(pens, count, n)", "each(pads, m, price)", "total(answer, pens, pads)"],
        "crossed",
    ),
    "one quantity counted twice": (
        "${one} has ${base} apples and ${two} twice as many. How many have they together?",
        ["has(one, base)", "times_as_many(two, 2, one)", "total(answer, one, base)"],
        "are the same",
    ),
    "an average without a relation": (
        "${one} scored ${n} and ${m}. What is the average?",
        ["total(answer, n, m)"],
        "says an average",
    ),
    "one alternative that says something else": (
        "${one} has ${base item}. ${two} has [twice|half] as many. How many does ${two} have?",
        ["has(one, base)", "times_as_many(two, 2, one)", "asked(two)"],
        "says fraction_as_many",
    ),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_contradiction_is_found(name: str) -> None:
    text, relations, message = DEFECTS[name]
    found = faults(text, relations)
    assert found
    assert any(part in fault for part in message.split("|") for fault in found), found


def test_a_declared_constant_stands_for_its_word() -> None:
    text = "${one} has half as many as ${two}. ${two} has ${base}. How many has ${one}?"
    relations = ["has(two, base)", "fraction_as_many(one, half, two)", "asked(one)"]
    assert faults(text, relations, half=2) == []
    assert faults(text, relations, half=3)


def declarations() -> Iterator[str]:
    """Every relation that somebody could put under the text of the next test."""
    names = ["base", "one", "two", "answer", "between"]
    for kind in KINDS.values():
        for arguments in itertools.permutations(names, 2):
            one, two = arguments
            match kind.name:
                case "has":
                    yield f"has({one}, {two})"
                case "total" | "each" | "average":
                    third = next(name for name in names if name not in arguments)
                    yield f"{kind.name}({one}, {two}, {third})"
                case "times_as_many" | "fraction_as_many" | "part_of" | "grown":
                    yield f"{kind.name}({one}, 2, {two})"
                case "account":
                    yield f"account({one}, {two}, -base)"
        if kind.name == "asked":
            yield from (f"asked({name})" for name in names)


def test_twice_labeled_as_half_passes_under_no_declaration() -> None:
    text = (
        "${one} has twice as many apples as ${two}. ${two} has ${base}. How many does ${one} have?"
    )
    usable = []
    for source in declarations():
        relation = parse_relation(source)
        alone = contradictions(text, [relation], NUMBERS, {})
        if relation.kind.name == "times_as_many" or not any(source in fault for fault in alone):
            usable.append(relation)
    right = wrong = 0
    for chosen in itertools.combinations(usable, 3):
        if sum(relation.kind.name == "times_as_many" for relation in chosen) != 1:
            continue  # the phrase stands once
        try:
            answer = derive_answer(chosen, {"base": 24})
        except UnderivableError:
            continue
        if answer in (12, 48) and not contradictions(text, chosen, NUMBERS, {}):
            right, wrong = right + (answer == 48), wrong + (answer == 12)
    assert right >= 1
    assert wrong == 0


DERIVATIONS: list[tuple[list[str], dict[str, int | Fraction], int | Fraction]] = [
    (["total(n, one, two)", "more_than(one, m, two)", "asked(one)"], {"n": 30, "m": 4}, 17),
    (["times_as_many(one, k, two)", "has(one, n)", "asked(two)"], {"n": 30, "k": 3}, 10),
    (["average(n, a, b, answer)"], {"n": 10, "a": 8, "b": 9}, 13),
    (["percent_up(n, rate, answer)"], {"n": 120, "rate": 20}, 100),
    (
        ["each(all, n, k)", "account(left, all, -m)", "shared(answer, left, k)"],
        {"n": 7, "k": 4, "m": 8},
        5,
    ),
    (["rounded_up(buses, n, k)", "each(answer, buses, m)"], {"n": 41, "k": 10, "m": 9}, 45),
    (["left_over(answer, n, k)"], {"n": 41, "k": 12}, 5),
    (["rounded_down(answer, n, k)"], {"n": 41, "k": 12}, 3),
    (["parts_of(answer, 2, 3, n)"], {"n": 10}, Fraction(20, 3)),
    (["ratio(one, n, two, m)", "total(k, one, two)", "asked(one)"], {"n": 3, "m": 2, "k": 40}, 24),
]


@pytest.mark.parametrize(("relations", "values", "answer"), DERIVATIONS)
def test_the_answer_follows(
    relations: list[str], values: dict[str, int | Fraction], answer: int | Fraction
) -> None:
    assert derive_answer(map(parse_relation, relations), values) == answer


@pytest.mark.parametrize(
    ("relations", "message"),
    [
        (["total(answer, n, missing)"], "do not determine"),
        (["asked(one)"], "do not determine"),
        (["total(answer, n, n)", "has(answer, n)"], "contradict"),
        (["each(answer, one, two)"], "do not determine"),
    ],
)
def test_an_answer_that_does_not_follow(relations: list[str], message: str) -> None:
    with pytest.raises(UnderivableError, match=message):
        derive_answer(map(parse_relation, relations), {"n": 3})


def test_a_quoted_word_stands_for_itself() -> None:
    """Signs in it are no pattern: a bracket is none that is open, a dot no other letter."""
    relations = [parse_relation("total(answer, 'p.m. [late', n)")]
    passage = Passage("at p.m. [late and pam. [late {N}?", relations, frozenset({"n"}), {})
    assert [mention.start for mention in passage.mentions if mention.name != "n"] == [3]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("one == 2 * two", "expected kind"),
        ("__import__('os')", "unknown relation"),
        ("twice(one, two)", "unknown relation"),
        ("has(one)", r"expected has\(x, n\)"),
        ("has(one, n, m)", r"expected has\(x, n\)"),
        ("total(x)", "expected total"),
        ("total(x, n, -m)", "takes no signs"),
        ("account(x, n)", "expected account"),
        ("account(x, -n, -m)", "expected account"),
        ("account(x, n, m)", "expected account"),
        ("has(one.two, n)", "expected names"),
        ("has('', n)", "expected names"),
        ("has('cats|', n)", "expected names"),
        ("has(one, 1e999)", "expected names"),
        ("has(one, n=2)", "expected kind"),
        ("has(", "expected kind"),
    ],
)
def test_a_malformed_relation_is_refused(source: str, message: str) -> None:
    with pytest.raises(RelationError, match=message):
        parse_relation(source)
