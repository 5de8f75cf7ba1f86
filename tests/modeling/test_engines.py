"""Which engine is opened, and what vLLM is asked, by a module that stands in for it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from trace_pipeline.experiment import DecodingConfig, ExperimentError, experiment_from_dict
from trace_pipeline.modeling.decoding.decoder import Decoder, Sampling
from trace_pipeline.modeling.decoding.engines import VllmDecoder, open_engine
from trace_pipeline.modeling.storage.checkpoints import Policy
from trace_pipeline.validation import InvalidInputError

VLLM = DecodingConfig(engine="vllm", max_tokens=7)


class StandIn(ModuleType):
    """As much of vLLM as is called: it answers every prompt with its length and the end."""

    def __init__(self, end_id: int) -> None:
        super().__init__("vllm")
        self.asked: list[tuple[Any, Any]] = []
        stand_in = self

        class LLM:
            def __init__(self, model: str, **options: Any) -> None:
                assert (Path(model) / "config.json").is_file()
                assert (Path(model) / "tokenizer.json").is_file()
                stand_in.options = options

            def generate(self, prompts: Any, parameters: Any, use_tqdm: bool) -> list[Any]:
                assert not use_tqdm
                stand_in.asked = list(zip(prompts, parameters, strict=True))
                return [stand_in.answer(p["prompt_token_ids"], end_id) for p in prompts]

        self.LLM = LLM
        self.SamplingParams = SimpleNamespace

    @staticmethod
    def answer(prompt: list[int], end_id: int) -> Any:
        output = SimpleNamespace(
            token_ids=(5, 6, end_id), finish_reason="stop", cumulative_logprob=-1.5
        )
        return SimpleNamespace(outputs=[output])


@pytest.fixture
def stand_in(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    module = StandIn(policy.prompt.end_id)
    monkeypatch.setitem(sys.modules, "vllm", module)
    return module


def test_the_experiment_names_the_engine(policy: Policy, stand_in: StandIn) -> None:
    assert isinstance(open_engine(policy, DecodingConfig()), Decoder)
    assert isinstance(open_engine(policy, VLLM), VllmDecoder)


def test_vllm_is_asked_greedily(policy: Policy, stand_in: StandIn) -> None:
    found = open_engine(policy, VLLM).decode(["How many?", "b"])
    assert stand_in.options["dtype"] == "float32"
    assert stand_in.options["enable_prefix_caching"]
    (prompt, parameters), _ = stand_in.asked
    assert prompt == {"prompt_token_ids": policy.prompt.prompt_ids("How many?")}
    assert parameters == SimpleNamespace(
        max_tokens=7, stop_token_ids=[policy.prompt.end_id], logprobs=0, temperature=0.0
    )
    assert [c.tokens for c in found] == [3, 3]
    assert found[0].logprob == -1.5
    assert not found[0].clipped


def test_vllm_is_asked_for_samples_with_a_seed_each(policy: Policy, stand_in: StandIn) -> None:
    told: list[tuple[int, int, int]] = []
    sampling = Sampling([3, 4, 5, 6], 0.7, 0.9, samples=2)
    open_engine(policy, VLLM).decode(["a", "b"], sampling, lambda *a: told.append(a))
    assert [parameters.seed for _, parameters in stand_in.asked] == [3, 4, 5, 6]
    assert {(p.temperature, p.top_p) for _, p in stand_in.asked} == {(0.7, 0.9)}
    assert told == [(4, 4, 12)]


def test_without_vllm_the_error_names_the_remedy(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(InvalidInputError, match=r"pip install vllm.*decoding.engine: native"):
        open_engine(policy, VLLM)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"samples": 4}, r"\$\.decoding\.temperature: 4 greedy samples are all alike"),
        ({"constrained": True, "engine": "vllm"}, r"\$\.decoding\.engine: vllm cannot"),
    ],
)
def test_settings_that_contradict_each_other(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        experiment_from_dict({"name": "x", "decoding": section})
