"""Log-likelihoods of texts: what the decoder says of greedy ones, whatever stands beside them."""

from __future__ import annotations

import pytest
import torch

from tests.modeling.tiny import experiment, problems
from trace_pipeline.experiment import DecodingConfig
from trace_pipeline.modeling.base.base_models import BaseModel
from trace_pipeline.modeling.decoding import likelihood
from trace_pipeline.modeling.decoding.decoder import Decoder, Sampling
from trace_pipeline.modeling.decoding.likelihood import log_likelihoods
from trace_pipeline.modeling.storage.checkpoints import Policy, load_base_policy
from trace_pipeline.traces import render_trace
from trace_pipeline.validation import InvalidInputError


@pytest.fixture
def policy(base: BaseModel) -> Policy:
    return load_base_policy(base, experiment().prompt, "float32", "cpu")


def by_hand(policy: Policy, question: str, text: str) -> float:
    """One text by itself, by the modules of transformers."""
    prompt, target = policy.prompt.prompt_ids(question), policy.prompt.target_ids(text)
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor([prompt + target])).logits[0]
    logprobs = logits.double().log_softmax(-1)
    return sum(float(logprobs[len(prompt) - 1 + n, token]) for n, token in enumerate(target))


def test_each_is_that_of_the_text_alone(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    some = problems(3)
    questions = [some[n].question for n in (2, 0, 0, 1, 2, 0)]
    traces = [render_trace(problem.trace) for problem in some]
    texts = [traces[0], traces[0], traces[1], "no trace", traces[2], traces[0]]
    expected = [by_hand(policy, *pair) for pair in zip(questions, texts, strict=True)]
    for budget in (1, 300, 100_000):  # one a batch, a few, all
        monkeypatch.setattr(likelihood, "BATCH_TOKENS", {"cpu": budget, "cuda": budget})
        told: list[int] = []
        found = log_likelihoods(policy, questions, texts, told.append)
        assert found == pytest.approx(expected, rel=1e-5)
        assert found[1] == found[5]
        assert told == sorted(told)
        assert told[-1] == len(texts)


def test_it_is_what_the_decoder_says_of_an_undisturbed_draw(policy: Policy) -> None:
    """Where a text is tokenised as it was written, and ends by itself."""
    question = problems(1)[0].question
    drawn = Decoder(policy, DecodingConfig(max_tokens=60)).decode(
        [question], Sampling(range(200), samples=200)
    )
    same = [
        c for c in drawn if not c.clipped and policy.prompt.target_ids(c.text) == c.ids and c.text
    ]
    assert same
    found = log_likelihoods(policy, [question] * len(same), [c.text for c in same])
    assert found == pytest.approx([c.logprob for c in same], rel=1e-4)


def test_a_question_that_does_not_fit_is_refused(policy: Policy) -> None:
    with pytest.raises(InvalidInputError, match="the base model takes"):
        log_likelihoods(policy, ["How many?" * 1000], ["5"])


def test_there_is_one_question_for_each_text(policy: Policy) -> None:
    with pytest.raises(ValueError, match="longer"):
        log_likelihoods(policy, ["How many?"], ["a", "b"])


def test_a_text_that_fills_the_context_has_no_end(policy: Policy) -> None:
    question, text = problems(1)[0].question, "x" * 30
    longest = len(policy.prompt.prompt_ids(question)) + 30
    whole = log_likelihoods(policy, [question], [text])[0]
    policy.model.config.max_position_embeddings = longest
    found = log_likelihoods(policy, [question], [text])[0]
    ending = by_hand(policy, question, text)
    target = policy.prompt.target_ids(text)
    assert len(target) == 31
    with torch.no_grad():
        ids = torch.tensor([policy.prompt.prompt_ids(question) + target[:30]])
        last = policy.model(input_ids=ids).logits[0, -1].double().log_softmax(-1)
    assert whole == pytest.approx(ending, rel=1e-5)
    assert found == pytest.approx(whole - float(last[target[30]]), rel=1e-5)
