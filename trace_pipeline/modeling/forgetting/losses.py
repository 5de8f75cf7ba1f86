"""The loss of a model on texts that have nothing to do with traces.

The passages beside this file (prose, dialogue, facts, code) were written for this project, so
no model has been trained on them. The chat prompts are ours as well; what is scored is the
base model's own greedy reply to each, which a model that has forgotten to chat finds unlikely.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from msgspec import Struct

from trace_pipeline.experiment import DecodingConfig, PromptConfig
from trace_pipeline.modeling.base.prompts import Prompt
from trace_pipeline.modeling.decoding.decoder import Decoder
from trace_pipeline.modeling.network.batching import Sequences, collate, fill_batches
from trace_pipeline.modeling.network.objective import completion_logprobs
from trace_pipeline.modeling.storage.checkpoints import Policy

REPLY_TOKENS = 48
"""Longest reply of the base model to a chat prompt."""

BATCH_TOKENS = 1024
"""Positions that go through the model together, padding included."""

CHAT = PromptConfig(system="none", template="chat")
"""How the base model is chatted with: its own template, nothing of ours."""

_FOLDER = Path(__file__).parent


class TextLosses(Struct, frozen=True, kw_only=True):
    """Mean losses in nats per token."""

    text: float
    """On the general passages."""
    text_tokens: int
    chat: float | None
    """On the base model's chat replies; None where the base has no chat template."""
    chat_tokens: int


def passages() -> list[str]:
    """The general passages, in order."""
    return [path.read_text(encoding="utf-8") for path in sorted(_FOLDER.glob("passages/*.txt"))]


def chat_prompts() -> list[str]:
    """What the base model is asked."""
    return (_FOLDER / "chat_prompts.txt").read_text(encoding="utf-8").splitlines()


def texts_sha256() -> str:
    """Identity of all texts; a measurement holds for these alone."""
    return hashlib.sha256("\0".join([*passages(), *chat_prompts()]).encode()).hexdigest()


def base_replies(policy: Policy, batch_size: int | Literal["auto"] = "auto") -> list[list[int]]:
    """Token ids of the greedy replies of the base model ``policy`` to :func:`chat_prompts`.

    Empty if the base has no chat template.
    """
    if not policy.prompt.tokenizer.chat_template:
        return []
    chatting = Policy(policy.model, Prompt(CHAT, policy.prompt.tokenizer), policy.base)
    config = DecodingConfig(max_tokens=REPLY_TOKENS, batch_size=batch_size)
    return [completion.ids for completion in Decoder(chatting, config).decode(chat_prompts())]


def text_losses(policy: Policy, replies: Sequence[Sequence[int]]) -> TextLosses:
    """Losses of ``policy`` on the passages, and on ``replies`` to the chat prompts.

    Args:
        policy: any model with the tokenizer of the base that replied.
        replies: from :func:`base_replies`; empty leaves chat out.
    """
    tokenizer = policy.prompt.tokenizer
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in passages()]
    # Of a passage every token but the first is predicted.
    text, text_tokens = _mean_loss(policy, [Sequences(i[:1], i[1:]) for i in ids])
    chat: float | None = None
    chat_tokens = 0
    if replies:
        prompt = Prompt(CHAT, tokenizer)
        said = [
            Sequences(prompt.prompt_ids(asked), list(reply))
            for asked, reply in zip(chat_prompts(), replies, strict=True)
        ]
        chat, chat_tokens = _mean_loss(policy, said)
    return TextLosses(text=text, text_tokens=text_tokens, chat=chat, chat_tokens=chat_tokens)


@torch.inference_mode()
def _mean_loss(policy: Policy, sequences: list[Sequences]) -> tuple[float, int]:
    lengths = [len(sequence) for sequence in sequences]
    order = sorted(range(len(sequences)), key=lengths.__getitem__)
    total, count = 0.0, 0
    for indices in fill_batches(order, lengths, BATCH_TOKENS):
        batch = collate([sequences[i] for i in indices])
        logprobs, _ = completion_logprobs(policy.model, batch.to(policy.model.device))
        total -= float(logprobs.double().sum())
        count += len(logprobs)
    return total / count, count
