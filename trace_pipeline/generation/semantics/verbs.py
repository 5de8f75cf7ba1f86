"""Verbs by which something comes or goes, for ``account`` (``movements``)."""

from __future__ import annotations

import re


def _alternatives(forms: str) -> str:
    """A pattern of the comma-separated forms."""
    return "|".join(form.strip() for form in forms.replace("\n", " ").split(",") if form.strip())


_STOCK_GOES = _alternatives("""
    gives?, gave, giving, hands?, handed, handing, lends?, lent, lending, pays?, paid, paying,
    pass, passes, passed, sends?, sent, sending, trades?, traded, trading, loses?, lost, losing,
    sells?, sold, selling, spends?, spent, spending, eats?, ate, eaten, eating, uses?, used, using,
    cooks?, cooked, fry, fries, fried, boils?, boiled, bakes? with, donates?, donated, donating,
    spoils?, spoiled, burnt, burned, breaks?, broke, broken, wilts?, wilted, drops?, dropped,
    throws?, threw, thrown, keeps?, kept, keeping, puts?, putting, saved, takes?, took, taken,
    taking, ships?, shipped, leaves?, left, rolls? off, fall apart, fell, went, goes, go,
    defective, damaged, faulty, rotten, bad, brings?, brought, away, out, dies?, died, melts?,
    melted, removes?, removed, rides?, rode, walks?, walked, drives?, drove, drinks?, drank, reads?,
    absent, sick, picked up, delivers?, delivered, serves?, served, fills?, filled, reserved,
    set aside, needs?, needed, runs? out, sleeps?, sleeping, get off, got off
""")
_STOCK_COMES = _alternatives("""
    finds?, found, gets?, got, receives?, received, buys?, bought, borrows?, borrowed, borrowing,
    wins?, won, earns?, earned, collects?, collected, picks?(?! up), picked(?! up), catch, catches,
    caught, born, comes?, came, arrives?, arrived, joins?, joined, adds?, added, gains?, gained,
    makes?, made, bakes?, baked, grows?, grew, deposits?, deposited, in return, orders?, ordered,
    draws?, drew, plants?, planted, refills?, refilled, restocks?, restocked, gets? on, got on
""")
_MONEY_GOES = _alternatives("""
    spends?, spent, spending, pays?, paid, paying, buys?, bought, buying, costs?, charges?, charged,
    gives?, gave, lends?, lent, donates?, donated, loses?, lost, sends?, sent, puts?, orders?,
    ordered, rents?, rented, wants, takes out, is, are, fee, bill, for, on, to, into
""")
_MONEY_COMES = _alternatives("""
    earns?, earned, gets?, got, receives?, received, finds?, found, wins?, won, saves?, saved,
    deposits?, deposited, collects?, collected, makes?, made, sells?, sold, raises?, raised, adds?,
    added, borrows?, borrowed, allowance, gift, present
""")


def _moves(goes: str, comes: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:(?P<goes>{goes})|(?P<comes>{comes}))\b")


STOCK = _moves(_STOCK_GOES, _STOCK_COMES)
"""Verbs (and other words) by which a stock goes or comes, told of the one who has it."""
MONEY = _moves(_MONEY_GOES, _MONEY_COMES)
"""The same for amounts of money: what is bought comes, but its price goes."""

REST = re.compile(r"\b(?:rest|others?|left|remain(?:s|ing)?|not|back|change)\b")
"""Words for what is left when a part in between is taken away."""

TURNING = re.compile(
    _alternatives("""
    gives?, gave, giving, hands?, handed, lends?, lent, pays?, paid, pass, passes, passed, sends?,
    sent, donates?, donated, loses?, lost, brings?, brought, borrows?, borrowed, borrowing, wins?,
    won, gets?, got, buys?, bought, puts?
""")
)
"""Verbs between two parties: told of the other one, they mean the opposite for this one."""
