"""Measuring what training cost elsewhere; the base model's part once, for all experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from trace_pipeline.evaluation import Drift, Forgetting
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.store import object_sha256, write_json

if TYPE_CHECKING:
    from trace_pipeline.modeling.base.base_models import BaseModel
    from trace_pipeline.modeling.storage.checkpoints import Policy

FORGETTING = "forgetting.json"
_BASE = "base.json"


class Before(Struct, frozen=True):
    """The base model on the texts, and its replies as token ids."""

    text: float
    chat: float | None
    replies: list[list[int]]


def measure_forgetting(bench: Workbench, base: BaseModel, policy: Policy) -> Forgetting:
    """The losses of ``policy`` on general text and chat beside those of its ``base``."""
    from trace_pipeline.modeling.forgetting import text_losses

    before = before_training(bench, base)
    after = text_losses(policy, before.replies)
    chat = None
    if before.chat is not None and after.chat is not None:
        chat = Drift(
            name="chat replies", before=before.chat, after=after.chat, tokens=after.chat_tokens
        )
    text = Drift(
        name="general text", before=before.text, after=after.text, tokens=after.text_tokens
    )
    return Forgetting(text=text, chat=chat)


def forgetting_metrics(forgetting: Forgetting | None) -> dict[str, float]:
    """``forgetting.*`` as they are logged and kept; empty where nothing was measured."""
    return {f"forgetting.{k}": v for k, v in forgetting.metrics().items()} if forgetting else {}


def before_training(bench: Workbench, base: BaseModel) -> Before:
    """The base's losses and replies; measured once and then cached by all that they depend on."""
    from trace_pipeline.modeling.base.devices import precision
    from trace_pipeline.modeling.base.trace_tokens import known_to_base
    from trace_pipeline.modeling.forgetting import (
        REPLY_TOKENS,
        base_replies,
        text_losses,
        texts_sha256,
    )
    from trace_pipeline.modeling.storage.checkpoints import load_base_policy

    experiment = bench.experiment
    identity: dict[str, Any] = {
        "base": base.sha256,
        "texts": texts_sha256(),
        "reply_tokens": REPLY_TOKENS,
        "dtype": precision(experiment.model),
    }
    key = f"_forgetting/{object_sha256(identity)[:16]}"
    if not bench.store.has(key):
        untuned = load_base_policy(
            base, known_to_base(experiment.prompt), experiment.model.dtype, experiment.model.device
        )
        replies = base_replies(untuned, experiment.decoding.batch_size)
        losses = text_losses(untuned, replies)
        with bench.store.write(key) as draft:
            write_json(draft.path / _BASE, Before(losses.text, losses.chat, replies))
            draft.config = identity
            draft.summary = msgspec.to_builtins(losses)
    content = (bench.store.read(key).path / _BASE).read_bytes()
    return msgspec.json.decode(content, type=Before)
