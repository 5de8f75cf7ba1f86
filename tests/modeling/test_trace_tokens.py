"""Tokens for the phrases of the language: the same text in fewer tokens, whatever uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.modeling.test_constrained import (
    VALID,
    generated_traces,
    make_merging_tokenizer,
    make_sentence_tokenizer,
)
from tests.modeling.tiny import experiment, make_tiny_model, make_tokenizer, problem, problems
from trace_pipeline.experiment import DecodingConfig, ExperimentError, PromptConfig
from trace_pipeline.modeling.base.base_models import BaseModel, resolve_base
from trace_pipeline.modeling.base.trace_tokens import add_phrases, known_to_base, trace_phrases
from trace_pipeline.modeling.decoding.decoder import Decoder
from trace_pipeline.modeling.sft.finetuning import train_sft
from trace_pipeline.modeling.storage.changes import checkpoint_differs_from
from trace_pipeline.modeling.storage.checkpoints import (
    export_checkpoint,
    load_base_policy,
    load_checkpoint,
    read_info,
)
from trace_pipeline.solver import Solver
from trace_pipeline.validation import InvalidInputError

PROMPT = PromptConfig(system="none", template="plain", trace_tokens=True)
MAKERS = {"bytes": make_tokenizer, "merges": make_merging_tokenizer}


@pytest.fixture(scope="module", params=MAKERS)
def pair(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """A tokenizer, and the same with phrases."""
    longer = MAKERS[request.param]()
    add_phrases(longer, "tiny")
    return MAKERS[request.param](), longer


def encode(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def test_the_text_is_the_same_in_fewer_tokens(pair: tuple[Any, Any]) -> None:
    plain, longer = pair
    before = after = 0
    for trace in generated_traces(60):
        ids = encode(longer, trace)
        assert longer.decode(ids, clean_up_tokenization_spaces=False) == trace
        before += len(encode(plain, trace))
        after += len(ids)
    assert after < before / 2


def test_every_phrase_is_one_token(pair: tuple[Any, Any]) -> None:
    _, longer = pair
    for phrase in trace_phrases():
        assert len(encode(longer, phrase)) == 1, phrase


def test_a_tokenizer_that_alters_text_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="trace_tokens: false"):
        add_phrases(make_sentence_tokenizer(), "sentences")


@pytest.mark.parametrize("tied", [True, False])
def test_new_rows_are_means_and_old_ones_stay(tmp_path: Path, tied: bool) -> None:
    base = resolve_base(str(make_tiny_model(tmp_path / "base", tie_word_embeddings=tied)))
    before = load_base_policy(base, known_to_base(PROMPT), "float32", "cpu")
    after = load_base_policy(base, PROMPT, "float32", "cpu")
    known, tokenizer = before.prompt.tokenizer, after.prompt.tokenizer
    tables = [after.model.get_input_embeddings().weight, after.model.lm_head.weight]
    assert (tables[0] is tables[1]) is tied
    assert after.model.config.vocab_size == len(tokenizer) == len(known) + len(trace_phrases())
    olds = [before.model.get_input_embeddings().weight, before.model.lm_head.weight]
    for old, new in zip(olds, tables, strict=True):
        assert torch.equal(new[: len(known)], old)
        for index in range(len(known), len(tokenizer)):
            parts = encode(known, tokenizer.convert_ids_to_tokens(index))
            assert torch.allclose(new[index], old[parts].mean(0))


@pytest.mark.parametrize("trainable", ["all", "last_layers"])
def test_a_trained_model_is_stored_loaded_and_exported(
    base: BaseModel, tmp_path: Path, trainable: str
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    sft = {"epochs": 40, "trainable": trainable, "layers": 3}
    chosen = experiment(sft=sft, prompt={"trace_tokens": True})
    folder = tmp_path / "sft"
    train_sft(chosen, base, problems(4), folder)
    assert read_info(folder).prompt.trace_tokens
    assert checkpoint_differs_from(folder, base) > 0.01
    policy = load_checkpoint(folder, base, "float32", "cpu")
    question = problem(7, 2).question
    for constrained in (False, True):
        config = DecodingConfig(max_tokens=200, constrained=constrained)
        written = Decoder(policy, config).decode([question])[0]
        assert Solver().verify(written.text, 5).kind in VALID, written.text
    export_checkpoint(folder, tmp_path / "plain", base)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "plain")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "plain", dtype=torch.float32)
    prompt = torch.tensor([written.prompt_ids])
    output = model.generate(prompt, max_new_tokens=200, do_sample=False)[0, prompt.shape[1] :]
    free = Decoder(policy, DecodingConfig(max_tokens=200)).decode([question])[0]
    assert tokenizer.decode(output, skip_special_tokens=True) == free.text


def test_the_untuned_base_is_asked_without_them(base: BaseModel) -> None:
    policy = load_base_policy(base, known_to_base(PROMPT), "float32", "cpu")
    assert not policy.prompt.config.trace_tokens
    assert len(policy.prompt.tokenizer) == policy.model.config.vocab_size


def test_adapters_cannot_learn_new_rows() -> None:
    with pytest.raises(ExperimentError, match="trace_tokens: LoRA trains neither"):
        experiment(sft={"trainable": "lora"}, prompt={"trace_tokens": True})
