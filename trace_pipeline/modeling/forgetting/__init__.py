"""What fine-tuning costs elsewhere: a model's loss on general text and on chat."""

from trace_pipeline.modeling.forgetting.losses import (
    REPLY_TOKENS,
    TextLosses,
    base_replies,
    chat_prompts,
    passages,
    text_losses,
    texts_sha256,
)

__all__ = [
    "REPLY_TOKENS",
    "TextLosses",
    "base_replies",
    "chat_prompts",
    "passages",
    "text_losses",
    "texts_sha256",
]
