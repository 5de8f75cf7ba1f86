"""Losses on text that has nothing to do with traces."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from trace_pipeline.modeling.base.prompts import Prompt
from trace_pipeline.modeling.forgetting import (
    REPLY_TOKENS,
    base_replies,
    chat_prompts,
    passages,
    text_losses,
    texts_sha256,
)
from trace_pipeline.modeling.storage.checkpoints import Policy


def test_the_texts_are_general_and_fixed() -> None:
    words = sum(len(passage.split()) for passage in passages())
    assert 1900 <= words <= 2500
    assert len(chat_prompts()) == 20
    assert all(prompt.strip() == prompt and prompt for prompt in chat_prompts())
    assert not any("trace" in text.lower() for text in [*passages(), *chat_prompts()])
    assert texts_sha256() == texts_sha256()


def test_losses_are_those_of_the_whole_model_token_by_token(policy: Policy) -> None:
    replies = base_replies(policy)
    found = text_losses(policy, replies)
    total, count = 0.0, 0
    for passage in passages():
        ids = torch.tensor([policy.prompt.tokenizer(passage, add_special_tokens=False).input_ids])
        with torch.no_grad():
            logits = policy.model(input_ids=ids).logits[0, :-1]
        total += float(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
        count += ids.shape[1] - 1
    assert found.text_tokens == count
    assert found.text == pytest.approx(total / count, rel=1e-4)


def test_a_model_finds_its_own_greedy_replies_likelier_than_other_text(policy: Policy) -> None:
    replies = base_replies(policy)
    assert len(replies) == 20
    assert all(1 <= len(reply) <= REPLY_TOKENS for reply in replies)
    assert replies == base_replies(policy, batch_size=3)
    found = text_losses(policy, replies)
    assert found.chat is not None
    assert found.chat < found.text
    assert found.chat_tokens == sum(map(len, replies))


def test_a_changed_model_has_another_loss_on_the_same_replies(policy: Policy) -> None:
    replies = base_replies(policy)
    before = text_losses(policy, replies)
    with torch.no_grad():
        for layer in policy.model.model.layers:
            layer.mlp.down_proj.weight.mul_(-3)
    after = text_losses(policy, replies)
    assert after.chat > before.chat
    assert after.text != before.text
    assert after.text_tokens == before.text_tokens


def test_a_base_without_a_chat_template_is_scored_on_text_alone(policy: Policy) -> None:
    from copy import copy

    tokenizer = copy(policy.prompt.tokenizer)
    tokenizer.chat_template = None
    plain = replace(policy, prompt=Prompt(policy.prompt.config, tokenizer))
    assert base_replies(plain) == []
    found = text_losses(plain, [])
    assert (found.chat, found.chat_tokens) == (None, 0)
    assert found.text == pytest.approx(text_losses(policy, []).text)
