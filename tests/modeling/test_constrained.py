"""Constrained decoding: whatever the model, a valid trace comes out, tokenised as in training."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.modeling.tiny import make_tokenizer, problem
from trace_pipeline.experiment import DecodingConfig
from trace_pipeline.generation import Catalog, Generator
from trace_pipeline.modeling.base.base_models import BaseModel
from trace_pipeline.modeling.base.trace_tokens import add_phrases
from trace_pipeline.modeling.base.vocabulary import Vocabulary
from trace_pipeline.modeling.decoding import decoder as decoding
from trace_pipeline.modeling.decoding.constrained import TraceConstraint
from trace_pipeline.modeling.decoding.decoder import Completion, Decoder, Sampling
from trace_pipeline.modeling.storage.checkpoints import Policy, load_checkpoint
from trace_pipeline.paths import project_root
from trace_pipeline.solver import Solver, VerdictKind
from trace_pipeline.traces import render_trace

VALID = (VerdictKind.CORRECT, VerdictKind.WRONG_ANSWER)
QUESTIONS = ["How many?", "Ann has 3 eggs and eats 2. How many are left?", "b " * 40]


def make_merging_tokenizer() -> Any:
    """Byte-level BPE with merges across a space, as real ones have, learned from traces."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=alphabet, special_tokens=["<|end|>"], show_progress=False
    )
    tokenizer.train_from_iterator(generated_traces(120), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")


def make_sentence_tokenizer() -> Any:
    """A mark for each space, one more at the start, and bytes for what is not in the vocabulary."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    bytes_ = [f"<0x{n:02X}>" for n in range(256)]
    marks = list("\u2581abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,:{}[]-")
    merges = [("\u2581", "o"), ("\u2581o", "p"), ("\u2581", "v"), ("a", "r"), ("\u2581v", "ar")]
    merges += [("\u2581", "a"), ("\u2581a", "r")]
    joined = [a + b for a, b in merges]
    vocabulary = {t: i for i, t in enumerate(["<unk>", "</s>", *bytes_, *marks, *joined])}
    model = models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>")


@cache
def generated_traces(count: int) -> list[str]:
    root = project_root()
    generator = Generator(Catalog.load(root / "schemas", root / "vocab"), 5)
    return [render_trace(example.trace) for example in generator.sample(count)]


def with_phrases(make: Callable[[], Any]) -> Callable[[], Any]:
    def maker() -> Any:
        tokenizer = make()
        add_phrases(tokenizer, "tiny")
        return tokenizer

    return maker


MAKERS = {
    "bytes": make_tokenizer,
    "merges": make_merging_tokenizer,
    "sentences": make_sentence_tokenizer,
    "bytes and phrases": with_phrases(make_tokenizer),
    "merges and phrases": with_phrases(make_merging_tokenizer),
}


@pytest.fixture(scope="module", params=MAKERS)
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return MAKERS[request.param]()


def follow(constraint: TraceConstraint, choose: Any) -> list[int]:
    """A whole sequence: ``choose(ids so far, choices)`` wherever there is a choice."""
    ids = constraint.settle()
    while not constraint.ended and constraint.left > 0:
        token = choose(ids, constraint.choices().tolist())
        constraint.accept(token)
        ids = [*ids, token, *constraint.settle()]
    return ids


@pytest.mark.parametrize("sensible", [False, True])
@pytest.mark.parametrize("limit", [250, 400, 1200])
def test_random_choices_end_in_valid_traces(tokenizer: Any, limit: int, sensible: bool) -> None:
    vocabulary = Vocabulary(tokenizer)
    for seed in range(5):
        rng = random.Random(seed)
        constraint = TraceConstraint(vocabulary, tokenizer.eos_token_id, limit, sensible)
        ids = follow(constraint, lambda _, choices, rng=rng: rng.choice(choices))
        text = tokenizer.decode(ids, skip_special_tokens=True)
        assert constraint.ended, text
        assert Solver().verify(text, 1).kind in VALID, text


def test_training_targets_are_reachable_token_by_token(tokenizer: Any) -> None:
    """What is forced, and what is offered, is what the tokenizer makes of the whole trace."""
    vocabulary = Vocabulary(tokenizer)
    for trace in generated_traces(15):
        target = [*tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]

        def choose(ids: list[int], choices: list[int], target: list[int] = target) -> int:
            assert ids == target[: len(ids)]
            assert target[len(ids)] in choices
            return target[len(ids)]

        constraint = TraceConstraint(vocabulary, tokenizer.eos_token_id, 4000)
        assert follow(constraint, choose) == target


def test_half_of_a_trace_comes_without_a_choice() -> None:
    tokenizer = make_merging_tokenizer()
    vocabulary = Vocabulary(tokenizer)
    choices = total = 0
    for trace in generated_traces(20):
        target = [*tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]

        def choose(ids: list[int], _: list[int], target: list[int] = target) -> int:
            nonlocal choices
            choices += 1
            return target[len(ids)]

        constraint = TraceConstraint(vocabulary, tokenizer.eos_token_id, 4000)
        follow(constraint, choose)
        total += len(target)
    assert choices < total / 2


def test_a_limit_below_the_shortest_trace_clips() -> None:
    tokenizer = make_tokenizer()
    constraint = TraceConstraint(Vocabulary(tokenizer), tokenizer.eos_token_id, 30)
    ids = follow(constraint, lambda _, choices: choices[0])
    assert len(ids) == 30
    assert not constraint.ended


def constrained(policy: Policy, max_tokens: int = 500, batch_size: int = 2) -> Decoder:
    config = DecodingConfig(max_tokens=max_tokens, batch_size=batch_size, constrained=True)
    return Decoder(policy, config)


def texts(completions: list[Completion]) -> list[str]:
    return [completion.text for completion in completions]


def test_an_untrained_model_writes_valid_traces(policy: Policy) -> None:
    for sampling in (None, Sampling([1, 2, 3], 1.5), Sampling([4, 5, 6], 1.0, 0.8)):
        for completion in constrained(policy).decode(QUESTIONS, sampling):
            assert Solver().verify(completion.text, 1).kind in VALID, completion.text
            assert not completion.clipped
            assert len(completion.forced) == completion.tokens == len(completion.ids)


def test_neither_batch_nor_company_matters(policy: Policy) -> None:
    sampling = Sampling([1, 2, 3], 1.2)
    together = constrained(policy, batch_size=3).decode(QUESTIONS, sampling)
    assert texts(constrained(policy, batch_size=1).decode(QUESTIONS, sampling)) == texts(together)
    alone = constrained(policy).decode(QUESTIONS[1:2], Sampling([2], 1.2))
    assert texts(alone) == texts(together)[1:2]


def test_logits_for_all_sequences_at_once_choose_the_same(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, where the head is applied once for all and what is not allowed is masked."""
    for sampling in (None, Sampling([1, 2, 3], 1.2, 0.9)):
        one_by_one = constrained(policy).decode(QUESTIONS, sampling)
        with monkeypatch.context() as patch:
            patch.setattr(decoding, "FEW", {"cpu": 0})
            together = constrained(policy).decode(QUESTIONS, sampling)
        assert texts(together) == texts(one_by_one)
        expected = [pytest.approx(completion.logprob, abs=1e-4) for completion in one_by_one]
        assert [completion.logprob for completion in together] == expected


def test_a_trained_model_writes_what_it_would_write(base: BaseModel, sft_folder: Path) -> None:
    """The constraint changes nothing where the model's own text is valid, but saves steps."""
    policy = load_checkpoint(sft_folder, base, "float32", "cpu")
    question = [problem(16, 3).question]
    free = Decoder(policy, DecodingConfig(max_tokens=300)).decode(question)[0]
    bound = constrained(policy).decode(question)[0]
    assert Solver().verify(free.text, 1).kind in VALID, free.text
    assert bound.text == free.text
    assert bound.ids == free.ids
    assert sum(bound.forced) > bound.tokens / 2


def test_log_probabilities_are_of_the_allowed_tokens(policy: Policy) -> None:
    """Recomputed from the model's own logits, cut to the choices and renormalised."""
    completion = constrained(policy).decode(QUESTIONS[:1], Sampling([7], 0.9))[0]
    ids = torch.tensor([completion.prompt_ids + completion.ids])
    with torch.no_grad():
        logits = policy.model(input_ids=ids).logits[0, len(completion.prompt_ids) - 1 : -1] / 0.9
    end_id = policy.prompt.end_id
    constraint = TraceConstraint(Vocabulary(policy.prompt.tokenizer), end_id, 500)
    total = 0.0

    def choose(so_far: list[int], choices: list[int]) -> int:
        nonlocal total
        token, row = completion.ids[len(so_far)], logits[len(so_far)]
        total += float(row[token] - row[choices].logsumexp(0))
        return token

    assert follow(constraint, choose) == completion.ids
    assert completion.logprob == pytest.approx(total, rel=1e-3)


def test_what_a_limit_clips_is_marked(policy: Policy) -> None:
    for limit in (5, 60):
        completion = constrained(policy, max_tokens=limit).decode(QUESTIONS[:1])[0]
        assert completion.clipped
        assert completion.tokens == limit
