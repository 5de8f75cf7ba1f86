"""Supervised fine-tuning."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from trace_pipeline.experiment.fields import Count, Positive, Rate


class SftConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Supervised fine-tuning."""

    trainable: Literal["last_layers", "all"] = "last_layers"
    """``last_layers`` trains the top ``layers`` and an untied lm_head; the rest stays frozen."""
    layers: Positive = 6
    """Layers from the top that are trained under ``last_layers``."""
    epochs: Positive = 1
    learning_rate: Rate = 2e-4
    warmup_steps: Count = 10
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Decay after the warm-up, towards zero right after the last step."""
    weight_decay: Annotated[float, Meta(ge=0)] = 0.0
    max_grad_norm: Rate = 1.0
    batch_tokens: Positive = 2048
    """Token budget of one batch, padding included."""
    accumulate: Positive = 1
    """Batches per optimizer step."""
    max_len: Positive = 1024
    """Longest prompt plus target in tokens (NOTEBOOK, finding 9)."""
    overflow: Literal["error", "cut"] = "error"
    """A target over ``max_len`` is an error; ``cut`` is for the notebook's ablation alone."""
    save_every: Positive = 20
    """Optimizer steps between snapshots from which a killed run resumes."""
