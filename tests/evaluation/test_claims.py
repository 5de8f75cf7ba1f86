"""Claims are measured from committed outcome bits, and the page is what they give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from trace_pipeline.evaluation.benchmark import BenchmarkKind
from trace_pipeline.evaluation.claims import Claim, load_claims, measure, render_claims
from trace_pipeline.evaluation.results import (
    Result,
    RolloutCount,
    outcomes_of,
    outdated,
    read_results,
    write_result,
)
from trace_pipeline.experiment import available_experiments, load_experiment
from trace_pipeline.validation import InvalidInputError

ROOT = Path(__file__).parents[2]
CLAIM = Claim(
    title="Less is less", notebook="run 0", first="a", second="b", on="synthetic", expected="lower"
)


@pytest.fixture
def result(evaluate):
    def build(name: str, correct: int, wrong: int, rollouts: list[int] | None = None) -> Result:
        synthetic = evaluate(correct=correct, wrong=wrong, kind=BenchmarkKind.SYNTHETIC)
        return Result(
            experiment=name,
            settings={"sft.layers": "6"},
            settings_sha256="s",
            base_sha256="b",
            dataset_sha256="d",
            checkpoint_sha256="c",
            git="0123456789abcdef",
            created="2026-11-24T12:00:00+00:00",
            evaluations={
                "synthetic": outcomes_of(synthetic),
                "gsm8k": outcomes_of(evaluate(wrong=30)),
            },
            rollouts=[
                RolloutCount(iteration=i, rollouts=8, correct=0, short_circuits=count)
                for i, count in enumerate(rollouts or [], 1)
            ],
        )

    return build


def test_there_are_ten_claims_on_presets_that_exist() -> None:
    claims = load_claims()
    assert len(claims) == 10
    named = {name for claim in claims for name in claim.presets}
    assert named <= set(available_experiments(ROOT / "experiments"))


def test_the_page_is_what_the_committed_results_give() -> None:
    results = read_results(ROOT / "docs/results/claims")
    expected = render_claims(load_claims(), results)
    assert (ROOT / "docs/claims.md").read_text() == expected, "run: trace-pipeline claims"


def test_committed_results_were_made_with_the_presets_as_they_are() -> None:
    for name, result in read_results(ROOT / "docs/results/claims").items():
        preset = load_experiment(name, ROOT / "experiments")
        assert outdated(result, preset.parameters()) == [], name


def test_a_result_is_outdated_when_a_setting_that_it_had_has_changed(result) -> None:
    made = result("a", 1, 1)
    assert outdated(made, {"sft.layers": "6", "sft.new": "1", "name": "b"}) == []
    sized = replace(made, settings={**made.settings, "decoding.batch_size": "32"})
    assert outdated(sized, {"sft.layers": "6", "decoding.batch_size": "auto"}) == []
    (found,) = outdated(made, {"sft.layers": "8"})
    assert (found.field, found.first, found.second) == ("sft.layers", "6", "8")


@pytest.mark.parametrize(
    ("correct", "verdict"),
    [
        (20, "seen here"),
        (50, "not distinguishable here"),
        (70, "the opposite is seen here"),
    ],
)
def test_the_verdict_follows_the_exact_test(result, correct: int, verdict: str) -> None:
    results = {"a": result("a", 48, 32), "b": result("b", correct, 80 - correct)}
    found = measure(CLAIM, results)
    assert found is not None
    assert found.verdict == verdict
    assert f"{correct} of 80" in found.text


def test_without_a_result_the_commands_are_named(result) -> None:
    results = {"a": result("a", 4, 4)}
    assert measure(CLAIM, results) is None
    page = render_claims([CLAIM], results)
    assert "**Not yet measured.**" in page
    assert "trace-pipeline run --experiment b\ntrace-pipeline claims --collect" in page
    assert "trace-pipeline run --experiment a" not in page


def test_results_on_different_problems_are_no_measurement(result) -> None:
    results = {"a": result("a", 4, 4), "b": result("b", 5, 4)}
    assert measure(CLAIM, results) is None
    page = render_claims([CLAIM], results)
    assert "on different problems; it takes both anew" in page
    assert "run --experiment a\ntrace-pipeline run --experiment b" in page


@pytest.mark.parametrize(
    ("refused", "verdict"),
    [
        ([6, 4, 2, 1, 0, 0, 0, 0], "seen here"),
        ([1, 0, 1, 0, 0, 1, 0, 0], "not distinguishable here"),
        ([0, 0, 2, 4, 8, 8, 8, 8], "the opposite is seen here"),
    ],
)
def test_short_circuits_are_counted_by_iteration(result, refused: list[int], verdict: str) -> None:
    claim = replace(CLAIM, on="rollouts")
    results = {"a": result("a", 4, 4, [5] * 8), "b": result("b", 4, 4, refused)}
    found = measure(claim, results)
    assert found is not None
    assert found.verdict == verdict
    assert " ".join(map(str, refused)) in found.text


def test_transfer_sets_real_against_synthetic_problems(result) -> None:
    claim = replace(CLAIM, second="a", on="transfer")
    found = measure(claim, {"a": result("a", 60, 20)})
    assert found is not None
    assert found.verdict == "seen here"
    assert "0 of 30" in found.text


def test_a_result_survives_its_file(result, tmp_path: Path) -> None:
    made = result("a", 3, 5, [1, 0])
    write_result(tmp_path, made)
    assert read_results(tmp_path) == {"a": made}
    assert made.evaluations["synthetic"].correct == "11100000"


def test_a_file_that_is_no_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"experiment": 1}')
    with pytest.raises(InvalidInputError, match=r"x\.json: not a result.*claims --collect"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("beside", "remedy"), [(["a"], "is there too: remove one of the two"), ([], "is not: rename")]
)
def test_a_result_never_takes_the_place_of_another(
    result, tmp_path: Path, beside: list[str], remedy: str
) -> None:
    for name in beside:
        write_result(tmp_path, result(name, 1, 1))
    write_result(tmp_path, result("a_again", 2, 0)).write_bytes(
        write_result(tmp_path / "elsewhere", result("a", 2, 0)).read_bytes()
    )
    with pytest.raises(InvalidInputError, match=rf"a_again\.json: a result of a, .*{remedy}"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("again", "verdict"),
    [(46, "seen here"), (20, "no more than the luck of an order"), (10, "no more than the luck")],
)
def test_a_difference_that_another_order_makes_too_is_luck(
    result, again: int, verdict: str
) -> None:
    claim = replace(CLAIM, first="small_baseline")
    results = {
        "small_baseline": result("small_baseline", 48, 32),
        "small_baseline_again": result("small_baseline_again", again, 80 - again),
        "b": result("b", 20, 60),
    }
    found = measure(claim, results)
    assert found is not None
    assert found.verdict.startswith(verdict)
    page = render_claims([claim], results)
    assert f"in another order (small_baseline_again) {again} of 80" in page
    del results["small_baseline_again"]
    found = measure(claim, results)
    assert found is not None
    assert found.verdict == "seen here"
    assert "(small_baseline_again) is not yet measured" in render_claims([claim], results)


@pytest.mark.parametrize(
    ("field", "value"), [("correct", "1"), ("valid", "x" * 80), ("experts", ["arithmetic"])]
)
def test_outcomes_that_do_not_fit_together_are_no_result(
    tmp_path: Path, field: str, value: object
) -> None:
    committed = json.loads((ROOT / "docs/results/claims/small_baseline.json").read_text())
    committed["evaluations"]["synthetic"][field] = value
    (tmp_path / "a.json").write_text(json.dumps(committed))
    with pytest.raises(InvalidInputError, match=r"not a result \(expected a bit.*collect it again"):
        read_results(tmp_path)


def test_a_result_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"experiment": "\xff"}')
    with pytest.raises(InvalidInputError, match="not a result"):
        read_results(tmp_path)
