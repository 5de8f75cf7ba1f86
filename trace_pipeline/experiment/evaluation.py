"""How completions are decoded, and what is evaluated on real problems."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from trace_pipeline.experiment.fields import Count, Positive


class DecodingConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How completions are decoded in evaluation (greedy, one answer per problem)."""

    max_tokens: Positive = 750
    """NOTEBOOK, run 18: 250 silently cut three-expert compositions."""
    batch_size: Positive = 32
    """Sequences decoded together."""


class BaselineConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The untuned base model, scored on the same problems."""

    problems: Count = 32
    """First problems to score; 0 leaves the baseline out."""
    max_tokens: Positive = 200


class EvalConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The evaluation on real problems."""

    gsm8k: Literal["auto", "folder", "hub", "builtin"] = "auto"
    """``auto``: the folder of ``TRACE_PIPELINE_GSM8K``, then the hub, then the built-in sample."""
    problems: Positive | Literal["all"] = "all"
    """The first so many problems; the notebook used 10, 30 and 100."""
    fast: bool = False
    """Cap completions at 150 tokens (the notebook's ``--fast``)."""
    forgetting: bool = False
    """Measure what training cost on general text and chat (NOTEBOOK: full fine-tuning forgets)."""
    baseline: BaselineConfig = BaselineConfig()
