"""A forward pass for decoding: the model's own modules, or a leaner way through Llama-type ones.

The modules of transformers spend a good part of a decoding step outside of arithmetic. For models
built of RMS norms, rotary positions, grouped attention and a gated MLP, :class:`LeanForward` does
the same computation with few operations: queries, keys and values in one product, gate and up in
another, nothing computed for padding, and keys shared by a group of heads read once.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch.nn import functional

from trace_pipeline.modeling.network.products import product
from trace_pipeline.modeling.network.slots import Pass, SlotCache

LEAN_TYPES = frozenset({"llama", "mistral", "qwen2"})
"""``model_type`` of the architectures that :class:`LeanForward` computes."""


class Forward(Protocol):
    """Runs new tokens through the layers of a model."""

    def __call__(self, ids: torch.Tensor, plan: Pass, cache: SlotCache) -> torch.Tensor:
        """(R, H) hidden states behind the tokens that ``plan`` wants; ``ids`` is (N,)."""


def forward_of(model: Any) -> Forward:
    """The leanest forward pass that computes what ``model`` computes."""
    return LeanForward(model) if is_lean(model) else ModuleForward(model)


def is_lean(model: Any) -> bool:
    """Whether ``model`` is of an architecture that :class:`LeanForward` computes."""
    config = model.config
    if config.model_type not in LEAN_TYPES or getattr(config, "hidden_act", "") != "silu":
        return False
    if getattr(config, "mlp_bias", False):
        return False
    # An adapter stands beside the weight that it wraps, which alone would be read here.
    if any(hasattr(module, "base_layer") for module in model.modules()):
        return False
    # Scaled rotary embeddings (Llama 3.1 and later) only change the frequencies, but those that
    # depend on the length at hand change them from pass to pass.
    kind = getattr(model.base_model.rotary_emb, "rope_type", "default")
    return kind in ("default", "llama3", "linear")


class ModuleForward:
    """The layers of transformers as they are, on sequences padded to the longest."""

    def __init__(self, model: Any) -> None:
        self._base = model.base_model

    def __call__(self, ids: torch.Tensor, plan: Pass, cache: SlotCache) -> torch.Tensor:
        """See :class:`Forward`."""
        hidden = self._base(
            input_ids=plan.padded(ids),
            position_ids=plan.padded(plan.positions),
            attention_mask=plan.mask,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        result: torch.Tensor = plan.flat(hidden)[plan.wanted]
        return result


class LeanForward:
    """Llama-type layers in few operations, on flat tokens."""

    def __init__(self, model: Any) -> None:
        config, base = model.config, model.base_model
        self._heads = config.num_attention_heads
        self._groups = config.num_key_value_heads
        self._width = getattr(config, "head_dim", None) or config.hidden_size // self._heads
        self._base = base
        self._layers = [_Layer(layer) for layer in base.layers]
        self._eps = config.rms_norm_eps

    def __call__(self, ids: torch.Tensor, plan: Pass, cache: SlotCache) -> torch.Tensor:
        """See :class:`Forward`."""
        base = self._base
        x = functional.embedding(ids, base.embed_tokens.weight)  # (N, H)
        cos, sin = base.rotary_emb(x[None], plan.positions[None])
        half = self._width // 2
        cos, sin = cos[0, :, None, :half], sin[0, :, None, :half]  # (N, 1, D/2)
        bias = None
        if plan.needs_mask:
            lowest = torch.finfo(x.dtype).min
            bias = torch.zeros_like(plan.mask, dtype=x.dtype).masked_fill_(~plan.mask, lowest)
        for index, layer in enumerate(self._layers):
            h = functional.rms_norm(x, x.shape[-1:], layer.norm_in, self._eps)
            qkv = product(h, layer.qkv, layer.qkv_bias)
            qkv = qkv.contiguous().view(plan.tokens, self._heads + 2 * self._groups, self._width)
            rotated = qkv[:, : self._heads + self._groups]
            low, high = rotated[..., :half], rotated[..., half:]
            rotated = torch.cat((low * cos - high * sin, high * cos + low * sin), -1)
            keys = rotated[:, self._heads :]
            values = qkv[:, self._heads + self._groups :]
            cache.write(index, torch.stack((keys, values), 1))
            attended = self._attend(rotated[:, : self._heads], *cache.read(index), plan, bias)
            x = x + product(attended, layer.out, layer.out_bias)
            h = functional.rms_norm(x, x.shape[-1:], layer.norm_mlp, self._eps)
            gate, up = product(h, layer.gate_up).chunk(2, -1)
            x = x + product(functional.silu(gate).mul_(up), layer.down)
        x = x[plan.wanted]
        return functional.rms_norm(x, x.shape[-1:], base.norm.weight, self._eps)

    def _attend(
        self,
        queries: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        plan: Pass,
        bias: torch.Tensor | None,
    ) -> torch.Tensor:
        """(N, heads * D); the heads of a group read its keys together."""
        padded = plan.padded(queries * self._width**-0.5)  # (A, Q, heads, D)
        shared = self._heads // self._groups
        shape = (plan.sequences, plan.longest, self._groups, shared, self._width)
        q = padded.reshape(shape).permute(0, 2, 3, 1, 4)  # (A, groups, shared, Q, D)
        q = q.reshape(plan.sequences, self._groups, shared * plan.longest, self._width)
        scores = q @ keys.transpose(-1, -2)  # (A, groups, shared * Q, T)
        if bias is not None:
            spread = (plan.sequences, self._groups, shared, plan.longest, plan.width)
            scores.view(spread).add_(bias[:, None])
        mixed = scores.softmax(-1) @ values
        mixed = mixed.view(plan.sequences, self._groups, shared, plan.longest, self._width)
        mixed = mixed.permute(0, 3, 1, 2, 4).reshape(plan.sequences, plan.longest, -1)
        return plan.flat(mixed)


class _Layer:
    """The weights of one layer, joined where they read the same input."""

    def __init__(self, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        parts = (attention.q_proj, attention.k_proj, attention.v_proj)
        self.qkv = torch.cat([part.weight for part in parts])
        biased = parts[0].bias is not None
        self.qkv_bias = torch.cat([part.bias for part in parts]) if biased else None
        self.out, self.out_bias = attention.o_proj.weight, attention.o_proj.bias
        self.gate_up = torch.cat((mlp.gate_proj.weight, mlp.up_proj.weight))
        self.down = mlp.down_proj.weight
        self.norm_in = layer.input_layernorm.weight
        self.norm_mlp = layer.post_attention_layernorm.weight
