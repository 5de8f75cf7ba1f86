"""The lean forward pass against the modules of transformers: the same logits, the same texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace

from tests.modeling.tiny import experiment, make_tiny_model, make_tokenizer
from trace_pipeline.experiment import DecodingConfig, LoraConfig
from trace_pipeline.modeling.base.base_models import load_model, resolve_base
from trace_pipeline.modeling.decoding import running
from trace_pipeline.modeling.decoding.decoder import Decoder, Sampling
from trace_pipeline.modeling.network.inference import (
    Forward,
    LeanForward,
    ModuleForward,
    forward_of,
    is_lean,
)
from trace_pipeline.modeling.network.lora import add_adapters
from trace_pipeline.modeling.network.slots import SlotCache
from trace_pipeline.modeling.storage.checkpoints import Policy, load_base_policy
from trace_pipeline.modeling.training.samples import write_samples


def settings(**changes: Any) -> dict[str, Any]:
    tokenizer = make_tokenizer()
    common = {
        "vocab_size": len(tokenizer),
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": 0.2,
    }
    return common | changes


def build(kind: str) -> Any:
    import transformers

    torch.manual_seed(0)
    scaled = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0,
              "high_freq_factor": 4.0, "original_max_position_embeddings": 32}  # fmt: skip
    config: Any = {
        "llama": lambda: transformers.LlamaConfig(**settings()),
        "llama biased": lambda: transformers.LlamaConfig(**settings(attention_bias=True)),
        "llama wide heads": lambda: transformers.LlamaConfig(**settings(head_dim=20)),
        "llama 3.1": lambda: transformers.LlamaConfig(**settings(rope_parameters=scaled)),
        "mistral": lambda: transformers.MistralConfig(**settings(sliding_window=None)),
        "qwen2": lambda: transformers.Qwen2Config(**settings()),
        "qwen3": lambda: transformers.Qwen3Config(**settings(head_dim=12)),
    }[kind]()
    return transformers.AutoModelForCausalLM.from_config(config).eval()


LEAN = ["llama", "llama biased", "llama wide heads", "llama 3.1", "mistral", "qwen2"]


@pytest.mark.parametrize("kind", [*LEAN, "qwen3"])
@torch.inference_mode()
def test_every_pass_gives_the_hidden_states_of_the_model(kind: str) -> None:
    """Three sequences in passes of different lengths, against whole sequences at once."""
    model = build(kind)
    forward = forward_of(model)
    assert isinstance(forward, LeanForward if kind in LEAN else ModuleForward)
    passes = [[5, 9, 2], [1, 1, 1], [1, 4, 2], [3, 3, 3]]
    totals = [sum(column) for column in zip(*passes, strict=True)]
    rows = [torch.randint(0, 100, (total,)).tolist() for total in totals]
    for way in (forward, ModuleForward(model)):
        cache = SlotCache(model.config, 4, 40, model.dtype, model.device)
        done = [0, 0, 0]
        for counts in passes:
            hidden = run(way, cache, rows, done, counts)
            done = [d + c for d, c in zip(done, counts, strict=True)]
            for row, length, found in zip(rows, done, hidden, strict=True):
                ids = torch.tensor([row[:length]])
                expected = model.base_model(input_ids=ids).last_hidden_state[0, -1]
                assert torch.allclose(found, expected, atol=2e-4), kind


def run(
    way: Forward, cache: SlotCache, rows: list[list[int]], done: list[int], counts: list[int]
) -> torch.Tensor:
    new = [row[d : d + c] for row, d, c in zip(rows, done, counts, strict=True)]
    plan = cache.begin(0, counts)
    hidden = way(torch.tensor([i for ids in new for i in ids]), plan, cache)
    cache.end()
    return hidden


def test_both_ways_decode_the_same_texts(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    questions = ["How many?", "Ann has 3 eggs and eats 2.", "b " * 30]
    decoder = Decoder(policy, DecodingConfig(max_tokens=40, batch_size=2))
    sampling = Sampling([1, 2, 3], 1.1)
    lean = decoder.decode(questions), decoder.decode(questions, sampling)
    monkeypatch.setattr(running, "forward_of", ModuleForward)
    plain = decoder.decode(questions), decoder.decode(questions, sampling)
    assert [[c.ids for c in run] for run in lean] == [[c.ids for c in run] for run in plain]


def test_samples_of_a_prompt_share_it_and_draw_their_own(policy: Policy) -> None:
    questions = ["How many?", "Ann has 3 eggs and eats 2."]
    decoder = Decoder(policy, DecodingConfig(max_tokens=20, batch_size=3))
    together = decoder.decode(questions, Sampling(range(8), 1.2, samples=4))
    assert len({tuple(c.ids) for c in together}) > 4
    for place, completion in enumerate(together):
        alone = decoder.decode([questions[place // 4]], Sampling([place], 1.2))[0]
        assert alone.ids == completion.ids
    with pytest.raises(ValueError, match="2 questions of 4 samples need as many seeds"):
        decoder.decode(questions, Sampling(range(2), samples=4))


def test_the_greedy_one_comes_first_and_changes_no_draw(policy: Policy) -> None:
    questions = ["How many?", "Ann has 3 eggs and eats 2."]
    drawn = DecodingConfig(max_tokens=20, samples=3, temperature=1.2)
    both = replace(drawn, samples=4, greedy_first=True)
    decoder, told = Decoder(policy, both), list[tuple[int, int, int]]()
    found = write_samples(decoder, questions, both, 7, lambda *said: told.append(said))
    greedy = decoder.decode(questions)
    draws = write_samples(decoder, questions, drawn, 7)
    assert [c.ids for c in found[::4]] == [c.ids for c in greedy]
    assert [c.ids for n, c in enumerate(found) if n % 4] == [c.ids for c in draws]
    assert told[-1] == (8, 8, sum(completion.tokens for completion in found))
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)


def test_a_model_without_a_lean_way_decodes_too(tmp_path: Path) -> None:
    import transformers

    folder = tmp_path / "qwen3"
    torch.manual_seed(1)
    transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(**settings(head_dim=12))
    ).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    policy = load_base_policy(resolve_base(str(folder)), experiment().prompt, "float32", "cpu")
    completion = Decoder(policy, DecodingConfig(max_tokens=8)).decode(["How many?"])[0]
    ids = torch.tensor([completion.prompt_ids])
    theirs = policy.model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False
    )
    assert completion.ids == theirs[0, ids.shape[1] :].tolist()


def test_a_tiny_model_is_lean(tmp_path: Path) -> None:
    model = load_model(resolve_base(str(make_tiny_model(tmp_path / "tiny"))), "float32", "cpu")
    assert isinstance(forward_of(model), LeanForward)


def test_a_model_with_adapters_is_run_by_its_own_modules() -> None:
    """The lean pass reads weights, and an adapter's are not those of the module it wraps."""
    model = build("llama")
    assert isinstance(forward_of(model), LeanForward)
    add_adapters(model, LoraConfig(targets=["q_proj"]))
    assert isinstance(forward_of(model), ModuleForward)


def test_biases_of_the_mlp_count(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "biased", mlp_bias=True)
    policy = load_base_policy(resolve_base(str(folder)), experiment().prompt, "float32", "cpu")
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.5)
    assert not is_lean(policy.model)
    completion = Decoder(policy, DecodingConfig(max_tokens=8)).decode(["How many?"])[0]
    ids = torch.tensor([completion.prompt_ids])
    theirs = policy.model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False
    )
    assert completion.ids == theirs[0, ids.shape[1] :].tolist()
