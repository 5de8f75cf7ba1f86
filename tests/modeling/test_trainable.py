from __future__ import annotations

import pytest
import torch

from trace_pipeline.modeling.network.optimizer import MasterAdamW
from trace_pipeline.modeling.network.trainable import select_trainable
from trace_pipeline.modeling.storage.checkpoints import Policy
from trace_pipeline.validation import InvalidInputError


def test_the_last_layers_and_an_untied_head_are_trained(policy: Policy) -> None:
    model = policy.model
    before = model.lm_head.weight.clone()
    chosen = select_trainable(model, "last_layers", 2)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained == set(chosen.names)
    top = ("model.layers.1.", "model.layers.2.", "lm_head.")
    assert trained == {name for name, _ in model.named_parameters() if name.startswith(top)}
    assert model.lm_head.weight is not model.get_input_embeddings().weight
    assert torch.equal(model.lm_head.weight, before)
    assert 0 < chosen.trained < chosen.total


def test_all_parameters_keep_the_tie(policy: Policy) -> None:
    chosen = select_trainable(policy.model, "all", 1)
    assert chosen.trained == chosen.total
    assert "lm_head.weight" not in chosen.names


def test_more_layers_than_there_are(policy: Policy) -> None:
    with pytest.raises(InvalidInputError, match=r"sft\.layers: 4 asked for, the model has 3"):
        select_trainable(policy.model, "last_layers", 4)


def test_float32_updates_equal_torchs_adamw() -> None:
    torch.manual_seed(0)
    ours, theirs = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    optimizer = MasterAdamW(ours, ("weight", "bias"), weight_decay=0.1)
    reference = torch.optim.AdamW(
        [{"params": [theirs.weight], "weight_decay": 0.1}, {"params": [theirs.bias]}],
        lr=0.01, betas=(0.9, 0.95), weight_decay=0.0,
    )  # fmt: skip
    for step in range(4):
        inputs = torch.randn(5, 3)
        for model in (ours, theirs):
            (model(inputs) ** 2).sum().backward()
        optimizer.accumulate()
        norm = torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        reference.step()
        reference.zero_grad()
        assert optimizer.step(0.01, 1.0) == pytest.approx(float(norm)), step
    torch.testing.assert_close(ours.weight, theirs.weight)
    torch.testing.assert_close(ours.bias, theirs.bias)


def test_masters_keep_updates_that_bfloat16_would_lose() -> None:
    model = torch.nn.Linear(1, 1, bias=False).bfloat16()
    with torch.no_grad():
        model.weight.fill_(1.0)
    optimizer = MasterAdamW(model, ("weight",))
    for _ in range(100):
        model(torch.ones(1, 1).bfloat16()).sum().backward()
        optimizer.accumulate()
        optimizer.step(1e-4, 1.0)
    # A step of 1e-4 is far below bfloat16's resolution of 2**-8 at 1.
    assert float(optimizer.masters["weight"]) == pytest.approx(0.99, abs=1e-4)
    assert float(model.weight.detach()) == pytest.approx(0.99, abs=2**-8)


def test_state_round_trips_to_the_same_future() -> None:
    def step(model: torch.nn.Module, optimizer: MasterAdamW) -> None:
        model(torch.ones(1, 3).bfloat16()).sum().backward()
        optimizer.accumulate()
        optimizer.step(0.01, 1.0)

    first, second = torch.nn.Linear(3, 2).bfloat16(), torch.nn.Linear(3, 2).bfloat16()
    mine, other = (MasterAdamW(m, ("weight", "bias")) for m in (first, second))
    step(first, mine)
    other.load_state({name: tensor.clone() for name, tensor in mine.state().items()})
    assert torch.equal(first.weight, second.weight)
    for _ in range(3):
        step(first, mine)
        step(second, other)
    assert torch.equal(mine.masters["weight"], other.masters["weight"])


def test_a_gradient_that_is_not_finite_moves_nothing() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    before = model.weight.clone()
    optimizer = MasterAdamW(model, ("weight",))
    (model.weight.sum() * float("nan")).backward()
    optimizer.accumulate()
    assert optimizer.step(0.1, 1.0) != optimizer.step(0.1, 1.0)
    assert torch.equal(model.weight, before)
