from __future__ import annotations

from pathlib import Path

import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import load_file, save_file

from tests.modeling.tiny import experiment, make_tiny_model, problems
from trace_pipeline.modeling.base.base_models import BaseModel, load_model, resolve_base
from trace_pipeline.modeling.decoding.decoder import Decoder
from trace_pipeline.modeling.network.trainable import select_trainable
from trace_pipeline.modeling.storage.changes import checkpoint_differs_from
from trace_pipeline.modeling.storage.checkpoints import (
    INFO,
    Policy,
    export_checkpoint,
    hand_on_checkpoint,
    load_checkpoint,
    read_info,
    save_checkpoint,
)
from trace_pipeline.store import write_json
from trace_pipeline.validation import InvalidInputError


@pytest.fixture
def folder(policy: Policy, tmp_path: Path) -> Path:
    """The last layer and the head, each moved by 0.25."""
    chosen = select_trainable(policy.model, "last_layers", 1)
    parameters = dict(policy.model.named_parameters())
    with torch.no_grad():
        for name in chosen.names:
            parameters[name] += 0.25
    save_checkpoint(
        tmp_path / "delta", policy, chosen.names, stage="sft", run="r", config={}, metrics={}
    )
    return tmp_path / "delta"


def test_a_delta_holds_only_what_was_trained_and_restores_the_model(
    folder: Path, policy: Policy, base: BaseModel
) -> None:
    info = read_info(folder)
    assert info.kind == "delta"
    assert info.base_sha256 == base.sha256
    assert set(load_file(folder / "weights.safetensors")) == set(info.tensors)
    assert all(name.startswith(("model.layers.2.", "lm_head.")) for name in info.tensors)
    loaded = load_checkpoint(folder, base, "float32", "cpu")
    for (name, mine), theirs in zip(
        policy.model.named_parameters(), loaded.model.parameters(), strict=True
    ):
        assert torch.equal(mine, theirs), name
    assert loaded.prompt.config == policy.prompt.config


def test_the_base_is_found_by_its_reference(folder: Path) -> None:
    assert load_checkpoint(folder, dtype="float32", device="cpu").base == resolve_base(
        read_info(folder).base
    )


def test_a_full_fine_tune(sft_folder: Path, base: BaseModel) -> None:
    assert read_info(sft_folder).kind == "full"
    assert checkpoint_differs_from(sft_folder, base) > 0.01


def test_another_base_is_refused(folder: Path, tmp_path: Path) -> None:
    other = resolve_base(str(make_tiny_model(tmp_path / "other", seed=1)))
    with pytest.raises(InvalidInputError, match="give the base that it was trained from"):
        load_checkpoint(folder, other)


def test_a_record_of_another_base_is_not_handed_on(folder: Path, tmp_path: Path) -> None:
    other = resolve_base(str(make_tiny_model(tmp_path / "other", seed=1)))
    write_json(folder / INFO, replace(read_info(folder), elsewhere=True))
    with pytest.raises(InvalidInputError, match="give the base that it was trained from"):
        hand_on_checkpoint(folder, tmp_path / "on", other, stage="rl", run="r", config={})
    assert not (tmp_path / "on").exists()


def test_damage_is_recognised(folder: Path, base: BaseModel, tmp_path: Path) -> None:
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"abcd")
    with pytest.raises(InvalidInputError, match=r"weights\.safetensors: missing or altered"):
        load_checkpoint(folder, base)
    with pytest.raises(InvalidInputError, match="no checkpoint here"):
        load_checkpoint(tmp_path, base)
    for torn in (b'{"format": 1', b'{"format": "\xff"}'):
        (folder / "checkpoint.json").write_bytes(torn)
        with pytest.raises(InvalidInputError, match="not a checkpoint's description"):
            read_info(folder)


def test_the_change_against_a_parent_is_measured(
    folder: Path, policy: Policy, base: BaseModel, tmp_path: Path
) -> None:
    assert checkpoint_differs_from(folder, base) == pytest.approx(0.25)
    assert checkpoint_differs_from(folder, folder, base) == 0
    names = read_info(folder).tensors
    with torch.no_grad():
        policy.model.lm_head.weight[0, 0] += 2
    child = tmp_path / "child"
    save_checkpoint(child, policy, names, stage="rl", run="r", config={}, metrics={})
    assert checkpoint_differs_from(child, folder, base) == pytest.approx(2)
    tensors = load_file(child / "weights.safetensors")
    tensors["lm_head.weight"][0, 0] = float("nan")
    save_file(tensors, child / "weights.safetensors")
    with pytest.raises(InvalidInputError, match="not finite"):
        checkpoint_differs_from(child, folder, base)
    # Rows for tokens of its own, of which the parent has none.
    head = load_file(folder / "weights.safetensors")["lm_head.weight"]
    tensors["lm_head.weight"] = torch.cat((head, torch.full((1, head.shape[1]), torch.inf)))
    save_file(tensors, child / "weights.safetensors")
    with pytest.raises(InvalidInputError, match="not finite"):
        checkpoint_differs_from(child, folder, base)


def test_an_export_needs_no_base(sft_folder: Path, base: BaseModel, tmp_path: Path) -> None:
    export_checkpoint(sft_folder, tmp_path / "plain", base)
    exported = load_model(resolve_base(str(tmp_path / "plain")), "float32", "cpu")
    policy = load_checkpoint(sft_folder, base, "auto", "cpu")
    ids = torch.tensor([policy.prompt.prompt_ids(problems(1)[0].question)])
    with torch.no_grad():
        torch.testing.assert_close(
            exported(input_ids=ids).logits, policy.model.float()(input_ids=ids).logits
        )
    with pytest.raises(InvalidInputError, match="exists"):
        export_checkpoint(sft_folder, tmp_path / "plain", base)


def test_an_exported_delta_keeps_its_untied_head(
    folder: Path, base: BaseModel, tmp_path: Path
) -> None:
    export_checkpoint(folder, tmp_path / "plain", base)
    exported = load_model(resolve_base(str(tmp_path / "plain")), "bfloat16", "cpu")
    trained = load_checkpoint(folder, base, "bfloat16", "cpu").model
    assert torch.equal(exported.lm_head.weight, trained.lm_head.weight)
    assert not torch.equal(exported.lm_head.weight, exported.get_input_embeddings().weight)


def test_a_loaded_checkpoint_writes_what_it_learned(sft_folder: Path, base: BaseModel) -> None:
    policy = load_checkpoint(sft_folder, base, "float32", "cpu")
    completion = Decoder(policy, experiment().decoding).decode([problems(4)[1].question])[0]
    assert "value: 16" in completion.text
