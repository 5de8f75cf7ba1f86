"""Named constants of the world that word problems leave unsaid: seven days in a week.

A constant may be used only where a word of the text calls for it, so that no
number of a solution passes as knowledge by accident.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from msgspec import Struct

from trace_pipeline.traces.numbers import Number, normalise


def words(text: str) -> frozenset[str]:
    """A word list."""
    return frozenset(text.split())


class Constant(Struct, frozen=True):
    """A number that a word of the question implies."""

    name: str
    """The name of its init in a trace."""
    value: Number
    words: frozenset[str]
    """Singular words in lower case, any of which calls for it."""
    scales: bool = False
    """Whether it only ever multiplies or divides."""
    converts: bool = False
    """Whether it converts one unit into another, so that an author may do it unsaid."""

    @property
    def units(self) -> frozenset[str]:
        """Both units of ``minutes_per_hour``, singular; empty where nothing is converted."""
        small, _, large = self.name.partition("_per_")
        return frozenset((singular(small), large)) if self.converts and large else frozenset()


_UNITS = """
days_per_week 7 week weekly biweekly everyday daily day
hours_per_day 24 day daily hour
minutes_per_hour 60 hour hourly mph minute
seconds_per_minute 60 minute second
seconds_per_hour 3600 hour second
months_per_year 12 year annual annually yearly month monthly
weeks_per_year 52 year annual annually yearly weekly
days_per_year 365 year annual annually yearly
weeks_per_month 4 month monthly january february march april may june july august september october
weeks_per_month 4 november december
days_per_month 30 month monthly april june september november
cents_per_dollar 100 cent penny dollar $ ¢ quarter dime nickel coin
per_dozen 12 dozen
per_pair 2 pair
inches_per_foot 12 foot inch
feet_per_yard 3 yard
inches_per_yard 36 yard
feet_per_mile 5280 mile
yards_per_mile 1760 mile
ounces_per_pound 16 pound ounce
pounds_per_ton 2000 ton
kilograms_per_ton 1000 ton tonne
cups_per_pint 2 pint
pints_per_quart 2 quart
cups_per_quart 4 quart
quarts_per_gallon 4 gallon
pints_per_gallon 8 gallon
cups_per_gallon 16 gallon
ounces_per_cup 8 cup
ounces_per_pint 16 pint
ounces_per_quart 32 quart
ounces_per_gallon 128 gallon
tablespoons_per_cup 16 cup tablespoon
teaspoons_per_tablespoon 3 tablespoon teaspoon
grams_per_kilogram 1000 kilogram gram kilo
meters_per_kilometer 1000 kilometer kilometre meter
centimeters_per_meter 100 meter metre centimeter
millimeters_per_centimeter 10 centimeter
milliliters_per_liter 1000 liter litre milliliter
years_per_decade 10 decade
years_per_century 100 century
hundred 100 % percent percentage
"""
"""Units: name, value, the words that call for it."""

_WORLD = """
weekdays 5 week weekday workweek school workday monday friday
weekend_days 2 weekend
days_per_long_month 31 january march may july august october december month
days_in_february 28 february
days_per_leap_year 366 leap
days_per_fortnight 14 fortnight
half_hour 30 half-hour hour
quarter_hour 15 quarter
cents_per_quarter 25 quarter
quarter 0.25 quarter
cents_per_dime 10 dime
dime 0.1 dime
cents_per_nickel 5 nickel
nickel 0.05 nickel
penny 0.01 penny
quarters_per_dollar 4 quarter
dimes_per_dollar 10 dime
nickels_per_dollar 20 nickel
couple 2 couple
both 2 both
twins 2 twin
triplets 3 triplet
quadruplets 4 quadruplet
trio 3 trio
quartet 4 quartet
bakers_dozen 13 baker
score 20 score
half_dozen 6 dozen
halves 2 half halve halfway middle equally evenly average other split share together total sum
halves 2 combined difference more fewer less older younger longer shorter rest remaining
sides 4 square rectangle rectangular
sides 2 rectangle rectangular perimeter side
sides 3 triangle triangular equilateral
sides 5 pentagon pentagonal
sides 6 hexagon hexagonal
sides 8 octagon octagonal
faces 6 cube dice die
angles 180 triangle straight
circle 360 circle
right_angle 90 angle
legs 4 dog cat cow horse sheep goat pig animal zebra elephant lion table chair giraffe camel
legs 4 lamb puppy kitten rabbit
legs 2 chicken duck bird person human ostrich turkey hen rooster goose
legs 6 ant insect beetle bee ladybug
legs 8 spider octopus
legs 10 crab
legs 2 leg
arms 2 arm
corners 4 square rectangle rectangular corner
feet 2 sock shoe chicken duck bird person human ostrich turkey hen rooster goose
feet 4 dog cat cow horse sheep goat pig animal zebra elephant lion giraffe camel lamb rabbit
hands 2 hand arm glove hand
eyes 2 eye
ears 2 ear earring
shoes 2 shoe sock pair boot skate slipper
fingers 10 finger hand
fingers 5 finger hand
toes 10 toe
wheels 2 bicycle bike motorcycle
wheels 3 tricycle
wheels 4 car truck wagon
deck 52 deck card
suits 4 suit
letters 26 alphabet letter
seasons 4 season
quarters_per_year 4 quarterly fiscal
months_per_season 3 season
months_per_quarter 3 quarterly fiscal
months_per_half_year 6 half semester
semesters 2 semester
innings 9 inning
ends 2 end
round_trip 2 round return back trip way
parents 2 parent
grandparents 4 grandparent
day_half 12 noon midnight am pm overnight
digits 20 toe finger
"""


_SAID = words("legs arms feet hands eyes ears shoes fingers toes wheels faces corners")
"""Constants whose own noun has to be there too: a dog alone does not call for four legs."""
_SCALES = frozenset(("halves", "both", "couple", "round_trip", "sides", "per_pair"))


def _read(table: str, converts: bool) -> list[Constant]:
    constants = []
    for line in table.split("\n"):
        if line:
            name, value, *words = line.split()
            number = normalise(Fraction(value))
            constants.append(Constant(name, number, frozenset(words), name in _SCALES, converts))
    return constants


CONSTANTS: tuple[Constant, ...] = (*_read(_UNITS, True), *_read(_WORLD, False))


_SAME = {
    "feet": "foot",
    "ft": "foot",
    "hr": "hour",
    "hrs": "hour",
    "min": "minute",
    "mins": "minute",
    "sec": "second",
    "lb": "pound",
    "lbs": "pound",
    "oz": "ounce",
    "kg": "kilogram",
    "kgs": "kilogram",
    "km": "kilometer",
    "cm": "centimeter",
    "ml": "milliliter",
    "l": "liter",
    "people": "person",
    "children": "child",
    "kids": "child",
    "men": "man",
    "women": "woman",
    "mice": "mouse",
}


@lru_cache(maxsize=16384)
def singular(word: str) -> str:
    """A rough singular without abbreviations: enough to compare words, not to print them."""
    if word in _SAME:
        return _SAME[word]
    if len(word) > 3 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("shes", "ches", "xes", "sses", "oes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def called_for(words: set[str]) -> list[Constant]:
    """The constants that ``words`` (singular, lower case) call for."""
    return [
        constant
        for constant in CONSTANTS
        if not constant.words.isdisjoint(words)
        and (constant.name not in _SAID or singular(constant.name) in words)
    ]
