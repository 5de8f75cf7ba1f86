from __future__ import annotations

import time
from dataclasses import replace

import pytest
import torch

from tests.modeling.tiny import experiment, problems
from trace_pipeline.experiment import DecodingConfig
from trace_pipeline.modeling.base import prompts
from trace_pipeline.modeling.base.prompts import Prompt
from trace_pipeline.modeling.base.vocabulary import Vocabulary
from trace_pipeline.modeling.decoding import decoder as decoding
from trace_pipeline.modeling.decoding.decoder import Completion, Decoder, Sampling
from trace_pipeline.modeling.network.batching import Sequences, collate
from trace_pipeline.modeling.network.objective import completion_logprobs, token_logprobs
from trace_pipeline.modeling.storage.checkpoints import Policy
from trace_pipeline.solver import Solver
from trace_pipeline.validation import InvalidInputError

QUESTIONS = [p.question * (1 + i % 3) for i, p in enumerate(problems(7))]


def texts(completions: list[Completion]) -> list[list[int]]:
    return [completion.ids for completion in completions]


def decoder(policy: Policy, batch_size: int = 4, max_tokens: int = 40) -> Decoder:
    return Decoder(policy, DecodingConfig(max_tokens=max_tokens, batch_size=batch_size))


def test_greedy_equals_transformers_generate(policy: Policy) -> None:
    ours = decoder(policy).decode(QUESTIONS)
    for question, completion in zip(QUESTIONS, ours, strict=True):
        ids = torch.tensor([policy.prompt.prompt_ids(question)])
        theirs = policy.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=40, do_sample=False
        )[0, ids.shape[1] :]
        assert completion.ids == theirs.tolist()


def test_all_decoders_of_a_policy_read_its_tokens_once(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    monkeypatch.setattr(prompts, "Vocabulary", lambda t: made.append(t) or Vocabulary(t))
    prompt = Prompt(policy.prompt.config, policy.prompt.tokenizer)
    for constrained in (False, True):
        config = DecodingConfig(max_tokens=9, constrained=constrained)
        Decoder(replace(policy, prompt=prompt), config).decode(["How many?"])
    assert len(made) == 1


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
def test_draws_do_not_depend_on_the_batch(policy: Policy, batch_size: int) -> None:
    sampling = Sampling(seeds=range(60, 67), temperature=1.3)
    together = decoder(policy, 5).decode(QUESTIONS, sampling)
    other = decoder(policy, batch_size).decode(QUESTIONS, sampling)
    assert texts(other) == texts(together)
    alone = decoder(policy).decode(QUESTIONS[3:4], Sampling([63], 1.3))
    assert texts(alone) == texts(together[3:4])


def test_sequences_that_end_make_room_for_others(policy: Policy) -> None:
    """Completions that end at different lengths, in batches that change all the time."""
    make_ends_likely(policy)
    sampling = Sampling(seeds=range(7), temperature=1.0)
    completions = decoder(policy, 2, 30).decode(QUESTIONS, sampling)
    lengths = {completion.tokens for completion in completions}
    assert len(lengths) > 2
    for completion in completions:
        assert completion.clipped == (completion.ids[-1] != policy.prompt.end_id)
        assert policy.prompt.end_id not in completion.ids[:-1]
    assert any(not completion.clipped for completion in completions)
    assert texts(completions) == [
        decoder(policy, 1, 30).decode([q], Sampling([seed]))[0].ids
        for seed, q in enumerate(QUESTIONS)
    ]


def make_ends_likely(policy: Policy) -> None:
    """A head of its own whose end token has about one chance in twelve everywhere."""
    head = torch.nn.Linear(policy.model.lm_head.in_features, policy.model.lm_head.out_features)
    with torch.no_grad():
        head.weight.copy_(policy.model.lm_head.weight * 0.1)
        head.bias.zero_()
        head.bias[policy.prompt.end_id] = 3.0
    policy.model.lm_head = head


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 1.0), (1.2, 0.8)])
def test_log_probabilities_are_those_that_training_computes(
    policy: Policy, temperature: float, top_p: float
) -> None:
    sampling = Sampling([5, 6], temperature, top_p)
    for completion in decoder(policy).decode(QUESTIONS[:2], sampling):
        ids = torch.tensor([completion.prompt_ids + completion.ids])
        start = len(completion.prompt_ids) - 1
        with torch.no_grad():
            hidden = policy.model.base_model(input_ids=ids).last_hidden_state[0, start:-1]
            logprobs, _ = token_logprobs(
                hidden, policy.model.lm_head, torch.tensor(completion.ids), temperature, top_p
            )
        assert completion.logprob == pytest.approx(float(logprobs.sum()), rel=1e-3)


def test_a_low_temperature_is_nearly_greedy(policy: Policy) -> None:
    greedy = decoder(policy).decode(QUESTIONS[:2])
    cold = decoder(policy).decode(QUESTIONS[:2], Sampling([1, 2], temperature=1e-4))
    narrow = decoder(policy).decode(QUESTIONS[:2], Sampling([1, 2], top_p=1e-6))
    assert texts(cold) == texts(greedy) == texts(narrow)


def test_completions_share_the_time_that_they_take(policy: Policy) -> None:
    began = time.perf_counter()
    found = decoder(policy).decode(QUESTIONS)
    spent = time.perf_counter() - began
    assert all(completion.seconds > 0 for completion in found)
    assert sum(completion.seconds for completion in found) <= spent


def test_draws_follow_the_distribution(policy: Policy) -> None:
    """First tokens over many seeds against their probabilities (chi-square over likely ones)."""
    question = QUESTIONS[0]
    count = 1500
    runs = decoder(policy, 256, 1).decode([question] * count, Sampling(range(count), 0.5))
    with torch.no_grad():
        ids = torch.tensor([policy.prompt.prompt_ids(question)])
        expected = (policy.model(input_ids=ids).logits[0, -1] / 0.5).softmax(-1) * count
    seen = torch.bincount(torch.tensor([c.ids[0] for c in runs]), minlength=len(expected))
    likely = expected >= 5
    statistic = float(((seen - expected) ** 2 / expected)[likely].sum())
    assert statistic < int(likely.sum()) + 4 * (2 * int(likely.sum())) ** 0.5


def test_the_clipped_are_marked_and_counted_in_tokens(policy: Policy) -> None:
    completion = decoder(policy, max_tokens=3).decode(QUESTIONS[:1])[0]
    assert completion.clipped
    assert completion.tokens == len(completion.ids) == 3
    assert completion.seconds > 0


def test_a_prompt_longer_than_the_context_is_an_error(policy: Policy) -> None:
    with pytest.raises(InvalidInputError, match=r"has 3018 tokens, the model's .*: 'bbb"):
        decoder(policy).decode(["How many?", "b" * 3000])


def test_completions_end_at_the_context(policy: Policy) -> None:
    question = "a" * 2020
    room = 2048 - len(policy.prompt.prompt_ids(question))
    completion = decoder(policy, max_tokens=100).decode([question])[0]
    assert completion.tokens == room


def test_progress_is_told_and_no_questions_are_fine(policy: Policy) -> None:
    told: list[tuple[int, int, int]] = []
    decoder(policy, 2, 5).decode(QUESTIONS[:3], on_progress=lambda *a: told.append(a))
    assert [(done, total) for done, total, _ in told] == [(1, 3), (2, 3), (3, 3)]
    assert decoder(policy).decode([]) == []


def test_seeds_must_match(policy: Policy) -> None:
    with pytest.raises(ValueError, match="2 questions need as many seeds"):
        decoder(policy).decode(QUESTIONS[:2], Sampling([1]))


def test_chat_prompts_decode_too(policy: Policy) -> None:
    config = experiment(prompt={"template": "chat", "system": "one_line"}).prompt
    chat = Policy(policy.model, Prompt(config, policy.prompt.tokenizer), policy.base)
    assert decoder(chat, max_tokens=4).decode(["How many?"])[0].tokens == 4


@pytest.mark.parametrize("drafts", [0, 4])
@pytest.mark.parametrize("sampling", [None, Sampling([5, 6])])
def test_the_token_behind_a_trace_is_not_counted(
    drafts: int, sampling: Sampling | None, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    class TwelfthToken:
        """In place of the end of a trace, which this model never writes."""

        def __init__(self, _: Vocabulary, judge: Solver) -> None:
            assert judge is solver
            self.kept = -1

        def passed(self, _: int) -> bool:
            self.kept += 1
            return self.kept == 11

    monkeypatch.setattr(decoding, "EndOfTrace", TwelfthToken)
    config, solver = DecodingConfig(max_tokens=40, drafts=drafts), Solver()
    for completion in Decoder(policy, config, solver).decode(QUESTIONS[:2], sampling):
        assert (completion.tokens, completion.clipped) == (11, False)
        batch = collate([Sequences(completion.prompt_ids, completion.ids)])
        with torch.no_grad():
            logprobs, _ = completion_logprobs(policy.model, batch)
        assert completion.logprob == pytest.approx(float(logprobs.sum()), rel=1e-3)
