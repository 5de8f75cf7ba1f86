"""A layer, and the loss of its head, over whole padded rows: plain expressions for a compiler.

A prefix tree saves what sequences share, at the price of gathers. Where they share next to nothing
(questions asked without a system prompt) and a GPU waits for memory rather than for arithmetic,
padded rows are cheaper: nothing is gathered, and ``torch.compile`` fuses what stands between two
matrix products into one pass over memory. The functions here compute what ``forward`` and
``objective`` compute, on a layout of which the compiler sees everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.nn import functional

Linear = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]
"""(N, I), weight (O, I) and bias (O,) or None -> (N, O), as ``functional.linear``."""


def rows_layer(
    hidden: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    weights: tuple[torch.Tensor, ...],
    biases: tuple[torch.Tensor | None, ...],
    heads: int,
    groups: int,
    eps: float,
    dropout: float,
) -> torch.Tensor:
    """(B, T, H) -> (B, T, H): a Llama-type layer over rows that are padded on the right.

    Args:
        hidden: What the layer before gave.
        cos: (T, 1, D / 2) of the rotary positions.
        sin: Likewise.
        weights: Norm, q, k, v, out, norm, gate, up, down.
        biases: Of q, k, v and out.
        heads: Query heads.
        groups: Key and value heads.
        eps: Of the norms.
        dropout: Share of what attention and MLP give that is dropped at random.
    """
    norm_in, query, key, value, out, norm_mlp, gate, up, down = weights
    rows, length, size = hidden.shape
    h = functional.rms_norm(hidden, (size,), norm_in, eps)
    bias = None if biases[0] is None else torch.cat([b for b in biases[:3] if b is not None])
    qkv = functional.linear(h, torch.cat((query, key, value)), bias)
    qkv = qkv.view(rows, length, heads + 2 * groups, -1)
    turned, values = qkv[:, :, : heads + groups], qkv[:, :, heads + groups :]
    low, high = turned.chunk(2, -1)
    turned = torch.cat((low * cos - high * sin, high * cos + low * sin), -1)
    attended = functional.scaled_dot_product_attention(
        turned[:, :, :heads].transpose(1, 2),
        turned[:, :, heads:].transpose(1, 2),
        values.transpose(1, 2),
        is_causal=True,
        enable_gqa=heads != groups,
    )  # (B, heads, T, D)
    added = functional.linear(attended.transpose(1, 2).reshape(rows, length, -1), out, biases[3])
    hidden = hidden + (functional.dropout(added, dropout) if dropout else added)
    h = functional.rms_norm(hidden, (size,), norm_mlp, eps)
    first, second = functional.linear(h, torch.cat((gate, up))).chunk(2, -1)
    added = functional.linear(functional.silu(first) * second, down)
    return hidden + (functional.dropout(added, dropout) if dropout else added)


def chosen_logprobs(
    logits: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, V) and (N,) -> (N,) log-probabilities of the targets, and (N,) logs of the sums."""
    total = logits.float().logsumexp(-1)
    return logits.gather(-1, targets[:, None])[:, 0].float() - total, total


def logits_gradient(
    logits: torch.Tensor, total: torch.Tensor, targets: torch.Tensor, gradient: torch.Tensor
) -> torch.Tensor:
    """(N, V): d(gradient . log-probabilities) / d(logits), in the precision of the logits."""
    probabilities = (logits.float() - total[:, None]).exp()
    hot = torch.arange(logits.shape[1], device=logits.device) == targets[:, None]
    return ((hot.float() - probabilities) * gradient[:, None]).to(logits.dtype)


@dataclass(frozen=True)
class Kernels:
    """How the parts of a training pass are computed."""

    linear: Linear = functional.linear
    """Of the layers, on prefix trees."""
    layer: Callable[..., torch.Tensor] = rows_layer
    """Of the Llama type, on whole rows."""
    loss: tuple[Callable[..., Any], Callable[..., Any]] | None = None
    """:func:`chosen_logprobs` and :func:`logits_gradient`, compiled; None works in slices."""


PLAIN = Kernels()
"""As torch computes, operation by operation."""


@cache
def compiled(backend: str | Callable[..., Any] = "inductor") -> Kernels:
    """Layer and loss, compiled at their first use; one compilation serves all shapes."""
    layer = torch.compile(rows_layer, backend=backend)
    forward = torch.compile(chosen_logprobs, backend=backend)
    backward = torch.compile(logits_gradient, backend=backend)

    def run_layer(
        hidden: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, *others: Any
    ) -> torch.Tensor:
        if len(hidden) == 1:  # a compiler takes a dimension of 1 for a constant
            return rows_layer(hidden, cos, sin, *others)
        _vary(hidden, 0, 1)
        _vary(cos, 0)
        _vary(sin, 0)
        return layer(hidden, cos, sin, *others)

    def run_loss(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        _vary(logits, 0)
        _vary(targets, 0)
        return forward(logits, targets)

    def run_gradient(logits: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        for tensor in (logits, *others):
            _vary(tensor, 0)
        return backward(logits, *others)

    return Kernels(layer=run_layer, loss=(run_loss, run_gradient))


def _vary(tensor: torch.Tensor, *dimensions: int) -> None:
    """Tell the compiler that these dimensions differ from batch to batch."""
    torch._dynamo.maybe_mark_dynamic(tensor, list(dimensions))
