"""What training cost elsewhere: figures, warning, and their place in the report."""

import math

import pytest

from trace_pipeline.evaluation import (
    TOLERATED_PERPLEXITY,
    CautionCode,
    Drift,
    Forgetting,
    Report,
    cautions,
    render_html,
    render_markdown,
)


def forgetting(text_after=2.8, chat_after=0.8, chat=True):
    return Forgetting(
        text=Drift(name="general text", before=2.7, after=text_after, tokens=3200),
        chat=Drift(name="chat replies", before=0.7, after=chat_after, tokens=900) if chat else None,
    )


def test_losses_and_perplexities_are_logged_before_and_after():
    metrics = forgetting().metrics()
    assert metrics["text_loss_before"] == 2.7
    assert metrics["text_loss_change"] == pytest.approx(0.1)
    assert metrics["chat_perplexity"] == pytest.approx(math.exp(0.8))
    assert len(metrics) == 10
    assert not any(name.startswith("chat") for name in forgetting(chat=False).metrics())


@pytest.mark.parametrize(
    ("text_after", "chat_after", "names"),
    [
        (2.7, 0.7, []),
        (2.7 + math.log(TOLERATED_PERPLEXITY) - 1e-6, 0.5, []),
        (2.7 + math.log(TOLERATED_PERPLEXITY) + 1e-6, 0.7, ["general text"]),
        (2.0, 3.0, ["chat replies"]),
        (4.0, 3.0, ["general text", "chat replies"]),
    ],
)
def test_what_grew_by_more_than_a_fifth_is_warned_of(evaluate, text_after, chat_after, names):
    found = forgetting(text_after, chat_after)
    assert [drift.name for drift in found.forgotten] == names
    raised = {c.code: c.text for c in cautions(evaluate(correct=200), None, found)}
    assert (CautionCode.FORGETTING in raised) is bool(names)
    for name in names:
        assert name in raised[CautionCode.FORGETTING]


def test_the_report_shows_what_was_measured(evaluate):
    report = Report(title="t", evaluation=evaluate(correct=200), forgetting=forgetting(3.7))
    for text in (render_markdown(report), render_html(report)):
        assert "What training cost elsewhere" in text
        assert "Training made the model forget" in text
        assert "2.72 times" in text
    assert "3.700" in render_markdown(report)


def test_a_report_without_chat_or_without_a_measurement_says_so_or_nothing(evaluate):
    alone = Report(title="t", evaluation=evaluate(correct=9), forgetting=forgetting(chat=False))
    assert "no chat template" in render_markdown(alone)
    assert "elsewhere" not in render_markdown(Report(title="t", evaluation=evaluate(correct=9)))
