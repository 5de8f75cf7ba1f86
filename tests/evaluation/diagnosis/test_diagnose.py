"""What is wrong with a prediction: the notebook's failures and their relatives, by class."""

from __future__ import annotations

import pytest

from tests.solver.programs import composition, program
from trace_pipeline.evaluation.diagnosis import Category, Diagnosed, Diagnosis, diagnose
from trace_pipeline.solver import Solver
from trace_pipeline.traces import parse_trace

PIZZA = "A pizza costs $15 and the tip is 20%. How much is paid in all?"
PAID = (
    "bill = 15",
    "rate = 20",
    "hundred = 100",
    "step1 = mul bill rate",
    "step2 = div step1 hundred",
    "result = add bill step2",
    "query result",
)
TYPING = "Words a minute in three tests: 47, 52 and 57. What is the average?"
AVERAGE = (
    "first = 47",
    "second = 52",
    "third = 57",
    "step1 = add first second third",
    "tests = 3",
    "result = div step1 tests",
    "query result",
)
GUM = "Chewing 4 pieces a day for 30 days, with 15 in a pack: how many packs?"
PACKS = (
    "pieces = 4",
    "days = 30",
    "step1 = mul pieces days",
    "pack = 15",
    "result = div step1 pack",
    "query result",
)
BRIDGE = "A bridge carries 5,000 pounds. A truck weighs 3,755. How much may it load?"
LOAD = ("limit = 5000", "truck = 3755", "result = sub limit truck", "query result")
ROPE = "Half of a rope of 36 feet is cut into 0.5 foot pieces. How many are there?"
PIECES = (
    "rope = 36",
    "half = 2",
    "step1 = div rope half",
    "foot = 0.5",
    "result = div step1 foot",
    "query result",
)
TRACK = "Ana has 9 shells, Ben has 6. Ana gives Ben 4 and finds 3. How many has she?"
SHELLS = (
    "ana.shells = 9",
    "ben.shells = 6",
    "transfer ana.shells ben.shells 4",
    "add_entity ana.shells 3",
    "query ana.shells",
)


def diagnosed(
    question: str, reference: tuple[str, ...], text: str, clipped: bool = False
) -> Diagnosed | None:
    """The diagnosis of ``text`` against one reference."""
    expert = "entity_track" if ".shells" in reference[0] else "arithmetic"
    trace = parse_trace(program(*reference, expert=expert))
    verdict = Solver().verify(text, Solver().execute(trace).answer)
    return diagnose(text, verdict, question, [trace], clipped=clipped)


MISSING, INVENTED, MISREAD = (
    Diagnosis.NUMBER_MISSING,
    Diagnosis.NUMBER_INVENTED,
    Diagnosis.NUMBER_MISREAD,
)


@pytest.mark.parametrize(
    ("question", "reference", "predicted", "expected", "says"),
    [
        pytest.param(
            PIZZA, PAID, "bill = 15, share = 0.2, tip = mul bill share, query tip",
            Diagnosis.MISSING_LAST_STEP, "goes on with result = bill + step2",
            id="the tip without the bill, by another route",
        ),
        pytest.param(
            TYPING, AVERAGE, "a = 47, b = 52, c = 57, s = add c a b, query s",
            Diagnosis.MISSING_LAST_STEP, "result = step1 / tests",
            id="a sum that is not divided",
        ),
        pytest.param(
            GUM, PACKS, "a = 4, query a", Diagnosis.TRUNCATED_CHAIN, "2 of the reference's 2",
            id="nothing computed",
        ),
        pytest.param(
            PIZZA, PAID, "bill = 15, rate = 20, s = mul bill rate, query s",
            Diagnosis.TRUNCATED_CHAIN, "2 of the reference's 3",
            id="two steps to go",
        ),
        pytest.param(
            GUM, PACKS, "a = 4, b = 15, c = 30, s = mul a b, r = mul s c, query r",
            Diagnosis.WRONG_OPERATION, "computes a * b; the reference computes a / b",
            id="all multiplied",
        ),
        pytest.param(
            BRIDGE, LOAD, "limit = 5000, truck = 3755, r = add limit truck, query r",
            Diagnosis.WRONG_OPERATION, "limit + truck", id="added for subtracted",
        ),
        pytest.param(
            BRIDGE, LOAD, "limit = 5000, truck = 3755, r = sub truck limit, query r",
            Diagnosis.WRONG_WIRING, "truck - limit", id="the wrong way round",
        ),
        pytest.param(
            BRIDGE, LOAD, "limit = 3755, truck = 5000, r = sub limit truck, query r",
            Diagnosis.WRONG_WIRING, "truck - limit", id="numbers under each other's names",
        ),
        pytest.param(
            PIZZA, PAID,
            "bill = 15, rate = 20, hundred = 100, s = mul bill rate, t = div s hundred, "
            "r = add bill t, query t",
            Diagnosis.WRONG_WIRING, "asks for t", id="the answer computed, another asked for",
        ),
        pytest.param(
            BRIDGE, LOAD, "limit = 5000, t = 3755, r = sub limit t, s = add r t, query s",
            Diagnosis.WRONG_WIRING, "goes on after r", id="a step too many",
        ),
        pytest.param(
            TYPING, AVERAGE, "a = 47, b = 52, c = 57, s = add a b, n = 3, r = div s n, query r",
            Diagnosis.WRONG_WIRING, "a + b; the reference takes a + b + c", id="an operand lost",
        ),
        pytest.param(
            TYPING, AVERAGE, "a = 47, b = 52, s = add a b, n = 3, r = div s n, query r",
            MISSING, "57 is never read", id="a number not read",
        ),
        pytest.param(
            BRIDGE, LOAD, "limit = 5000, r = sub limit truck, query r",
            MISSING, "truck is never given a value. 3755", id="a name without a number",
        ),
        pytest.param(
            PIZZA, PAID,
            "bill = 15, rate = 20, hundred = 100, s = mul bill rate, t = div s hundred, "
            "r = add rate t, query r",
            Diagnosis.WRONG_WIRING, "rate + t; the reference takes bill + t", id="another operand",
        ),
        pytest.param(
            TYPING, AVERAGE, "a = 47, b = 52, c = 81, s = add a b c, n = 3, r = div s n, query r",
            INVENTED, "81 as c is not in the question", id="a number from nowhere",
        ),
        pytest.param(
            BRIDGE, LOAD, "load = 1245, query load", INVENTED, "The answer itself",
            id="the answer worked out in the head",
        ),
        pytest.param(
            BRIDGE, LOAD,
            "limit = 5000, truck = 3755, r = sub limit truck, n = 7, s = mul r n, query s",
            INVENTED, "7 as n", id="a number and a step too many",
        ),
        pytest.param(
            ROPE, PIECES, "rope = 36, h = 2, s = div rope h, foot = 5, r = div s foot, query r",
            MISREAD, "5 as foot should be 0.5", id="0.5 as 5",
        ),
        pytest.param(
            ROPE, PIECES, "rope = 36, half = 3, s = div rope half, f = 0.5, r = div s f, query r",
            MISREAD, "3 as half should be 2 ('Half')", id="half as 3",
        ),
        pytest.param(
            ROPE, PIECES, "rope = 36, foot = 0.5, r = div rope foot, query r",
            MISREAD, "2 ('Half') is never read", id="a word lost",
        ),
        pytest.param(
            BRIDGE, LOAD, "limit = 5, truck = 3755, r = sub limit truck, query r",
            MISREAD, "5000, off by a power of ten", id="5,000 as 5",
        ),
        pytest.param(
            BRIDGE, LOAD, "limit = 5000, truck = 755, r = sub limit truck, query r",
            MISREAD, "with digits dropped", id="a digit dropped",
        ),
        pytest.param(
            PIZZA, PAID, "bill = 15, tip = 20, t = mul bill tip, r = add bill t, query r",
            MISREAD, "divides by 100", id="20 percent as 20",
        ),
        pytest.param(
            PIZZA, PAID, "bill = 15, tip = 2, t = mul bill tip, r = add bill t, query r",
            MISREAD, "2 as tip should be 0.2", id="20 percent as 2",
        ),
        pytest.param(
            PIZZA, PAID, "bill = 15, x = 3, step1 = add bill x, x = 4, query x",
            Diagnosis.OVERWRITTEN_VARIABLE, "'x' is defined already", id="a variable set twice",
        ),
    ],
)  # fmt: skip
def test_failures_of_arithmetic(question, reference, predicted, expected, says):
    found = diagnosed(question, reference, program(*predicted.split(", ")))
    assert found is not None
    assert (found.diagnosis, says in found.explanation) == (expected, True), found.explanation
    assert found.place is not None


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"transfer": "transfer ben.shells ana.shells 4"}, Diagnosis.WRONG_WIRING),
        ({"add_entity": "add_entity ben.shells 3"}, Diagnosis.WRONG_WIRING),
        ({"transfer": "transfer ana.shells ana.shells 4"}, Diagnosis.WRONG_WIRING),
        ({"query": "query ben.shells"}, Diagnosis.WRONG_WIRING),
        ({"add_entity": "consume ana.shells 3"}, Diagnosis.WRONG_OPERATION),
        ({"add_entity": ""}, Diagnosis.MISSING_LAST_STEP),
        ({"transfer": ""}, MISSING),
        ({"transfer": "transfer ana.shells ben.shells 40"}, MISREAD),
    ],
)
def test_failures_of_stocks(changed, expected):
    steps = [changed.get(step.split()[0], step) for step in SHELLS]
    found = diagnosed(TRACK, SHELLS, program(*filter(None, steps), expert="entity_track"))
    assert found is not None
    assert found.diagnosis is expected, found.explanation


PRICED = program("p = 80", "r = 25", "off = percent_off p r", "query off", expert="percentage")


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        ("off = percent_increase p r, query off", Diagnosis.WRONG_OPERATION),
        ("off = percent_off r p, query off", Diagnosis.WRONG_WIRING),
        ("off = percent_of p r, query off", Diagnosis.WRONG_OPERATION),
    ],
)
def test_failures_of_percentages(predicted, expected):
    reference = parse_trace(PRICED)
    text = program("p = 80", "r = 25", *predicted.split(", "), expert="percentage")
    verdict = Solver().verify(text, 60)
    found = diagnose(text, verdict, "25% off $80?", [reference])
    assert found is not None
    assert found.diagnosis is expected, found.explanation


def test_the_swimming_problem_crosses_an_expert_boundary():
    text = program("distance = 60", "rate = 20", "x = percent_of distance rate", "query x")
    found = diagnosed(PIZZA, PAID, text)
    assert found is not None
    assert (found.diagnosis, found.place, found.category) == (Diagnosis.FOREIGN_OP, (0, 2), None)


RATE = ("rate = 4", "time = 30", "result = mul rate time", "query result")


def test_ten_times_a_month_as_ten_sub_traces():
    text = composition(*[RATE] * 10)
    found = diagnosed(GUM, PACKS, text)
    assert found is not None
    assert (found.diagnosis, found.place) == (Diagnosis.REPEATED_SUBTRACE, (1, 0))
    assert "10 times" in found.explanation


def test_repetition_that_ran_into_the_budget_is_repetition():
    whole = composition(*[RATE] * 12)
    found = diagnosed(GUM, PACKS, whole[:-20], clipped=True)
    assert found is not None
    assert found.diagnosis is Diagnosis.REPEATED_SUBTRACE
    once = composition(RATE, PACKS)
    clipped = diagnosed(GUM, PACKS, once[:-20], clipped=True)
    assert clipped is not None
    assert clipped.diagnosis is Diagnosis.CLIPPED


def test_a_complete_trace_is_judged_by_itself_even_if_more_was_clipped():
    text = program(*PACKS[:3], "query step1") + "And so on and so on"
    found = diagnosed(GUM, PACKS, text, clipped=True)
    assert found is not None
    assert found.diagnosis is Diagnosis.MISSING_LAST_STEP


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I think it is 18.", Diagnosis.PARSE_FAIL),
        (program("a = step1", "query a"), Diagnosis.OTHER_INVALID),
        (
            "expert: arithmetic\ntrace:\n- {op: add, args: [a, b], var: c}\n",
            Diagnosis.OTHER_INVALID,
        ),
        (program("a = 3", "b = 4", "c = add a b"), Diagnosis.OTHER_INVALID),
        (program("a = 3", "query a", expert="geometry"), Diagnosis.OTHER_INVALID),
    ],
)
def test_what_cannot_be_compared(text, expected):
    found = diagnosed(PIZZA, PAID, text)
    assert found is not None
    assert (found.diagnosis, found.category) == (expected, None)


def test_without_a_reference_only_the_verdict_speaks():
    wrong = program(*PACKS[:3], "query step1")
    assert diagnose(wrong, Solver().verify(wrong, 8), GUM, []) is None
    for text, expected in (
        (composition(*[RATE] * 3), Diagnosis.REPEATED_SUBTRACE),
        (program("a = 3", "query a"), Diagnosis.OTHER_INVALID),
        (program("a = 3", "a = 4", "query a"), Diagnosis.OVERWRITTEN_VARIABLE),
    ):
        found = diagnose(text, Solver().verify(text, 8), GUM, [])
        assert found is not None
        assert found.diagnosis is expected


def test_of_several_readings_the_nearest_counts():
    other = parse_trace(program("a = 15", "b = 30", "r = div b a", "query r"))
    reference = parse_trace(program(*PACKS))
    text = program(*PACKS[:3], "query step1")
    verdict = Solver().verify(text, 8)
    for readings in ([other, reference], [reference, other]):
        found = diagnose(text, verdict, GUM, readings)
        assert found is not None
        assert (found.diagnosis, found.reference) == (Diagnosis.MISSING_LAST_STEP, reference)


def test_the_wrong_expert_is_said_where_all_else_is_right():
    reference = parse_trace(program(*RATE))
    text = program(*RATE)
    verdict = Solver().verify(text, 120, "rate_equation")
    found = diagnose(text, verdict, "4 an hour for 30 hours?", [reference])
    assert found is not None
    assert found.diagnosis is Diagnosis.OTHER_INVALID
    assert "expected rate_equation" in found.explanation


def test_the_first_of_several_faults_counts():
    text = program(
        "pieces = 4", "days = 30", "x = add pieces days", "pack = 15", "y = add x pack",
        "z = sub y days", "query z",
    )  # fmt: skip
    found = diagnosed(GUM, PACKS, text)
    assert found is not None
    assert (found.diagnosis, found.place) == (Diagnosis.WRONG_OPERATION, (0, 2))


def test_what_divides_does_not_stand_for_what_is_divided():
    text = program("pack = 15", "other = 8", "r = div pack other", "s = add r other", "query s")
    found = diagnosed(GUM, PACKS, text)
    assert found is not None
    assert found.diagnosis is Diagnosis.NUMBER_INVENTED
    text = program("pack = 15", "pieces = 4", "r = div pack pieces", "s = add r pack", "query s")
    found = diagnosed(GUM, PACKS, text)
    assert found is not None
    assert found.diagnosis is Diagnosis.WRONG_WIRING


def test_a_number_that_is_not_said_cannot_be_misread():
    reference = ("eggs = 3", "days = 7", "s = mul eggs days", "dozen = 12", "r = div s dozen")
    text = program("first = 3", "half = 2", "s = div first half", "r = add s first", "query r")
    found = diagnosed("3 eggs a day: how many dozen a week?", (*reference, "query r"), text)
    assert found is not None
    assert found.diagnosis is INVENTED


@pytest.mark.parametrize(
    ("question", "reference", "predicted", "category"),
    [
        (BRIDGE, LOAD, "l = 5000, t = 3755, r = sub t l, query r", Category.ENTITIES),
        (BRIDGE, LOAD, "l = 5000, t = 755, r = sub l t, query r", Category.VALUES),
        (TYPING, AVERAGE, "a = 47, b = 52, c = 57, s = add a b c, query s", Category.TRUNCATION),
        (GUM, PACKS, "a = 4, b = 30, s = mul a b, c = 15, r = mul s c, query r", Category.RATES),
        (GUM, PACKS, "a = 4, b = 30, s = mul a b, c = 15, r = div c s, query r", Category.RATES),
        (
            ROPE,
            PIECES,
            "a = 36, h = 2, s = div a h, f = 5, r = div s f, query r",
            Category.DECIMALS,
        ),
    ],
)
def test_the_notebooks_categories(question, reference, predicted, category):
    found = diagnosed(question, reference, program(*predicted.split(", ")))
    assert found is not None
    assert found.category is category
