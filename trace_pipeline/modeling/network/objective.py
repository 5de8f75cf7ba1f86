"""Log-probabilities of target tokens from hidden states, without keeping float32 logits.

The vocabulary is the widest dimension of a small language model. Applying the head only
where there is a target, in slices, with the softmax's gradient written out, needs one copy
of the logits in the model's precision instead of several in float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from trace_pipeline.modeling.base.choices import Choices
from trace_pipeline.modeling.network.batching import Batch
from trace_pipeline.modeling.network.forward import target_states
from trace_pipeline.modeling.network.rows import PLAIN, Kernels

SLICE = {"cpu": 256, "cuda": 4096}
"""Rows of logits that are in float32 at a time: what the caches of a CPU hold, or enough for a GPU
to be busy."""


def completion_logprobs(
    model: Any,
    batch: Batch,
    temperature: float = 1.0,
    top_p: float = 1.0,
    lower: torch.Tensor | None = None,
    entropies: bool = True,
    dropout: float = 0.0,
    kernels: Kernels = PLAIN,
) -> tuple[torch.Tensor, torch.Tensor]:
    """:func:`token_logprobs` of the targets of ``batch`` under ``model``.

    ``lower`` is what the frozen layers gave for it, if it is known, ``dropout`` what is dropped,
    and ``kernels`` how the parts are computed (see ``forward``); the head multiplies as usual.
    """
    hidden = target_states(model, batch, lower, dropout, kernels)  # (M, H)
    plain = temperature == 1 and top_p == 1 and not entropies and batch.choices is None
    if kernels.loss and plain:
        head = model.lm_head
        logprobs: torch.Tensor = _CompiledLogprobs.apply(  # type: ignore[no-untyped-call]
            hidden, head.weight, head.bias, batch.targets, *kernels.loss
        )
        return logprobs, torch.zeros_like(logprobs)
    return token_logprobs(
        hidden, model.lm_head, batch.targets, temperature, top_p, entropies, batch.choices
    )


def token_logprobs(
    hidden: torch.Tensor,
    head: torch.nn.Linear,
    targets: torch.Tensor,
    temperature: float = 1.0,
    top_p: float = 1.0,
    entropies: bool = True,
    choices: Choices | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of each target, and the entropy of the distribution it came from.

    Args:
        hidden: (N, H), last hidden states at the positions that predict the targets.
        head: from H to the vocabulary.
        targets: (N,) token ids.
        temperature: logits are divided by it.
        top_p: the distribution is cut to its nucleus (see :func:`nucleus`) and renormalised;
            a target outside, where rounding moved the border, counts as part of it.
        entropies: whether they are wanted; zeros are returned otherwise.
        choices: the tokens that each target was chosen from: the distribution is over them
            alone. None for the whole vocabulary.

    Returns:
        (N,) float32 log-probabilities, differentiable, and (N,) float32 entropies in nats, not.
    """
    logprobs, entropy = _TokenLogprobs.apply(  # type: ignore[no-untyped-call]
        hidden, head.weight, head.bias, targets, temperature, top_p, entropies, choices
    )
    return logprobs, entropy


def nucleus(logits: torch.Tensor, top_p: float) -> torch.Tensor:
    """Which tokens belong to the nucleus of each row: the smallest set that holds ``top_p``.

    Args:
        logits: (N, V).
        top_p: probability that the set must reach; the likeliest token is always in it.

    Returns:
        (N, V) booleans.
    """
    probabilities, order = logits.softmax(-1).sort(stable=True, dim=-1, descending=True)
    before = probabilities.cumsum(-1) - probabilities
    return torch.zeros_like(logits, dtype=torch.bool).scatter_(-1, order, before < top_p)


def shaped(
    logits: torch.Tensor,
    temperature: float,
    top_p: float,
    targets: torch.Tensor | None = None,
    barred: torch.Tensor | None = None,
) -> torch.Tensor:
    """(n, V) float32 logits after temperature and nucleus, as rollouts are drawn from.

    Tokens outside the nucleus get the lowest finite value, hence probability 0; so do those
    that are ``barred`` (n, V), before the nucleus is taken of what remains.
    """
    scaled = logits.float()
    if temperature != 1:
        scaled = scaled / temperature
    if barred is not None:
        scaled = scaled.masked_fill(barred, torch.finfo(torch.float32).min)
    if top_p < 1:
        kept = nucleus(scaled, top_p)
        if targets is not None:
            kept.scatter_(-1, targets[:, None], True)
        scaled = scaled.masked_fill(~kept, torch.finfo(torch.float32).min)
    return scaled


class _CompiledLogprobs(torch.autograd.Function):
    """:func:`token_logprobs` over the whole vocabulary, by the kernels of ``rows``."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        chosen: Any,
        gradient: Any,
    ) -> torch.Tensor:
        logits = functional.linear(hidden, weight, bias)  # (N, V)
        logprobs, total = chosen(logits, targets)
        ctx.save_for_backward(hidden, weight, bias, targets, logits, total)
        ctx.gradient = gradient
        found: torch.Tensor = logprobs
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, weight, bias, targets, logits, total = ctx.saved_tensors
        grad = ctx.gradient(logits, total, targets, gradients[0])
        return (*_head_gradients(ctx, grad, hidden, weight, bias), None, None, None)


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        temperature: float,
        top_p: float,
        entropies: bool,
        choices: Choices | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        logits = functional.linear(hidden, weight, bias)  # (N, V)
        chosen = torch.empty(len(targets), dtype=torch.float32, device=hidden.device)
        entropy = torch.zeros_like(chosen)
        for part in _slices(targets):
            barred = None if choices is None else choices.barred(part, len(weight))
            scaled = shaped(logits[part], temperature, top_p, targets[part], barred)
            if choices is None:
                total = scaled.logsumexp(-1)
            else:  # a CPU is slow at exponentials that underflow, but not within softmax
                weights = scaled.softmax(-1)
                total = scaled.amax(-1) - weights.amax(-1).log()
            chosen[part] = scaled.gather(-1, targets[part][:, None])[:, 0] - total
            if not entropies:
                continue
            # H = log Z - sum p * logit; what lies outside nucleus and choices has p = 0.
            if choices is None:
                weights = (scaled - total[:, None]).exp_()
            entropy[part] = total - torch.einsum("nv,nv->n", weights, scaled)
        ctx.save_for_backward(hidden, weight, bias, targets, logits)
        ctx.temperature, ctx.top_p, ctx.choices = temperature, top_p, choices
        ctx.mark_non_differentiable(entropy)
        return chosen, entropy

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, weight, bias, targets, logits = ctx.saved_tensors
        grad = torch.empty_like(logits)  # (N, V)
        for part in _slices(targets):
            # d logp[t] / d logits = (onehot(t) - softmax) / temperature
            barred = None if ctx.choices is None else ctx.choices.barred(part, len(weight))
            scaled = shaped(logits[part], ctx.temperature, ctx.top_p, targets[part], barred)
            slope = scaled.softmax(-1).neg_()
            slope.scatter_add_(-1, targets[part][:, None], torch.ones_like(slope[:, :1]))
            grad[part] = slope.mul_((gradients[0][part] / ctx.temperature)[:, None])
        return (*_head_gradients(ctx, grad, hidden, weight, bias), None, None, None, None, None)


def _head_gradients(
    ctx: Any,
    grad: torch.Tensor,
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
) -> tuple[torch.Tensor | None, ...]:
    """Gradients of hidden states, weight and bias from (N, V) ones of the logits."""
    wants = ctx.needs_input_grad
    return (
        grad @ weight if wants[0] else None,
        grad.T @ hidden if wants[1] else None,
        grad.sum(0) if bias is not None and wants[2] else None,
    )


def _slices(targets: torch.Tensor) -> list[slice]:
    size = SLICE.get(targets.device.type, SLICE["cpu"])
    return [slice(start, start + size) for start in range(0, len(targets), size)]
