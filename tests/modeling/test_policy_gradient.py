"""What a learner keeps between the steps on one iteration's completions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.modeling.tiny import experiment, problems
from trace_pipeline.experiment import DecodingConfig
from trace_pipeline.modeling.base.base_models import BaseModel
from trace_pipeline.modeling.decoding.decoder import Decoder, Sampling
from trace_pipeline.modeling.network.optimizer import MasterAdamW
from trace_pipeline.modeling.network.trainable import train_only
from trace_pipeline.modeling.rl.policy_gradient import Learner
from trace_pipeline.modeling.sft.finetuning import train_sft
from trace_pipeline.modeling.storage.checkpoints import load_checkpoint


@pytest.mark.parametrize("updates", [1, 3])
def test_what_frozen_layers_give_is_kept(updates: int, base: BaseModel, tmp_path: Path) -> None:
    """It changes no bit of the weights."""
    part = tmp_path / "part"
    train_sft(experiment(sft={"epochs": 20}), base, problems(4), part)
    settings = experiment(rl={"updates": updates, "kl_coefficient": 0.1, "learning_rate": 1e-2})
    weights = []
    for kept in (True, False):
        policy = load_checkpoint(part, base, "float32", "cpu", merge=False)
        assert policy.info is not None
        train_only(policy.model, policy.info.tensors)
        learner = Learner(settings, policy, MasterAdamW(policy.model, policy.info.tensors))
        assert learner._keeps_lower
        learner._keeps_lower = kept
        drawn = Decoder(policy, DecodingConfig(max_tokens=20)).decode(
            [problem.question for problem in problems(4)], Sampling([1, 2, 3, 4])
        )
        learner.learn(drawn, torch.tensor([1.0, -1.0, 0.5, -0.5]), 1)
        weights.append({name: p.detach().clone() for name, p in policy.model.named_parameters()})
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
