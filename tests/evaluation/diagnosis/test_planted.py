"""Planted mistakes are named, and what is right is never called wrong."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from benchmarks.mutations import Gold
from benchmarks.planting import plant
from trace_pipeline.evaluation.diagnosis import Diagnosis, diagnose
from trace_pipeline.evaluation.diagnosis.steps import operands_of
from trace_pipeline.generation import Catalog, Generator
from trace_pipeline.gsm8k import load_problems
from trace_pipeline.gsm8k.conversion import convert
from trace_pipeline.paths import project_root
from trace_pipeline.solver import Solver
from trace_pipeline.traces import (
    Compute,
    Init,
    Query,
    Step,
    SubTrace,
    Trace,
    parse_trace,
    render_trace,
)

EACH = 25
NAMED = 0.95


@cache
def golds() -> list[Gold]:
    """The built-in sample, and examples of every schema."""
    converted = convert(load_problems("builtin").problems).conversions
    real = [Gold(c.question, c.trace, c.answer, None) for c in converted if not c.tied]
    root = project_root()
    generator = Generator(Catalog.load(root / "schemas", root / "vocab"), seed=11, verify=False)
    made = [generator.example(schema, 0) for schema in generator.plans]
    synthetic = [Gold(e.question, e.trace, e.answer, e.expert) for e in made]
    # Alternating, so that both kinds are planted on.
    pairs = zip(real, synthetic, strict=False)
    return [gold for pair in pairs for gold in pair] + synthetic[len(real) :]


def diagnosis_of(gold: Gold, text: str, clipped: bool = False) -> Diagnosis | None:
    verdict = Solver().verify(text, gold.answer, gold.expert)
    found = diagnose(text, verdict, gold.question, [gold.trace], clipped=clipped)
    return found.diagnosis if found else None


@pytest.mark.parametrize("planted", Diagnosis)
def test_planted_mistakes_are_named(planted: Diagnosis) -> None:
    mutants, _ = plant(golds(), planted, EACH, seed=7)
    assert len(mutants) == EACH
    names = [diagnosis_of(mutant.gold, mutant.text, mutant.clipped) for mutant in mutants]
    assert names.count(planted) >= NAMED * EACH, names


def test_gold_is_never_diagnosed() -> None:
    assert {diagnosis_of(gold, render_trace(gold.trace)) for gold in golds()} == {None}


MEANING = [d for d in Diagnosis if d not in ("clipped", "parse_fail", "other_invalid")]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(MEANING), st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_writing_a_mistake_otherwise_changes_no_diagnosis(planted, seed, random) -> None:
    """Other names, commutative operands in another order, independent steps in another order."""
    mutants, _ = plant(random.sample(golds(), 40), planted, 1, seed)
    for mutant in mutants:
        trace = parse_trace(mutant.text)
        written = reordered(shuffled_operands(renamed(trace), random), random)
        assert diagnosis_of(mutant.gold, render_trace(written)) == diagnosis_of(
            mutant.gold, mutant.text
        )


def renamed(trace: Trace) -> Trace:
    """Every name with another one in its place."""
    fields = ("var", "entity", "from_entity", "to_entity", "amount", "base", "rate")

    def other(step: Step) -> Step:
        changed = {
            field: f"other_{name}"
            for field in fields
            if isinstance(name := getattr(step, field, None), str)
        }
        if hasattr(step, "args"):
            changed["args"] = tuple(f"other_{name}" for name in step.args)
        return replace(step, **changed)

    return Trace(tuple(SubTrace(s.expert, tuple(map(other, s.steps))) for s in trace.subtraces))


def shuffled_operands(trace: Trace, random) -> Trace:
    """The operands of sums and products in another order."""

    def shuffled(step: Step) -> Step:
        if isinstance(step, Compute) and step.compute_op in ("add", "mul"):
            return replace(step, args=tuple(random.sample(step.args, len(step.args))))
        return step

    return Trace(tuple(SubTrace(s.expert, tuple(map(shuffled, s.steps))) for s in trace.subtraces))


def reordered(trace: Trace, random) -> Trace:
    """Inits and computations in any order in which each stands after what it reads."""
    subtraces = []
    for subtrace in trace.subtraces:
        if not all(isinstance(step, Init | Compute | Query) for step in subtrace.steps):
            subtraces.append(subtrace)
            continue
        left, done, steps = list(subtrace.steps), set[str](), list[Step]()
        known = {step.var for step in subtrace.steps if not isinstance(step, Query)}
        while left:
            ready = [
                step
                for step in left
                if (not isinstance(step, Query) or len(left) == 1)
                and all(name in done or name not in known for name in operands_of(step))
            ]
            if not ready:  # a variable that is set twice: leave it as it is
                steps = list(subtrace.steps)
                break
            step = random.choice(ready)
            left.remove(step)
            steps.append(step)
            done.add(step.var)
        subtraces.append(SubTrace(subtrace.expert, tuple(steps)))
    return Trace(tuple(subtraces))


def test_a_wire_to_what_is_written_later_is_wrong_wiring() -> None:
    """What is asked for leaves out the litres, which are computed behind it."""
    steps = [
        "{op: init, var: workers, value: 11}",
        "{op: init, var: each, value: 1.5}",
        "{op: compute, compute_op: mul, args: [workers, each], var: day}",
        "{op: init, var: week, value: 7}",
        "{op: compute, compute_op: mul, args: [%s, week], var: result}",
        "{op: query, var: result}",
    ]
    text = "expert: arithmetic\ntrace:\n" + "".join(f"- {step}\n" for step in steps)
    question = "11 workers drink 1.5 liters a day each, seven days a week. How many in a week?"
    gold = Gold(question, parse_trace(text % "day"), 115.5, "arithmetic")
    wrong = [steps[n] for n in (0, 3, 4, 1, 2, 5)]
    later = "expert: arithmetic\ntrace:\n" + "".join(f"- {step}\n" for step in wrong)
    found = {diagnosis_of(gold, written % "workers") for written in (text, later)}
    assert found == {Diagnosis.WRONG_WIRING}
