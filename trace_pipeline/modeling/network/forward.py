"""The model's forward pass over a batch in which every shared prefix is computed once.

All sequences of a batch lie behind each other without padding, as the nodes of a prefix
tree: what several of them begin with (the system prompt, the question of a group of rollouts)
is there once. Linear layers and norms see each node once; attention alone unfolds the tree
into rows, so that a sequence attends to itself and nothing else. Llama-type layers are computed
here in few operations; others are those of transformers, given another attention function.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from trace_pipeline.modeling.network.batching import Batch
from trace_pipeline.modeling.network.fused import gated, nodes_of, rotated_rows
from trace_pipeline.modeling.network.inference import is_lean
from trace_pipeline.modeling.network.rows import PLAIN, Kernels, Linear
from trace_pipeline.validation import InvalidInputError

TREE = "trace_pipeline_tree"
"""Name of the attention function among those of transformers."""
TREE_MODELS = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Model types whose stack is embeddings, layers that take ``position_embeddings``, a norm."""


def runs_on_trees(model: Any) -> bool:
    """Whether the layers of ``model`` can be run on prefix trees; others run on padded rows."""
    config = model.config
    window = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    return config.model_type in TREE_MODELS and not window


def frozen_layers(model: Any) -> int:
    """Layers from the bottom whose output no training changes; 0 if there is no such part."""
    if not runs_on_trees(model):
        return 0
    base = model.base_model
    if any(parameter.requires_grad for parameter in base.embed_tokens.parameters()):
        return 0
    for count, layer in enumerate(base.layers):
        if any(parameter.requires_grad for parameter in layer.parameters()):
            return count
    return len(base.layers)


def target_states(
    model: Any,
    batch: Batch,
    lower: torch.Tensor | None = None,
    dropout: float = 0.0,
    kernels: Kernels = PLAIN,
) -> torch.Tensor:
    """(M, H) last hidden states, after the norm, where a target is predicted.

    Args:
        model: a causal language model.
        batch: M targets in all.
        lower: (N, H) what the frozen layers gave for ``batch``, when it is known already.
        dropout: share of what each attention and MLP gives that is dropped at random.
        kernels: how the parts are computed, if not as usual; ``resolve_matmul`` and
            ``resolve_compile`` say which models can.
    """
    with _dropping(model, dropout):
        return _target_states(model, batch, lower, dropout, kernels)


def _target_states(
    model: Any, batch: Batch, lower: torch.Tensor | None, dropout: float, kernels: Kernels
) -> torch.Tensor:
    if not runs_on_trees(model):
        output = model.base_model(input_ids=batch.input_ids, use_cache=False).last_hidden_state
        states: torch.Tensor = output.flatten(0, 1)[batch.homes[batch.positions]]
        return states
    base, trained = model.base_model, frozen_layers(model)
    if lower is None:
        lower = run_layers(model, batch, base.embed_tokens(batch.ids), 0, trained, kernels=kernels)
    hidden = run_layers(model, batch, lower, trained, len(base.layers), dropout, kernels)
    normed: torch.Tensor = base.norm(hidden.index_select(0, batch.positions))
    return normed


@torch.no_grad()
def lower_states(model: Any, batch: Batch, kernels: Kernels = PLAIN) -> torch.Tensor:
    """(N, H) what the frozen layers of ``model`` make of ``batch``."""
    embedded = model.base_model.embed_tokens(batch.ids)
    return run_layers(model, batch, embedded, 0, frozen_layers(model), kernels=kernels)


def run_layers(
    model: Any,
    batch: Batch,
    hidden: torch.Tensor,
    first: int,
    last: int,
    dropout: float = 0.0,
    kernels: Kernels = PLAIN,
) -> torch.Tensor:
    """(N, H) -> (N, H): the layers ``first`` to before ``last``."""
    if is_lean(model):
        lean = _run_rows if batch.whole_rows else _run_lean
        return lean(model, batch, hidden, first, last, dropout, kernels)
    base = model.base_model
    depths = batch.depths[None]
    hidden = hidden[None]  # (1, N, H)
    rotation = base.rotary_emb(hidden, position_ids=depths)
    with _attention_on_trees(model):
        for layer in base.layers[first:last]:
            output = layer(
                hidden,
                attention_mask=None,
                position_ids=depths,
                position_embeddings=rotation,
                use_cache=False,
                paths=batch.paths,
                homes=batch.homes,
            )
            hidden = output[0] if isinstance(output, tuple) else output
    return hidden[0]


def _run_lean(
    model: Any,
    batch: Batch,
    hidden: torch.Tensor,
    first: int,
    last: int,
    dropout: float,
    kernels: Kernels,
) -> torch.Tensor:
    """:func:`run_layers` of layers of the Llama type, with joined projections."""
    config, base, linear = model.config, model.base_model, kernels.linear
    heads, groups = config.num_attention_heads, config.num_key_value_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    rotation = base.rotary_emb(hidden[None], position_ids=batch.depths[None])
    cos, sin = (part[0, :, None, : width // 2] for part in rotation)  # (N, 1, D/2)
    places = batch.paths.numel()
    for layer in base.layers[first:last]:
        attention, mlp = layer.self_attn, layer.mlp
        h = _normed(hidden, layer.input_layernorm)
        qkv = _joined(linear, h, attention.q_proj, attention.k_proj, attention.v_proj)
        qkv = qkv.view(-1, heads + 2 * groups, width)
        query, key, value = rotated_rows(qkv, cos, sin, batch, heads, groups)
        attended = functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, enable_gqa=heads != groups
        )  # (B, heads, T, D)
        attended = attended.transpose(1, 2).reshape(places, heads * width)
        added = _joined(linear, nodes_of(attended, batch.homes), attention.o_proj)
        hidden = hidden + (functional.dropout(added, dropout) if dropout else added)
        h = _normed(hidden, layer.post_attention_layernorm)
        within = gated(_joined(linear, h, mlp.gate_proj, mlp.up_proj))
        added = _joined(linear, within, mlp.down_proj)
        hidden = hidden + (functional.dropout(added, dropout) if dropout else added)
    return hidden


def _run_rows(
    model: Any,
    batch: Batch,
    hidden: torch.Tensor,
    first: int,
    last: int,
    dropout: float,
    kernels: Kernels,
) -> torch.Tensor:
    """:func:`run_layers` of layers of the Llama type, where each place of the rows is a node."""
    config, base = model.config, model.base_model
    rows, length = batch.paths.shape
    # A copy, for a compiler makes other code for a view (of another tensor) than for a tensor.
    states = hidden.view(rows, length, -1).clone()
    rotation = base.rotary_emb(states, position_ids=batch.depths[None, :length])
    half = rotation[0].shape[-1] // 2
    cos, sin = (part[0, :, None, :half].contiguous() for part in rotation)  # (T, 1, D/2)
    for layer in base.layers[first:last]:
        attention, mlp = layer.self_attn, layer.mlp
        projections = (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj)
        states = kernels.layer(
            states,
            cos,
            sin,
            (
                layer.input_layernorm.weight,
                *(projection.weight for projection in projections),
                layer.post_attention_layernorm.weight,
                *(part.weight for part in (mlp.gate_proj, mlp.up_proj, mlp.down_proj)),
            ),
            tuple(projection.bias for projection in projections),
            config.num_attention_heads,
            config.num_key_value_heads,
            config.rms_norm_eps,
            dropout,
        )
    return states.flatten(0, 1)


def _normed(hidden: torch.Tensor, norm: Any) -> torch.Tensor:
    return functional.rms_norm(hidden, hidden.shape[-1:], norm.weight, norm.variance_epsilon)


def _joined(linear: Linear, hidden: torch.Tensor, *projections: Any) -> torch.Tensor:
    """What several linear layers make of the same input, side by side, by one product."""
    first, *others = projections
    weight, bias = first.weight, first.bias
    if others:
        weight = torch.cat([projection.weight for projection in projections])
        bias = None if bias is None else torch.cat([p.bias for p in projections])
    return linear(hidden, weight, bias)


@contextmanager
def _dropping(model: Any, dropout: float) -> Iterator[None]:
    """Within it, layers that are run as modules drop what they add to the residual stream.

    Raises:
        InvalidInputError: layers of another build than Llama's.
    """
    hooks = []
    if dropout and not is_lean(model):
        for layer in getattr(model.base_model, "layers", [None])[frozen_layers(model) :]:
            if not hasattr(layer, "self_attn") or not hasattr(layer, "mlp"):
                raise InvalidInputError(
                    f"sft.dropout: {model.config.model_type} has no layers of an attention and an "
                    "MLP that are added to the residual stream; set it to 0"
                )
            drop = partial(_dropped, dropout)
            hooks += [m.register_forward_hook(drop) for m in (layer.self_attn, layer.mlp)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _dropped(dropout: float, module: Any, inputs: Any, output: Any) -> Any:
    if isinstance(output, tuple):
        return (functional.dropout(output[0], dropout), *output[1:])
    return functional.dropout(output, dropout)


@contextmanager
def _attention_on_trees(model: Any) -> Iterator[None]:
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    if TREE not in ALL_ATTENTION_FUNCTIONS.valid_keys():
        ALL_ATTENTION_FUNCTIONS.register(TREE, _tree_attention)
    config = model.config
    before = config._attn_implementation
    config._attn_implementation = TREE
    try:
        yield
    finally:
        config._attn_implementation = before


def _tree_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    *,
    paths: torch.Tensor,
    homes: torch.Tensor,
    scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention of (1, heads, N, D) along the rows that ``paths`` (B, T) spells.

    Rows are padded on the right, so no real position sees padding, and no mask is needed.
    """

    def unfold(states: torch.Tensor) -> torch.Tensor:
        nodes = states[0].transpose(0, 1)  # (N, heads, D)
        rows = nodes.index_select(0, paths.flatten()).view(*paths.shape, *nodes.shape[1:])
        return rows.transpose(1, 2)  # (B, heads, T, D)

    rows = functional.scaled_dot_product_attention(
        unfold(query),
        unfold(key),
        unfold(value),
        is_causal=True,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    nodes = rows.transpose(1, 2).flatten(0, 1).index_select(0, homes)  # (N, heads, D)
    return nodes[None], None
