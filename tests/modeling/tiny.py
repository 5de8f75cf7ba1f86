"""A tiny random model with a tokenizer of its own, and small problems to train it on.

Imported by the tests and by the processes that they start.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trace_pipeline.experiment import Experiment, experiment_from_dict
from trace_pipeline.traces import Compute, Init, Number, Query, SubTrace, Trace

CHAT_TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message['role'] }}\n{{ message['content'] }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)


def make_tokenizer() -> Any:
    """Bytes and three special tokens: any text can be tokenised, and read back."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|start|>", "<|pad|>"]
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",
        bos_token="<|start|>",
        pad_token="<|pad|>",
        chat_template=CHAT_TEMPLATE,
    )


def make_tiny_model(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """A random Llama of 3 layers with tied embeddings, in the format of transformers."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer()
    settings: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "initializer_range": 0.1,
    }
    torch.manual_seed(seed)
    LlamaForCausalLM(LlamaConfig(**settings | changes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Problem:
    """What training reads of an example."""

    question: str
    trace: Trace
    answer: Number
    expert: str | None = "arithmetic"
    explanation: str = ""


def problem(eggs: int, eaten: int, name: str = "Ann") -> Problem:
    """A problem of one subtraction."""
    steps = (
        Init("eggs", eggs),
        Init("eaten", eaten),
        Compute("sub", ("eggs", "eaten"), "result"),
        Query("result"),
    )
    question = f"{name} has {eggs} eggs and eats {eaten}. How many are left?"
    return Problem(question, Trace((SubTrace("arithmetic", steps),)), eggs - eaten)


def problems(count: int) -> list[Problem]:
    """Different problems, of different lengths."""
    names = ("Ann", "Bartholomew", "Cy")
    return [problem(7 + 9 * i, 2 + i, names[i % 3]) for i in range(count)]


def experiment(**sections: dict[str, Any]) -> Experiment:
    """An experiment for the tiny model: float32, plain prompt without a system text."""
    data: dict[str, Any] = {
        "name": "tiny",
        "model": {"dtype": "float32", "device": "cpu"},
        "prompt": {"system": "none", "template": "plain"},
        "sft": {"layers": 2, "batch_tokens": 600, "learning_rate": 0.01, "warmup_steps": 2},
        "decoding": {"max_tokens": 200, "batch_size": 4},
    }
    for name, section in sections.items():
        data[name] = data.get(name, {}) | section if isinstance(section, dict) else section
    return experiment_from_dict(data)
