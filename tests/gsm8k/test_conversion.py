"""From an author's annotated solution to a verified trace: problems of our own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from trace_pipeline.generation.sharing import PIECE
from trace_pipeline.gsm8k import Problem, load_problems
from trace_pipeline.gsm8k.conversion import (
    Conversion,
    Failure,
    FailureKind,
    Fixed,
    Policy,
    Variant,
    conversion_record,
    convert,
    convert_file,
    convert_problem,
    variant_maker,
)
from trace_pipeline.gsm8k.problem import read_gold
from trace_pipeline.solver import Solver
from trace_pipeline.traces import Init, parse_trace
from trace_pipeline.validation import InvalidInputError


def problem(question: str, solution: str) -> Problem:
    return Problem(0, question, read_gold(solution), solution)


def converted(question: str, solution: str, policy: Policy = Policy.ARITHMETIC) -> Conversion:
    outcome = convert_problem(problem(question, solution), policy)
    assert isinstance(outcome, Conversion), outcome
    return outcome


def program(conversion: Conversion) -> str:
    """The trace in one line: ``eggs=9; result=sub(eggs, broken)``."""
    lines = []
    for part in conversion.trace.subtraces:
        steps = []
        for step in part.steps[:-1]:
            if isinstance(step, Init):
                steps.append(f"{step.var}={step.source or step.value}")
            else:
                fields = msgspec.structs.asdict(step)
                operands = fields.get("args") or (fields["base"], fields["rate"])
                op = fields.get("compute_op") or type(step).__name__
                steps.append(f"{step.var}={op}({', '.join(map(str, operands))})")
        lines.append("; ".join(steps))
    return " | ".join(lines)


@pytest.mark.parametrize(
    ("question", "solution", "expected"),
    [
        pytest.param(
            "Nora picks 18 plums. She eats 4 of them and sells the rest for $2 each. "
            "How much does she earn?",
            "She sells 18-4=<<18-4=14>>14 plums. She earns 14*2=$<<14*2=28>>28.\n#### 28",
            "plums=18; amount=4; step1=sub(plums, amount); rest_price=2; "
            "result=mul(step1, rest_price)",
            id="values in the order of reasoning, step1..n, result",
        ),
        pytest.param(
            "A coat costs $80. Its price rises by 15%. What is the new price?",
            "It rises by 80*15/100=$<<80*15/100=12>>12. It costs 80+12=$<<80+12=92>>92.\n#### 92",
            "coat_price=80; percent=15; step1=mul(coat_price, percent); hundred=100; "
            "step2=div(step1, hundred); result=add(coat_price, step2)",
            id="a percentage keeps the number of the question",
        ),
        pytest.param(
            "A coat costs $80. Its price rises by 15%. By how much?",
            "It rises by 80*.15=$<<80*.15=12>>12.\n#### 12",
            "percent=15; hundred=100; step1=div(percent, hundred); coat_price=80; "
            "result=mul(coat_price, step1)",
            id="0.15 is 15 percent",
        ),
        pytest.param(
            "Ivo has 24 stamps and Lea has half as many. How many do they have in all?",
            "Lea has 24*1/2=<<24*1/2=12>>12. Together 24+12=<<24+12=36>>36.\n#### 36",
            "stamps=24; half=2; step1=div(stamps, half); result=add(stamps, step1)",
            id="half divides by two however the author writes it",
        ),
        pytest.param(
            "A shop sells 2/5 of its 60 lamps. How many lamps is that?",
            "It sells 60*2/5=<<60*2/5=24>>24 lamps.\n#### 24",
            "lamps=60; numerator=2; step1=mul(lamps, numerator); denominator=5; "
            "result=div(step1, denominator)",
            id="a fraction gives its two numbers",
        ),
        pytest.param(
            "Ben swims 3 hours a day. How many hours does he swim in 2 weeks?",
            "There are 2*7=<<2*7=14>>14 days. He swims 14*3=<<14*3=42>>42 hours.\n#### 42",
            "weeks=2; days_per_week=7; step1=mul(weeks, days_per_week); hours_per_day=3; "
            "result=mul(step1, hours_per_day)",
            id="a constant of the world has a name",
        ),
        pytest.param(
            "Mia runs for 2 hours and 15 minutes. How many minutes is that?",
            "2 hours are 120 minutes. She runs 120+15=<<120+15=135>>135 minutes.\n#### 135",
            "hours=2; minutes_per_hour=60; step1=mul(hours, minutes_per_hour); minutes=15; "
            "result=add(step1, minutes)",
            id="a conversion done unsaid becomes a step, not a leaked number",
        ),
        pytest.param(
            "Tim has 30 shells. He gives away 20%. How many are left?",
            "He keeps 80%, which is 30*.8=<<30*.8=24>>24 shells.\n#### 24",
            "hundred=100; percent=20; step1=sub(hundred, percent); "
            "step2=div(step1, hundred); shells=30; result=mul(shells, step2)",
            id="what is left of a whole becomes a step",
        ),
        pytest.param(
            "A rope of 12 meters and one of 9 meters are joined, then 5 meters are cut off. "
            "How long is the rope?",
            "12 meters + 9 meters = 21 meters. Then 21-5=<<21-5=16>>16.\n#### 16",
            "meters=12; meters2=9; step1=add(meters, meters2); meters3=5; "
            "result=sub(step1, meters3)",
            id="a true equation without annotation counts",
        ),
        pytest.param(
            "Ann and Bo have 36 nuts. Bo has twice as many as Ann. How many nuts has Ann?",
            "Let x be Ann's nuts.\nx + 2x = 36\n3x = 36\nx = <<12=12>>12\n#### 12",
            "one=1; twice=2; step1=add(one, twice); nuts=36; result=div(nuts, step1)",
            id="an equation is isolated with the question's own numbers",
        ),
        pytest.param(
            "In each of 3 rooms stand 4 shelves with 25 books. How many books are there?",
            "There are 3*4*25=<<3*4*25=300>>300 books.\n#### 300",
            "rooms=3; shelves=4; books=25; result=mul(rooms, shelves, books)",
            id="one product stays one step",
        ),
        pytest.param(
            "A van seats 9 people. How many vans do 31 people need?",
            "They need 31/9=<<31/9=4>>4 vans.\n#### 4",
            "people=31; people2=9; result=ceildiv(people, people2)",
            id="a rounded division says which way it rounds",
        ),
    ],
)
def test_what_a_solution_becomes(question: str, solution: str, expected: str) -> None:
    conversion = converted(question, solution)
    assert program(conversion) == expected
    assert conversion.grounded
    assert Solver().execute(conversion.trace).answer == conversion.answer


@pytest.mark.parametrize(
    ("question", "solution", "expected"),
    [
        pytest.param(
            "Kai reads 12 pages on Monday and 8 pages on Tuesday. On Wednesday he reads 8 pages "
            "fewer than on both days together. How many pages does he read in all?",
            "On the two days he reads 12+8=<<12+8=20>>20 pages. On Wednesday he reads "
            "20-8=<<20-8=12>>12 pages. In all he reads 20+12=<<20+12=32>>32 pages.\n#### 32",
            "step3=add(step1, step2)",
            id="no dead step: the 12 is Wednesday's, not Monday's",
        ),
        pytest.param(
            "A bag holds 6 red and 6 blue marbles. Each red one weighs 6 grams. "
            "How many grams do the red ones weigh?",
            "They weigh 6*6=<<6*6=36>>36 grams.\n#### 36",
            "mul(red, grams)",
            id="two numbers, not one number twice",
        ),
        pytest.param(
            "Rosa bakes 3 trays with 5 rolls and pays 3 helpers $5 each. What does she pay?",
            "She pays 3*$5=$<<3*5=15>>15.\n#### 15",
            "mul(helpers, helper_price)",
            id="money is money, and numbers of one clause go together",
        ),
    ],
)
def test_equal_numbers_are_told_apart(question: str, solution: str, expected: str) -> None:
    text = program(converted(question, solution)).replace("result=", "step3=")
    assert expected.removeprefix("step3=") in text


def test_a_tie_is_marked_and_lowers_the_confidence() -> None:
    sure = converted("Otto buys 3 pens for $2 each. What does he pay?", "3*2=$<<3*2=6>>6\n#### 6")
    tied = converted(
        "Otto has 4 of these, 4 of those and 7 more. He sells the first lot twice over.",
        "He sells 4*2=<<4*2=8>>8 things. With the rest that is 8+7=<<8+7=15>>15.\n#### 15",
    )
    assert sure.confidence == 1
    assert not sure.tied
    assert tied.tied
    assert tied.confidence < sure.confidence


def test_a_number_that_nothing_explains_is_not_grounded() -> None:
    conversion = converted(
        "A tray holds eggs. How many eggs are on 3 trays and 5 plates of one?",
        "A tray holds 31 eggs, so there are 3*31=<<3*31=93>>93. With 5 it is "
        "93+5=<<93+5=98>>98.\n#### 98",
    )
    assert not conversion.grounded
    assert conversion.confidence <= 0.5


@pytest.mark.parametrize(
    ("question", "solution", "kind"),
    [
        ("Ada has 3 cats.", "She has 3.\n#### 7", FailureKind.NO_ROUTE),
        ("Ada has 3 cats.", "She has <<3=3>>3.\n#### 3", FailureKind.NO_COMPUTATION),
        ("Ada has 3 cats.", "<<3*=6>>\n#### 6", FailureKind.BROKEN_ANNOTATION),
        ("Ada has some.", "<<17*31*5=2635>>2635\n#### 2635", FailureKind.IMPLAUSIBLE),
        ("Ada has 3 cats and 4.", "<<3+4=9>>9\n#### 9", FailureKind.WRONG_VALUE),
    ],
)
def test_failures_have_a_kind(question: str, solution: str, kind: FailureKind) -> None:
    outcome = convert_problem(problem(question, solution))
    assert isinstance(outcome, Failure)
    assert outcome.kind is kind


@pytest.mark.parametrize(
    ("question", "solution", "experts", "expected"),
    [
        pytest.param(
            "A coat costs $80. It is 25% off. What does it cost now?",
            "80*25/100=<<80*25/100=20>>20, so 80-20=<<80-20=60>>60.\n#### 60",
            "percentage",
            "coat_price=80; rate=25; result=PercentOff(coat_price, rate)",
            id="percentage",
        ),
        pytest.param(
            "Two coats cost $40 each. A tax of 10% is added. What is the total?",
            "2*40=<<2*40=80>>80, 10% is 80*.1=<<80*.1=8>>8, 80+8=<<80+8=88>>88.\n#### 88",
            "arithmetic+percentage",
            "coats=2; coat_price=40; result=mul(coats, coat_price) | "
            "base=prev.result; rate=10; result=PercentIncrease(base, rate)",
            id="composition",
        ),
        pytest.param(
            "A pump moves 12 liters per minute. How many liters does it move in 9 minutes?",
            "12*9=<<12*9=108>>108 liters.\n#### 108",
            "rate_equation",
            "liters_per_minute=12; minutes=9; result=mul(liters_per_minute, minutes)",
            id="rate_equation",
        ),
        pytest.param(
            "In a drawer Olga has 14 keys. Pia has three times as many. "
            "How many keys do they have together?",
            "Pia has 14*3=<<14*3=42>>42 keys, together 14+42=<<14+42=56>>56.\n#### 56",
            "comparison",
            "olga.keys=14; times=3; step1=mul(olga.keys, times); result=add(olga.keys, step1)",
            id="comparison",
        ),
    ],
)
def test_the_fitting_expert(question: str, solution: str, experts: str, expected: str) -> None:
    conversion = converted(question, solution, Policy.FITTING)
    assert "+".join(part.expert for part in conversion.trace.subtraces) == experts
    assert program(conversion) == expected
    plain = converted(question, solution)
    assert [part.expert for part in plain.trace.subtraces] == ["arithmetic"]
    assert plain.answer == conversion.answer


@pytest.mark.parametrize("policy", Policy)
def test_the_built_in_sample_converts(policy: Policy) -> None:
    report = convert(load_problems("builtin").problems, policy)
    assert len(report.conversions) >= 0.9 * report.total
    assert report.grounded >= 0.9 * report.total
    for conversion in report.conversions:
        names = [step.var for part in conversion.trace.subtraces[:1] for step in part.steps[:-1]]
        assert len(names) == len(set(names))


def test_several_processes_convert_as_one_does() -> None:
    problems = load_problems("builtin").problems
    many = problems * (1 + 2 * PIECE // len(problems))
    one, two = convert(problems), convert(many, processes=2)
    records = [conversion_record(conversion) for conversion in one.conversions]
    again = [conversion_record(conversion) for conversion in two.conversions]
    assert again == records * (len(many) // len(problems))
    assert two.failures == one.failures * (len(many) // len(problems))
    for here, there in zip(one.conversions, two.conversions[-len(records) :], strict=True):
        assert variants_of(there) == variants_of(here)  # what comes back is whole


def variants_of(conversion: Conversion) -> list[Variant] | Fixed:
    maker = variant_maker(conversion)
    return maker if isinstance(maker, Fixed) else list(maker.make(2))


def test_a_file_is_converted_line_by_line_and_bad_lines_are_counted(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(
        '{"question": "A cat has 3 toys and gets 4. How many?", '
        '"answer": "3+4=<<3+4=7>>7\\n#### 7"}\n'
        '{"question": "no answer"}\nnot json\n'
    )
    report = convert_file(source, target)
    assert [rejected.line for rejected in report.rejected] == [2, 3]
    records = [msgspec.json.decode(line) for line in target.read_bytes().splitlines()]
    assert records == [conversion_record(report.conversions[0])]
    assert list(records[0]) == ["question", "trace", "answer", "index", "confidence", "grounded"]
    assert Solver().execute(parse_trace(records[0]["trace"])).answer == records[0]["answer"] == 7
    assert "1 of 1 problems execute to gold" in report.describe()
    assert "2 lines rejected" in report.describe()


def test_a_file_without_problems_leaves_no_output(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("nothing\n")
    with pytest.raises(InvalidInputError, match="not one usable problem"):
        convert_file(source, target)
    assert not target.exists()


def test_the_same_traces_whatever_order_sets_have() -> None:
    script = (
        "from trace_pipeline.gsm8k import load_problems;"
        "from trace_pipeline.gsm8k.conversion import convert, conversion_record;"
        "report = convert(load_problems('builtin').problems);"
        "print([conversion_record(one) for one in report.conversions])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
