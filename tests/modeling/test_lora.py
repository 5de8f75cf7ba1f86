from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.modeling.tiny import experiment, problems
from trace_pipeline.experiment import LoraConfig
from trace_pipeline.modeling.base.base_models import BaseModel, load_model, resolve_base
from trace_pipeline.modeling.network.batching import collate, tokenise
from trace_pipeline.modeling.network.lora import add_adapters
from trace_pipeline.modeling.network.objective import completion_logprobs
from trace_pipeline.modeling.sft.finetuning import train_sft
from trace_pipeline.modeling.storage.changes import checkpoint_differs_from
from trace_pipeline.modeling.storage.checkpoints import (
    Policy,
    export_checkpoint,
    load_base_policy,
    load_checkpoint,
)
from trace_pipeline.validation import InvalidInputError


def logprobs(policy: Policy) -> torch.Tensor:
    batch = collate(tokenise(policy.prompt, problems(2), 1024))
    with torch.no_grad():
        return completion_logprobs(policy.model, batch)[0]


def test_adapters_are_stored_alone_and_merged_on_the_way_out(
    base: BaseModel, tmp_path: Path
) -> None:
    settings = experiment(sft={"trainable": "lora", "lora": {"rank": 2}, "epochs": 8})
    info = train_sft(settings, base, problems(3), tmp_path / "run")
    assert info.kind == "lora"
    assert all(".lora_" in name for name in info.tensors)
    assert info.parameters_trained < 0.2 * info.parameters_total
    assert checkpoint_differs_from(tmp_path / "run", base) > 0

    merged = load_checkpoint(tmp_path / "run", base, "float32", "cpu")
    apart = load_checkpoint(tmp_path / "run", base, "float32", "cpu", merge=False)
    untuned = load_base_policy(base, settings.prompt, "float32", "cpu")
    assert not any("lora" in name for name, _ in merged.model.named_parameters())
    torch.testing.assert_close(logprobs(merged), logprobs(apart), rtol=1e-4, atol=1e-4)
    assert float(logprobs(merged).mean()) > float(logprobs(untuned).mean()) + 0.1

    export_checkpoint(tmp_path / "run", tmp_path / "plain", base)
    exported = load_model(resolve_base(str(tmp_path / "plain")), "float32", "cpu")
    plain = Policy(exported, merged.prompt, base)
    torch.testing.assert_close(logprobs(plain), logprobs(merged))


def test_new_adapters_change_nothing(policy: Policy) -> None:
    before = logprobs(policy)
    add_adapters(policy.model, LoraConfig(rank=2))
    torch.testing.assert_close(logprobs(policy), before)


def test_training_goes_on_from_adapters(base: BaseModel, tmp_path: Path) -> None:
    settings = experiment(sft={"trainable": "lora", "lora": {"rank": 2}})
    first = train_sft(settings, base, problems(3), tmp_path / "first")
    second = train_sft(settings, base, problems(3), tmp_path / "second", start=tmp_path / "first")
    assert second.kind == "lora"
    assert second.parent == first.weights_sha256
    assert checkpoint_differs_from(tmp_path / "second", tmp_path / "first", base) > 0


def test_a_target_that_is_not_there(policy: Policy) -> None:
    with pytest.raises(InvalidInputError, match=r"no linear module 'query'; there are: .*q_proj"):
        add_adapters(policy.model, LoraConfig(targets=("query",)))
