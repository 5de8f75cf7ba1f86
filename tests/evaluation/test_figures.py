"""Every figure is a picture of sensible size, made without a display."""

import re
import struct
import sys

import pytest

from trace_pipeline.evaluation import (
    Proportion,
    accuracy_figure,
    diagnoses_figure,
    groups_figure,
    loss_figure,
    reward_figure,
    sample_size_figure,
    verdicts_figure,
)
from trace_pipeline.evaluation.reference import load_reference

LOSS = [{"step": i, "loss": 2 / (i + 1)} for i in range(100)]
REWARD = [{"iteration": i, "reward": 0.5 + i / 20, "baseline": 0.5} for i in range(5)]


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", png[16:24])


def test_figures_of_evaluations(evaluation, evaluate):
    models = [evaluate(unparsed=32, model="base, zero-shot"), evaluation]
    for png in (
        accuracy_figure(models),
        accuracy_figure([evaluate()]),
        verdicts_figure(models),
        verdicts_figure([evaluate()]),
        groups_figure(evaluation.by_steps(), "By steps", "steps"),
        groups_figure(evaluation.by_expert(), "By expert", "expert"),
        diagnoses_figure({"wrong_operation": 12, "clipped": 1}),
        sample_size_figure(evaluation),
        sample_size_figure(evaluate(correct=20, wrong=90)),
    ):
        width, height = size(png)
        assert 600 < width < 1400
        assert 150 < height < 1000


def test_a_figure_as_svg_keeps_its_text_and_is_the_same_every_time(evaluation):
    svg = sample_size_figure(evaluation, "svg")
    assert b"first n problems" in svg
    assert svg.count(b"<image") == 0
    ids = re.findall(rb'id="([^"]+)"', svg)
    assert ids == re.findall(rb'id="([^"]+)"', sample_size_figure(evaluation, "svg"))


def test_the_first_10_30_and_100_problems_are_named(evaluate):
    svg = sample_size_figure(evaluate(correct=20, wrong=90), "svg").decode()
    assert all(text in svg for text in ("10: 100.0 %", "30: 66.7 %", "100: 20.0 %"))


def test_accuracies_from_elsewhere_stand_above_the_others(evaluation):
    best = load_reference().best()
    assert best == {"notebook:run_23, Llama-3.2-3B-Instruct": Proportion(8, 30)}
    svg = accuracy_figure([evaluation], "svg", best).decode()
    (name,) = best
    assert svg.index(f">{name}<") < svg.index(f">{evaluation.model}<")
    assert "26.7 %" in svg


def test_more_models_make_a_taller_figure(evaluation):
    assert size(accuracy_figure([evaluation] * 5))[1] > size(accuracy_figure([evaluation]))[1]


@pytest.mark.parametrize(
    "records",
    [LOSS, LOSS[:1], [*LOSS[:3], {"step": 3, "tokens_per_second": 400.0}]],
)
def test_loss_curves(records):
    assert size(loss_figure(records))[0] > 600


@pytest.mark.parametrize("records", [REWARD, [{"iteration": 0, "reward": 0.5}]])
def test_reward_curves(records):
    assert size(reward_figure(records))[0] > 600


def test_another_field_can_be_drawn():
    records = [{"step": 1, "validation_loss": 0.4}]
    assert loss_figure(records, loss="validation_loss")


@pytest.mark.parametrize(
    "call",
    [
        lambda: accuracy_figure([]),
        lambda: verdicts_figure([]),
        lambda: groups_figure([], "t", "a"),
        lambda: diagnoses_figure({}),
        lambda: loss_figure([]),
        lambda: loss_figure(REWARD),
        lambda: reward_figure(LOSS),
    ],
)
def test_nothing_to_draw_is_refused(call):
    with pytest.raises(ValueError, match=r"found none|has both"):
        call()


def test_no_prediction_says_nothing_about_samples(evaluate):
    with pytest.raises(ValueError, match="found none"):
        sample_size_figure(evaluate())


def test_no_global_plotting_state_is_touched(evaluation):
    before = "matplotlib.pyplot" in sys.modules
    accuracy_figure([evaluation])
    assert ("matplotlib.pyplot" in sys.modules) is before
