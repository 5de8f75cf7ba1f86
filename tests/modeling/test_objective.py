from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trace_pipeline.modeling.network.objective import SLICE, nucleus, token_logprobs


def _plain(
    hidden: torch.Tensor, head: torch.nn.Linear, targets: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    logprobs = (head(hidden) / temperature).log_softmax(-1)
    entropy = -(logprobs.exp() * logprobs).sum(-1)
    return logprobs.gather(-1, targets[:, None])[:, 0], entropy


@pytest.mark.parametrize("rows", [1, SLICE["cpu"], SLICE["cpu"] + 7])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("bias", [True, False])
def test_equals_the_plain_computation_with_its_gradients(
    rows: int, temperature: float, bias: bool
) -> None:
    torch.manual_seed(0)
    head = torch.nn.Linear(8, 31, bias=bias)
    hidden = torch.randn(rows, 8, requires_grad=True)
    targets = torch.randint(0, 31, (rows,))
    weights = torch.randn(rows)
    inputs = [hidden, *head.parameters()]
    ours, entropy = token_logprobs(hidden, head, targets, temperature)
    plain, plain_entropy = _plain(hidden, head, targets, temperature)
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(entropy, plain_entropy)
    for mine, theirs in zip(
        torch.autograd.grad((ours * weights).sum(), inputs),
        torch.autograd.grad((plain * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)


def test_a_nucleus_is_renormalised_and_its_gradient_is_exact() -> None:
    torch.manual_seed(0)
    head = torch.nn.Linear(4, 9, bias=False).double()
    hidden = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    targets = head(hidden).argmax(-1)
    ours, entropy = token_logprobs(hidden, head, targets, 1.0, top_p=0.6)
    logits = head(hidden)
    kept = logits.masked_fill(~nucleus(logits, 0.6), -torch.inf)
    plain = kept.log_softmax(-1)
    torch.testing.assert_close(
        ours, plain.gather(-1, targets[:, None])[:, 0].float(), rtol=1e-5, atol=1e-5
    )
    assert bool((entropy < plain.exp().gt(0).sum(-1).log() + 1e-4).all())
    mine = torch.autograd.grad(ours.sum(), head.weight)[0]
    theirs = torch.autograd.grad(
        kept.logsumexp(-1).sum() * -1 + logits.gather(-1, targets[:, None]).sum(), head.weight
    )[0]
    torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_a_target_outside_the_nucleus_stays_finite() -> None:
    head = torch.nn.Linear(1, 3, bias=False)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[5.0], [0.0], [-1.0]]))
    logprobs, _ = token_logprobs(torch.ones(1, 1), head, torch.tensor([2]), 1.0, top_p=0.5)
    assert torch.isfinite(logprobs).all()


@settings(max_examples=50)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=20), st.floats(0.05, 1))
def test_the_nucleus_is_the_smallest_set_with_its_probability(
    logits: list[float], top_p: float
) -> None:
    row = torch.tensor([logits], dtype=torch.float64)
    kept = nucleus(row, top_p)[0]
    probabilities = row.softmax(-1)[0]
    inside = probabilities[kept]
    assert float(inside.sum()) >= top_p - 1e-9
    assert float(inside.sum() - inside.min()) < top_p + 1e-9
    if not kept.all():
        assert float(inside.min()) >= float(probabilities[~kept].max())
