"""Parts of a layer whose gradients are written out, so that fewer passes over memory are made.

Automatic differentiation gives each slice of a tensor a gradient of the whole tensor's size, adds
these up, and scatters rows by atomic additions; on a GPU that takes more time than the matrix
products of a small model. What is known of the indices here (each node has one home, padding
has no gradient) makes plain copies of it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from trace_pipeline.modeling.network.batching import Batch


def rotated_rows(
    qkv: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, batch: Batch, heads: int, groups: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries, keys and values of the nodes with their rotary positions, along the rows.

    Args:
        qkv: (N, heads + 2 * groups, D), before the rotation.
        cos: (N, 1, D / 2).
        sin: (N, 1, D / 2).
        batch: its N nodes, and B rows of T places.
        heads: query heads.
        groups: key and value heads.

    Returns:
        (B, heads, T, D), and twice (B, groups, T, D).
    """
    found: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = _RotatedRows.apply(  # type: ignore[no-untyped-call]
        qkv, cos, sin, batch.paths, batch.homes, batch.twins, heads, groups
    )
    return found


def nodes_of(rows: torch.Tensor, homes: torch.Tensor) -> torch.Tensor:
    """(B * T, ...) -> (N, ...): what stands in the home of each node."""
    found: torch.Tensor = _Nodes.apply(rows, homes)  # type: ignore[no-untyped-call]
    return found


def gated(joined: torch.Tensor) -> torch.Tensor:
    """(N, 2 * M) -> (N, M): the first half through SiLU, times the second (SwiGLU)."""
    found: torch.Tensor = _Gated.apply(joined)  # type: ignore[no-untyped-call]
    return found


def _rotate(source: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, into: torch.Tensor) -> None:
    """Turn the pairs (low, high) of the last dimension's halves, from ``source`` to ``into``."""
    (low, high), (first, second) = source.chunk(2, -1), into.chunk(2, -1)
    torch.mul(low, cos, out=first)
    first.addcmul_(high, sin, value=-1)
    torch.mul(high, cos, out=second)
    second.addcmul_(low, sin)


class _RotatedRows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        qkv: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        paths: torch.Tensor,
        homes: torch.Tensor,
        twins: torch.Tensor,
        heads: int,
        groups: int,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        nodes, turned = torch.empty_like(qkv), heads + groups
        _rotate(qkv[:, :turned], cos, sin, nodes[:, :turned])
        nodes[:, turned:] = qkv[:, turned:]
        flat = paths.flatten()
        rows = nodes.index_select(0, flat).view(*paths.shape, *qkv.shape[1:]).transpose(1, 2)
        ctx.save_for_backward(cos, sin, homes, twins, flat[twins])
        ctx.turned = turned
        return rows[:, :heads], rows[:, heads:turned], rows[:, turned:]

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        cos, sin, homes, twins, nodes_of_twins = ctx.saved_tensors
        rows = torch.cat([part.transpose(1, 2) for part in gradients], 2).flatten(0, 1)
        nodes = rows.index_select(0, homes)
        if len(twins):  # what several sequences begin with; they are few where prompts differ
            nodes.index_add_(0, nodes_of_twins, rows.index_select(0, twins))
        grad = torch.empty_like(nodes)
        _rotate(nodes[:, : ctx.turned], cos, -sin, grad[:, : ctx.turned])
        grad[:, ctx.turned :] = nodes[:, ctx.turned :]
        return grad, None, None, None, None, None, None, None


class _Nodes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, homes: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(homes)
        ctx.size = len(rows)
        return rows.index_select(0, homes)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (homes,) = ctx.saved_tensors
        (gradient,) = gradients
        grad = gradient.new_zeros(ctx.size, *gradient.shape[1:])
        return grad.index_copy_(0, homes, gradient), None


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, joined: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(joined)
        gate, up = joined.chunk(2, -1)
        return functional.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        (joined,) = ctx.saved_tensors
        (gradient,) = gradients
        gate, up = joined.chunk(2, -1)
        grad = torch.empty_like(joined)
        first, second = grad.chunk(2, -1)
        torch.mul(gradient, functional.silu(gate), out=second)
        first.copy_(torch.ops.aten.silu_backward(gradient * up, gate))
        return grad
