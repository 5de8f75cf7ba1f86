"""Base models, the prompt, fine-tuning, reinforcement and decoding.

The names below are loaded on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trace_pipeline.modeling.base.base_models import (
        BaseModel,
        load_model,
        load_tokenizer,
        resolve_base,
    )
    from trace_pipeline.modeling.base.prompts import Prompt, Shot
    from trace_pipeline.modeling.decoding.decoder import Completion, Decoder, Sampling
    from trace_pipeline.modeling.rl.reinforcement import train_rl
    from trace_pipeline.modeling.sft.finetuning import train_sft
    from trace_pipeline.modeling.storage.changes import checkpoint_differs_from
    from trace_pipeline.modeling.storage.checkpoints import (
        CheckpointInfo,
        Policy,
        export_checkpoint,
        load_base_policy,
        load_checkpoint,
        read_info,
        save_checkpoint,
    )
    from trace_pipeline.modeling.training.rollouts import Rollout
    from trace_pipeline.modeling.training.run import TrainingError

_HOMES = {
    "base.base_models": ["BaseModel", "load_model", "load_tokenizer", "resolve_base"],
    "storage.changes": ["checkpoint_differs_from"],
    "storage.checkpoints": [
        "CheckpointInfo",
        "Policy",
        "export_checkpoint",
        "load_base_policy",
        "load_checkpoint",
        "read_info",
        "save_checkpoint",
    ],
    "decoding.decoder": ["Completion", "Decoder", "Sampling"],
    "sft.finetuning": ["train_sft"],
    "base.prompts": ["Prompt", "Shot"],
    "rl.reinforcement": ["train_rl"],
    "training.rollouts": ["Rollout"],
    "training.run": ["TrainingError"],
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "BaseModel",
    "CheckpointInfo",
    "Completion",
    "Decoder",
    "Policy",
    "Prompt",
    "Rollout",
    "Sampling",
    "Shot",
    "TrainingError",
    "checkpoint_differs_from",
    "export_checkpoint",
    "load_base_policy",
    "load_checkpoint",
    "load_model",
    "load_tokenizer",
    "read_info",
    "resolve_base",
    "save_checkpoint",
    "train_rl",
    "train_sft",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
