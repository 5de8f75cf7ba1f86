"""Which origin an operand gets where several have its value, or none does: problems of our own."""

from __future__ import annotations

import pytest

from tests.gsm8k.test_conversion import converted, program
from trace_pipeline.gsm8k.conversion.listing import list_sizes
from trace_pipeline.gsm8k.conversion.mentions import tokenize
from trace_pipeline.gsm8k.conversion.solution import read_solution
from trace_pipeline.gsm8k.conversion.text import Text, first_words


@pytest.mark.parametrize(
    ("question", "sizes"),
    [
        ("He buys equal amounts of plums, dried figs, and dates.", {3}),
        ("A cap and a scarf cost $9 each.", {2}),
        ("He buys a cap and a scarf.", set()),
        ("She swims on Monday and Friday.", {2}),
        ("She swims on Monday, Tuesday and Friday.", {3}),
        ("Ada, Ben and Cleo eat.", set()),
        ("He eats 3 figs, 2 plums, and a date.", set()),
        ("One reads and one sleeps. Both dream.", set()),
    ],
)
def test_what_is_listed_is_counted(question: str, sizes: set[int]) -> None:
    assert list_sizes(tokenize(question)) == sizes


@pytest.mark.parametrize(
    ("question", "solution", "expected"),
    [
        pytest.param(
            "Kim has 42 beads. A half are red, the others equal amounts of blue, pale green, and "
            "white. How many are white?",
            "42/2=<<42/2=21>>21 are not red. A third of them, 21/3=<<21/3=7>>7, are white.\n#### 7",
            "beads=42; half=2; step1=div(beads, half); listed=3; result=div(step1, listed)",
            id="a list is counted",
        ),
        pytest.param(
            "A lamp takes 10 minutes to test. A fan takes twice as long. Lea tests 6 lamps and 9 "
            "fans. How many hours does it take?",
            "A fan takes 10*2=<<10*2=20>>20 minutes. The lamps take 6*10=<<6*10=60>>60 minutes. "
            "The fans take 9*20=<<9*20=180>>180 minutes. Together 60+180=<<60+180=240>>240 "
            "minutes. There are 60 minutes in 1 hour, so it takes 240/60=<<240/60=4>>4 hours.\n"
            "#### 4",
            "minutes_per_hour=60; result=div(step4, minutes_per_hour)",
            id="a conversion into the unit of the result, not an equal result",
        ),
        pytest.param(
            "Tom gives a quarter of his $4 to Ida. Stickers cost 20 cents each. "
            "How many can Ida buy?",
            "Ida gets (1/4)*$4=$<<(1/4)*4=1>>1. $1 is 100 cents. She buys "
            "100/20=<<100/20=5>>5 stickers.\n#### 5",
            "step2=mul(step1, cents_per_dollar)",
            id="one dollar converted is the dollar, not the bare constant",
        ),
        pytest.param(
            "Uli has $100 and spends $8 a day for a week. He takes as many $5 bills as he can. "
            "How many dollars are left over?",
            "He spends 7*8=$<<7*8=56>>56. There are 100-56=$<<100-56=44>>44. That is "
            "44/5=<<44/5=8.8>>8.8, so 8 bills. They make 8*5=$<<8*5=40>>40. "
            "There are 44-40=$<<44-40=4>>4 left.\n#### 4",
            "floordiv(step2, bill)",
            id="the result right before, rounded unsaid, not an equal price",
        ),
        pytest.param(
            "A truck is loaded in 15 minutes and drives 30 minutes to the barn. It makes 6 trips "
            "and stays there. How many minutes does that take?",
            "A trip takes 15+30=<<15+30=45>>45 minutes. All of them take 45*6=<<45*6=270>>270 "
            "minutes. It drove back for 5 trips: 30*5=<<30*5=150>>150 minutes. In all "
            "270+150=<<270+150=420>>420 minutes.\n#### 420",
            "step3=sub(trips, one)",
            id="one trip less, not minutes by trips",
        ),
        pytest.param(
            "Mel had $400 and spent a fourth of it on paint. Then she spent half of the rest. "
            "What is left?",
            "She spent 400/4=$<<400/4=100>>100. Then she spent 300/2=$<<300/2=150>>150. "
            "She has 300-150=$<<300-150=150>>150.\n#### 150",
            "step2=sub(spent, step1)",
            id="what is left after the result right before",
        ),
        pytest.param(
            "Fay and Gus carry 48 bricks, and Fay carries thrice what Gus does. "
            "How many bricks does Fay carry?",
            "There are 1+3=<<1+3=4>>4 parts. A part is 48/4=<<48/4=12>>12 bricks. Fay carries "
            "12*3=<<12*3=36>>36 bricks.\n#### 36",
            "one=1; thrice=3; step1=add(one, thrice)",
            id="parts of a ratio are added",
        ),
        pytest.param(
            "Flour weighs 30 kg less than beans, and beans weigh 60 kg. A third of the flour is "
            "lost. How much flour is left?",
            "The flour weighs 60-30=<<60-30=30>>30 kg. The loss is 1/3*30=<<1/3*30=10>>10 kg. "
            "The flour left weighs 30-10=<<30-10=20>>20 kg.\n#### 20",
            "result=sub(step1, step2)",
            id="a difference is never what something is taken from",
        ),
        pytest.param(
            "Nia has 40 tin beads and 20 more glass beads than tin beads. Rosa has 20 clay beads "
            "and twice as many wooden beads. How many beads are there?",
            "Nia has 40+20=<<40+20=60>>60 glass beads. Nia has 40+60=<<40+60=100>>100 beads. Rosa "
            "has 2*20=<<2*20=40>>40 wooden beads. Rosa has 20+40=<<20+40=60>>60 beads. Together "
            "100+60=<<100+60=160>>160.\n#### 160",
            "add(clay_beads, step3)",
            id="the number of the person whom the author names, and a comparison only once",
        ),
        pytest.param(
            "A box of more than 5 pounds needs 5 labels, a lighter one 2 labels. Eva used 52 "
            "labels, and 6 boxes were light. How many boxes had more than 5 pounds?",
            "The light ones took 6*2=<<6*2=12>>12 labels. That leaves 52-12=<<52-12=40>>40 "
            "labels. 40/5=<<40/5=8>>8 boxes had more than 5 pounds.\n#### 8",
            "labels3=5; result=div(step2, labels3)",
            id="a bound is no operand, and labels are divided by labels",
        ),
        pytest.param(
            "Seed comes in bags of 24 kilos at $3. A bed needs 3 kilos and brings $5. "
            "What is gained on a bed?",
            "A bag is enough for 24/3=<<24/3=8>>8 beds. The seed for a bed costs "
            "3/8=$<<3/8=.375>>.375. That gains 5-.375=$<<5-.375=4.625>>4.625.\n#### 4.625",
            "step1=div(kilos, kilos2)",
            id="kilos are divided by kilos, not by a price",
        ),
        pytest.param(
            "A shift is $20 an hour up to 40 hours, then double. What is a week of 50 hours?",
            "The first hours give 40*20=$<<40*20=800>>800. Then an hour is 20*2=$<<20*2=40>>40. "
            "The other 10 hours give 10*40=$<<10*40=400>>400. "
            "In all 800+400=$<<800+400=1200>>1200.\n#### 1200",
            "sub(hours2, hours)",
            id="hours less hours, not less the result right before",
        ),
        pytest.param(
            "A hall with 60 chairs costs $60 for one night and half of that for the next. "
            "What do both nights cost?",
            "The next night costs 60/2=$<<60/2=30>>30. Both cost 60+30=$<<60+30=90>>90.\n#### 90",
            "price, half)",
            id="half of a price is a price",
        ),
    ],
)
def test_the_origin_of_an_operand(question: str, solution: str, expected: str) -> None:
    conversion = converted(question, solution)
    assert expected in program(conversion)
    assert conversion.grounded


def test_a_count_that_only_chance_explains_is_marked() -> None:
    conversion = converted(
        "Painting a door takes 8 minutes, and cleaning up takes 20 minutes. "
        "How many minutes do all doors of the house take?",
        "The house has 9 doors. They take 9*8=<<9*8=72>>72 minutes. In all 72+20=<<72+20=92>>92."
        "\n#### 92",
    )
    assert not conversion.grounded
    assert conversion.confidence < 0.5


def test_percent_cancels_where_both_sides_have_it() -> None:
    (found,) = read_solution("90/1% x 100% = 9000\n#### 9000")
    assert found.expression == read_solution("90/1 x 100 = 9000\n#### 9000")[0].expression


def test_the_words_behind_a_result_end_with_its_sentence() -> None:
    assert first_words("15 figs for Ann") == {"fig"}
    assert first_words("15.00\nHer pears cost") == frozenset()
    assert first_words("15. Her pears cost") == frozenset()


def test_bounds_and_persons_of_a_text() -> None:
    text = Text("Here Ada packs 3 figs. Ben's box holds at least 4 figs, and more than 2.", "")
    assert text.thresholds == [False, True, True]
    assert text.subjects[0] == "ada"
