from __future__ import annotations

from fractions import Fraction

import pytest

from trace_pipeline.generation.model import PeopleFile
from trace_pipeline.generation.randomness import Stream
from trace_pipeline.generation.templates import (
    Scope,
    Story,
    TemplateError,
    compile_template,
    expand_snippets,
)
from trace_pipeline.generation.vocabulary import Entry, _noun, _people
from trace_pipeline.traces import Number

AVA, BEN = _people(PeopleFile(she=["Ava"], he=["Ben"]))
DRAWS: dict[str, Entry] = {
    "who": AVA,
    "friend": BEN,
    "item": _noun("orange", ""),
    "bread": _noun("loaf of bread", ""),
}
NUMBERS: dict[str, Number] = {
    "one": 1,
    "n": 3,
    "big": 12500,
    "half": Fraction(5, 2),
    "price": Fraction(25, 2),
    "eight": 8,
}
SCOPE = Scope(frozenset(NUMBERS), {name: (entry,) for name, entry in DRAWS.items()})


def render(source: str, fixed: bool = True, key: int = 0) -> str:
    story = Story(NUMBERS, DRAWS, Stream(key), fixed)
    return compile_template(source, SCOPE).render(story)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("${who} has ${n item}.", "Ava has 3 oranges."),
        ("${who} has ${one item}.", "Ava has 1 orange."),
        ("${n bread} and ${one bread}", "3 loaves of bread and 1 loaf of bread"),
        ("${half 'hour'} or ${one 'hour'}", "2.5 hours or 1 hour"),
        ("${a item}, ${a bread}", "An orange, a loaf of bread"),
        ("${a eight}-page book", "An 8-page book"),
        ("${a n}-page book", "A 3-page book"),
        ("${who's} dog and ${friend's} cat", "Ava's dog and Ben's cat"),
        ("${who.they} sees ${friend.them}", "She sees him"),
        ("${who.their} hat is ${friend.theirs}", "Her hat is his"),
        ("${item.many} cost ${price|money}", "Oranges cost $12.50"),
        ("${big|money} or ${big}", "$12,500 or 12,500"),
        ("${n|words} times", "Three times"),
        ("${n|times} as many", "Three times as many"),
        ("it ${n|grown}", "It tripled"),
        ("${n|fraction} of it", "A third of it"),
        ("there ${one|pick:is,are} ${one item}", "There is 1 orange"),
        ("there ${n|pick:is,are} ${n item}", "There are 3 oranges"),
        ("[first|second] choice", "First choice"),
        ("a[ [b|c]|d] e", "A b e"),
        ("${n}% of $5", "3% of $5"),
        ("done. ${who.they} left", "Done. She left"),
    ],
)
def test_rendering(source: str, text: str) -> None:
    assert render(source) == text


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("${nobody}", "unknown placeholder 'nobody'"),
        ("${x item}", "unknown number 'x'"),
        ("${item.plural}", "'item.plural' does not exist for 'orange' .forms there: .*many"),
        ("${who.many}", "does not exist for 'Ava'"),
        ("${n|loud}", "unknown form 'loud'"),
        ("${item|words}", "needs a number"),
        ("${n n}", "expected a noun"),
        ("${who item}", "expected a number, found the word 'who'. There are: big, eight"),
        ("${who|pick:is,are}", "expected a number, found the word 'who'"),
        ("${an item}", "expected 'a' in ..an item.: it becomes 'an' where it must"),
        ("${n|money:usd}", "the form 'money' takes nothing after it"),
        ("${n|pick:is,are,were}", "expected .*pick:one,many"),
        ("${'hour'}", "expected a number before the noun"),
        ("${n|pick:is}", "expected .*pick:one,many"),
        ("${}", "cannot read the placeholder"),
        ("${N}", "cannot read the placeholder"),
        ("${who", "unexpected"),
        ("who}", "unexpected"),
        ("[one|two", "without a ']'"),
        ("one|two", "without a '\\['"),
        ("one] two", "without a '\\['"),
        ("[one]", "two alternatives"),
    ],
)
def test_refused(source: str, reason: str) -> None:
    with pytest.raises(TemplateError, match=reason):
        compile_template(source, SCOPE)


def test_choices_and_spelling_vary_unless_fixed() -> None:
    found = {render("[buys|gets] ${n}", False, key) for key in range(200)}
    assert found == {"Buys 3", "Gets 3", "Buys three", "Gets three"}


@pytest.mark.parametrize("source", ["${n}%", "$${n}", "at 5:${n}", "${n}/4", "the 2-${n} win"])
def test_numbers_that_touch_symbols_stay_in_figures(source: str) -> None:
    assert not any("three" in render(source + " for ${n item}", False, key) for key in range(60))


def test_a_number_is_written_one_way_throughout_a_story() -> None:
    texts = {render("${n} and ${n item}", False, key) for key in range(60)}
    assert texts == {"3 and 3 oranges", "Three and three oranges"}


def test_snippets() -> None:
    snippets = {"ask": "how many ${item.many}", "end": "${ask} now"}
    assert expand_snippets("${who}: ${end}?", snippets) == "${who}: how many ${item.many} now?"
    with pytest.raises(TemplateError, match="x -> y -> x"):
        expand_snippets("${x}", {"x": "${y}", "y": "${x}"})
