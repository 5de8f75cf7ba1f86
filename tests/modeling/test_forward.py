"""Running on prefix trees changes nothing but the speed."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from tests.modeling.tiny import problems
from trace_pipeline.experiment import LoraConfig
from trace_pipeline.modeling.network.batching import Batch, collate, tokenise
from trace_pipeline.modeling.network.forward import frozen_layers, lower_states, runs_on_trees
from trace_pipeline.modeling.network.lora import add_adapters
from trace_pipeline.modeling.network.objective import completion_logprobs
from trace_pipeline.modeling.network.trainable import select_trainable
from trace_pipeline.modeling.storage.checkpoints import Policy
from trace_pipeline.validation import InvalidInputError


def batch_of(policy: Policy) -> Batch:
    """Five sequences, of which two have a prompt and the beginning of a trace in common."""
    first, *others = tokenise(policy.prompt, problems(4), 1024)
    variant = type(first)(first.prompt, [*first.completion[:20], 7, 8, 9])
    return collate([first, variant, *others])


def loss_and_gradients(policy: Policy, batch: Batch) -> tuple[torch.Tensor, list[torch.Tensor]]:
    logprobs, _ = completion_logprobs(policy.model, batch)
    chosen = [p for p in policy.model.parameters() if p.requires_grad]
    return logprobs, list(torch.autograd.grad(logprobs.sum(), chosen))


@pytest.mark.parametrize("trainable", ["all", "last_layers", "lora"])
def test_log_probabilities_and_gradients_are_those_of_padded_rows(
    policy: Policy, trainable: str
) -> None:
    if trainable == "lora":
        add_adapters(policy.model, LoraConfig(rank=2))
    select_trainable(policy.model, trainable, 1)
    batch = batch_of(policy)
    assert batch.shared > 100
    ours, gradients = loss_and_gradients(policy, batch)
    with patch("trace_pipeline.modeling.network.forward.runs_on_trees", lambda _: False):
        plain, expected = loss_and_gradients(policy, batch)
    torch.testing.assert_close(ours, plain)
    for mine, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("trainable", "layers", "frozen"), [("all", 1, 0), ("last_layers", 1, 2), ("last_layers", 3, 0)]
)
def test_frozen_layers_are_those_below_what_is_trained(
    policy: Policy, trainable: str, layers: int, frozen: int
) -> None:
    select_trainable(policy.model, trainable, layers)
    assert frozen_layers(policy.model) == frozen
    states = lower_states(policy.model, batch_of(policy))
    assert not states.requires_grad


def test_models_with_a_sliding_window_run_on_padded_rows(tmp_path: Path) -> None:
    from transformers import MistralConfig

    sizes = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1}

    class Model:
        config = MistralConfig(sliding_window=16, **sizes)

    assert not runs_on_trees(Model)
    Model.config = MistralConfig(sliding_window=None, **sizes)
    assert runs_on_trees(Model)


@pytest.mark.parametrize("adapters", [False, True])
def test_dropout_is_drawn_from_the_seed_and_leaves_nothing_behind(
    policy: Policy, adapters: bool
) -> None:
    if adapters:  # these run as modules of transformers
        add_adapters(policy.model, LoraConfig(rank=2))
    select_trainable(policy.model, "lora" if adapters else "all", 1)
    batch = batch_of(policy)
    before, _ = completion_logprobs(policy.model, batch)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(completion_logprobs(policy.model, batch, dropout=0.2)[0])
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert not torch.equal(found[0], before)
    assert torch.equal(completion_logprobs(policy.model, batch)[0], before)


def test_dropout_in_layers_of_another_build_is_refused(policy: Policy) -> None:
    batch = batch_of(policy)
    with (
        patch("trace_pipeline.modeling.network.forward.is_lean", lambda _: False),
        patch.object(policy.model.base_model, "layers", torch.nn.ModuleList([torch.nn.Identity()])),
        pytest.raises(
            InvalidInputError, match=r"sft\.dropout: llama has no layers of an attention"
        ),
    ):
        completion_logprobs(policy.model, batch, dropout=0.1)
