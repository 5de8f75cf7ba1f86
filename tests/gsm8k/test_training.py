"""Real problems as training data: what is chosen, held out, varied, dropped and counted."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from msgspec.structs import replace

from trace_pipeline.experiment import Gsm8kConfig
from trace_pipeline.generation import read_examples, write_examples
from trace_pipeline.gsm8k import (
    HubUnavailableError,
    Problem,
    ProblemSet,
    few_shot_problems,
    find_overlaps,
    load_problems,
    load_training_problems,
)
from trace_pipeline.gsm8k.annotations import strip_annotations
from trace_pipeline.gsm8k.conversion import read_conversions, write_conversions
from trace_pipeline.gsm8k.loading import FOLDER_VARIABLE
from trace_pipeline.gsm8k.splits import part_of
from trace_pipeline.gsm8k.training import NO_PROBLEMS, SHOTS, TrainingTraces, training_traces
from trace_pipeline.solver import Solver, VerdictKind
from trace_pipeline.traces import render_trace
from trace_pipeline.validation import InvalidInputError

ALL = Gsm8kConfig(train="all", variants=2)


@pytest.fixture(scope="module")
def problems() -> ProblemSet:
    """Sixty problems of our own in the role of training problems."""
    return replace(load_problems("builtin"), split="train", is_gsm8k=True)


@pytest.fixture(scope="module")
def made(problems: ProblemSet) -> TrainingTraces:
    return training_traces(problems, [], ALL)


def test_originals_and_validation_are_parts_of_the_fixed_split(made: TrainingTraces) -> None:
    assert made.train
    assert made.validation
    assert {part_of(e.question) for e in made.train} == {"train"}
    assert {part_of(e.question) for e in made.validation} == {"validation"}


def test_everything_executes_to_its_answer(made: TrainingTraces) -> None:
    for example in (*made.examples, *made.validation):
        verdict = Solver().verify(render_trace(example.trace), example.answer, example.expert)
        assert verdict.kind is VerdictKind.CORRECT


def test_variants_have_other_questions_and_only_of_what_is_trained_on(
    made: TrainingTraces,
) -> None:
    originals = {example.question for example in made.train}
    questions = [variant.question for variant in made.variants]
    assert questions
    assert originals.isdisjoint(questions)
    assert len(made.variants) <= 2 * len(made.train)


def test_contrasts_are_asked_for_and_repeat_no_other_question(problems: ProblemSet) -> None:
    made = training_traces(problems, [], Gsm8kConfig(train="all", variants=2, contrasts=4))
    questions = [e.question for e in made.examples]
    assert made.contrasts
    assert len(set(questions)) == len(questions)
    assert made.examples[-1].schema == "gsm8k/contrast"
    for example in made.contrasts:
        verdict = Solver().verify(render_trace(example.trace), example.answer, example.expert)
        assert verdict.kind is VerdictKind.CORRECT
    one = training_traces(problems, [], Gsm8kConfig(train="all", contrasts=1)).contrasts
    assert 0 < len(one) < len(made.contrasts)


def test_fewer_problems_are_a_part_of_more(problems: ProblemSet, made: TrainingTraces) -> None:
    few = training_traces(problems, [], Gsm8kConfig(train=5))
    assert few.train == made.train[:5]
    assert few.variants == ()
    assert few.available == made.available == len(made.train)


def test_another_seed_chooses_others(problems: ProblemSet, made: TrainingTraces) -> None:
    other = training_traces(problems, [], Gsm8kConfig(train=5), seed=1)
    assert {e.index for e in other.train} != {e.index for e in made.train[:5]}


def test_none_is_trained_on_by_default(problems: ProblemSet) -> None:
    assert training_traces(problems, [], Gsm8kConfig()).examples == ()


def test_a_higher_bound_leaves_the_surer_readings(
    problems: ProblemSet, made: TrainingTraces
) -> None:
    sure = training_traces(problems, [], Gsm8kConfig(train="all", min_confidence=1))
    confidence = {c.index: c.confidence for c in sure.report.conversions}
    assert {confidence[e.index] for e in sure.train} == {1}
    assert len(sure.train) < len(made.train)


def test_what_overlaps_with_a_test_question_is_dropped_and_counted(
    problems: ProblemSet, made: TrainingTraces
) -> None:
    asked = made.train[0].question
    again = training_traces(problems, [asked], ALL)
    assert len(again.overlap.train_indices) == 1
    assert made.train[0].index not in {e.index for e in again.train}
    assert again.report.total == made.report.total - 1


def test_a_variant_that_is_a_test_question_is_dropped_and_counted(
    problems: ProblemSet, made: TrainingTraces
) -> None:
    asked = made.variants[0].question
    kept = [p for p in problems.problems if find_overlaps([p.question], [asked]).clean]
    again = training_traces(replace(problems, problems=tuple(kept)), [asked], ALL)
    assert asked not in {variant.question for variant in again.variants}


def test_the_policy_chooses_the_experts(problems: ProblemSet) -> None:
    experts = {
        policy: {e.expert for e in training_traces(problems, [], config).train}
        for policy in ("fitting", "arithmetic")
        for config in [Gsm8kConfig(train="all", policy=policy)]  # type: ignore[arg-type]
    }
    assert experts["arithmetic"] == {"arithmetic"}
    assert "percentage" in experts["fitting"]


def test_shots_are_sure_training_problems(made: TrainingTraces) -> None:
    assert len(made.shots) == SHOTS
    assert {part_of(shown.question) for shown in made.shots} == {"train"}


def test_the_built_in_examples_keep_their_own_traces_as_shots() -> None:
    made = training_traces(load_training_problems("builtin"), [], ALL)
    assert [s.trace for s in made.shots] == [s.trace for s in few_shot_problems()]
    assert made.report.total == 8


def test_conversions_are_read_as_they_were_written(tmp_path: Path, made: TrainingTraces) -> None:
    write_conversions(tmp_path / "traces.jsonl", made.report)
    read = read_conversions(tmp_path / "traces.jsonl")
    assert [(c.index, c.question, c.trace, c.answer, c.confidence, c.grounded) for c in read] == [
        (c.index, c.question, c.trace, c.answer, c.confidence, c.grounded)
        for c in made.report.conversions
    ]


def test_an_answer_without_an_end_is_read_as_it_was_written(tmp_path: Path) -> None:
    question = "Fay eats 1/3 of a cake and then 1/4 of it. How much of the cake does she eat?"
    cake = Problem(0, question, Fraction(7, 12), "1/3+1/4=<<1/3+1/4=7/12>>7/12\n#### 7/12")
    made = training_traces(replace(NO_PROBLEMS, problems=(cake,)), [], ALL)
    write_conversions(tmp_path / "traces.jsonl", made.report)
    assert [c.answer for c in read_conversions(tmp_path / "traces.jsonl")] == [cake.gold]
    examples = made.examples + made.validation
    write_examples(tmp_path / "train.jsonl", examples)
    assert tuple(read_examples(tmp_path / "train.jsonl")) == examples


NO_FRACTION = """{"question": "", "trace": "expert: arithmetic\\ntrace: []", "answer": "7",
"index": 0, "confidence": 1, "grounded": true}""".replace("\n", "")


@pytest.mark.parametrize("line", ["{", '{"question": "Why?"}', "", NO_FRACTION])
def test_a_line_that_is_no_conversion_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "traces.jsonl"
    path.write_text(f"{line}\n")
    with pytest.raises(InvalidInputError, match=r"traces\.jsonl:1: not a conversion"):
        read_conversions(path)


# -- where training problems come from ---------------------------------------------------------


@pytest.fixture
def no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)


def no_hub(split: str) -> list[object]:
    raise HubUnavailableError(f"the hub sleeps ({split})")


@pytest.mark.usefixtures("no_folder")
def test_without_gsm8k_the_built_in_examples_stand_in_and_say_so() -> None:
    found = load_training_problems("auto", fetch=no_hub)
    assert (found.name, found.is_gsm8k) == ("built-in examples", False)
    assert any("the hub sleeps (train)" in note for note in found.notes)


def test_the_scored_sample_is_never_trained_on() -> None:
    scored = {problem.question for problem in load_problems("builtin").problems}
    assert scored.isdisjoint(p.question for p in load_training_problems("builtin").problems)


def test_a_folder_with_the_test_split_alone_says_what_is_missing(tmp_path: Path) -> None:
    found = load_training_problems("auto", tmp_path, required=True)
    assert found.name == "built-in examples"
    assert str(tmp_path / "train.jsonl") in found.notes[0]


@pytest.mark.parametrize("source", ["folder", "hub"])
def test_a_source_that_was_asked_for_and_is_needed_is_an_error(tmp_path: Path, source: str) -> None:
    with pytest.raises(InvalidInputError):
        load_training_problems(source, tmp_path, required=True, fetch=no_hub)  # type: ignore[arg-type]
    assert load_training_problems(source, tmp_path, fetch=no_hub).name == "built-in examples"  # type: ignore[arg-type]


def test_the_hub_has_the_train_split() -> None:
    record = {"question": "What is 1 + 1?", "answer": "<<1+1=2>>\n#### 2"}
    found = load_training_problems("hub", fetch=lambda split: [record])
    assert (found.split, found.is_gsm8k, len(found.problems)) == ("train", True, 1)


def test_explanations_are_the_authors_words_of_what_is_trained_on(problems: ProblemSet) -> None:
    config = Gsm8kConfig(train="all", variants=1, explanations=True)
    made = training_traces(problems, [], config)
    solutions = {p.index: p.solution for p in problems.problems}
    for example in made.train:
        assert example.explanation
        assert example.explanation == strip_annotations(solutions[example.index])
    assert not any(e.explanation for e in (*made.copies, *made.validation))


def test_an_explanation_that_quotes_a_test_question_is_left_out(problems: ProblemSet) -> None:
    config = Gsm8kConfig(train="all", explanations=True)
    made = training_traces(problems, [], config)
    longest = max(made.train, key=lambda e: len(e.explanation.split()))
    again = training_traces(problems, [longest.explanation], config)
    kept = {e.index: e.explanation for e in again.train}
    assert kept.pop(longest.index) == ""
    assert all(kept.values())


def test_intermediate_questions_are_asked_for_and_repeat_no_other(problems: ProblemSet) -> None:
    made = training_traces(problems, [], Gsm8kConfig(train="all", variants=1, intermediate=3))
    assert made.intermediate
    questions = [e.question for e in (*made.examples, *made.validation)]
    assert len(set(questions)) == len(questions)
    for example in made.intermediate:
        assert example.schema == "gsm8k/intermediate"
        assert Solver().execute(example.trace).answer == example.answer


def test_semantic_names_are_of_everything_that_is_made_of_real_problems(
    problems: ProblemSet,
) -> None:
    config = Gsm8kConfig(train="all", variants=1, contrasts=1, intermediate=1, naming="semantic")
    named = training_traces(problems, [], config)
    numbered = training_traces(problems, [], replace(config, naming="hybrid"))
    for ours, theirs in ((named.examples, numbered.examples), (named.validation,) * 2):
        assert [e.question for e in ours] == [e.question for e in theirs]

    def steps(made: TrainingTraces) -> int:
        return sum(render_trace(e.trace).count("var: step") for e in made.examples)

    assert steps(named) < steps(numbered) / 2
