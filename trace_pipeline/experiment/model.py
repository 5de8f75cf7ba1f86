"""The base model, and the prompt that it is asked with."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class ModelConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The base model."""

    reference: str = "embedded"
    """``embedded``, a hub id (``owner/name``) or a local folder."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the computation; ``auto`` is bfloat16 where the device is fast at it."""


class PromptConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The one prompt that training, rollouts and evaluation share."""

    system: Literal["one_line", "verbose", "none"] = "one_line"
    """System prompt (NOTEBOOK, finding 8: the 450-token one costs 20 points)."""
    template: Literal["chat", "plain"] = "chat"
    """The model's own chat template, or plain text."""
    trace_tokens: bool = False
    """A token of its own for each fixed phrase of the trace language: the same text in fewer
    tokens. The new tokens' rows are learned, so it needs a head that is trained."""
