"""Estimators, ratios and divergence against TRL's own trainers on the same completions.

TRL samples from the tiny model and takes its optimizer steps; the same completions and rewards
then go through our code from the same initial weights. Advantages, losses, norms of the gradients
and the final weights must agree. TRL has no moving baseline: there its loss and gradient are
compared, of our advantages (tests/modeling/test_advantages.py checks the formula of these).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.modeling.tiny import experiment, make_tiny_model
from trace_pipeline.modeling.base.base_models import BaseModel
from trace_pipeline.modeling.decoding.decoder import Completion
from trace_pipeline.modeling.network.optimizer import MasterAdamW
from trace_pipeline.modeling.rl.advantages import MovingBaseline, group_normalised, leave_one_out
from trace_pipeline.modeling.rl.policy_gradient import Learner
from trace_pipeline.modeling.storage.checkpoints import load_base_policy

Estimate = Callable[[torch.Tensor], torch.Tensor]

PROMPTS = ["Ann has 7 eggs.", "How many are left now?"]
SAMPLES = 4
LENGTH = 12
RATE = 0.01


def reward_of(ids: list[int]) -> float:
    return (sum(ids) % 5) / 4


@dataclass
class Trl:
    """What TRL was given and what it computed."""

    completions: list[Completion] = field(default_factory=list)
    advantages: torch.Tensor = field(default_factory=lambda: torch.zeros(0))
    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    weights: dict[str, torch.Tensor] = field(default_factory=dict)


def run_trl(
    kind: str, folder: Path, base: Path, own: Estimate | None = None, **settings: Any
) -> Trl:
    """Train the model in ``base`` with TRL's trainer on one batch of completions.

    ``own`` replaces the advantages that it computes.
    """
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

    trainer_class, config_class = {
        "grpo": (GRPOTrainer, GRPOConfig),
        "rloo": (RLOOTrainer, RLOOConfig),
    }[kind]
    result = Trl()
    tokenizer = AutoTokenizer.from_pretrained(base)
    written: dict[tuple[int, ...], None] = {}

    def rewards(completion_ids: list[list[int]], **_: Any) -> list[float]:
        written.update(dict.fromkeys(map(tuple, completion_ids)))
        return [reward_of(ids) for ids in completion_ids]

    class Watched(trainer_class):  # type: ignore[misc, valid-type]
        def compute_loss(self, model: Any, inputs: Any, **options: Any) -> Any:
            if not result.completions:
                result.advantages = inputs["advantages"].clone()
                for index in range(len(inputs["completion_ids"])):
                    prompt = inputs["prompt_ids"][index][inputs["prompt_mask"][index] == 1]
                    row = inputs["completion_ids"][index].tolist()
                    ids = max((w for w in written if list(w) == row[: len(w)]), key=len)
                    clipped = ids[-1] != tokenizer.eos_token_id
                    result.completions.append(
                        Completion("", len(ids), clipped, 0.0, 0.0, prompt.tolist(), list(ids))
                    )
            if own is not None:
                inputs["advantages"] = _advantages(result.completions, own)
            loss = super().compute_loss(model, inputs, **options)
            result.losses.append(float(loss.detach()))
            return loss

    config = config_class(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        seed=3,
        per_device_train_batch_size=len(PROMPTS) * SAMPLES,
        num_generations=SAMPLES,
        max_completion_length=LENGTH,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        adam_beta2=0.95,
        max_grad_norm=1.0,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        max_steps=settings.get("num_iterations", 1),
        **settings,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = Watched(
            model=AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
            reward_funcs=rewards,
            args=config,
            processing_class=tokenizer,
            train_dataset=Dataset.from_list([{"prompt": text} for text in PROMPTS]),
        )
        trainer.train()
    result.norms = [log["grad_norm"] for log in trainer.state.log_history if "grad_norm" in log]
    result.weights = {n: p.detach().cpu() for n, p in trainer.model.named_parameters()}
    return result


@pytest.fixture(scope="module")
def ending_base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    """A model that ends about half of its completions before the limit."""
    from trace_pipeline.modeling.base.base_models import resolve_base

    folder = make_tiny_model(tmp_path_factory.mktemp("trl") / "tiny", initializer_range=0.25)
    return resolve_base(str(folder))


def moving(rewards: torch.Tensor) -> torch.Tensor:
    """A moving baseline that stands at 0.3 after earlier iterations."""
    return MovingBaseline(0.9, 0.3).advantages(rewards)


CASES: dict[str, tuple[str, dict[str, Any], Estimate, dict[str, Any]]] = {
    "grpo": ("grpo", {"loss_type": "dapo"}, group_normalised, {}),
    "grpo without scaling": (
        "grpo",
        {"loss_type": "dapo", "scale_rewards": "none"},
        lambda rewards: group_normalised(rewards, scale_std=False),
        {},
    ),
    "grpo, clipped completions masked": (
        "grpo",
        {"loss_type": "dapo", "mask_truncated_completions": True},
        group_normalised,
        {"mask_clipped": True},
    ),
    "grpo, three updates with ratios clipped and a divergence": (
        "grpo",
        {
            "loss_type": "dapo",
            "num_iterations": 3,
            "epsilon": 0.05,
            "epsilon_high": 0.1,
            "beta": 0.2,
        },
        group_normalised,
        {"updates": 3, "clip_low": 0.05, "clip_high": 0.1, "kl_coefficient": 0.2},
    ),
    "reinforce": ("grpo", {"loss_type": "dapo", "num_iterations": 2}, moving, {"updates": 2}),
    "rloo": ("rloo", {"beta": 0.0}, leave_one_out, {"loss": "sequence"}),
    "rloo, three updates with ratios clipped": (
        "rloo",
        {"beta": 0.0, "num_iterations": 3, "epsilon": 0.05, "epsilon_high": 0.1},
        leave_one_out,
        {"loss": "sequence", "updates": 3, "clip_low": 0.05, "clip_high": 0.1},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_numbers_are_those_of_trl(case: str, ending_base: BaseModel, tmp_path: Path) -> None:
    kind, theirs, estimate, ours = CASES[case]
    own = estimate if case == "reinforce" else None
    trl = run_trl(kind, tmp_path / "trl", ending_base.folder, own, **theirs)
    advantages = _advantages(trl.completions, estimate)
    if own is None:
        torch.testing.assert_close(advantages, trl.advantages, atol=1e-5, rtol=1e-4)
    assert advantages.abs().max() > 0.1
    assert len({completion.clipped for completion in trl.completions}) == 2

    settings = experiment(
        rl={"learning_rate": RATE, "samples": SAMPLES, "estimator": kind} | ours,
        sft={"batch_tokens": 60},
    )
    policy = load_base_policy(ending_base, settings.prompt, "float32", "cpu")
    start = {name: p.detach().clone() for name, p in policy.model.named_parameters()}
    learner = Learner(settings, policy, MasterAdamW(policy.model, tuple(start)))
    figures = learner.learn(trl.completions, advantages, 1)
    count = settings.rl.updates
    assert len(trl.losses) == len(trl.norms) == count
    assert figures["loss"] == pytest.approx(sum(trl.losses) / count, rel=1e-3, abs=1e-5)
    assert figures["grad_norm"] == pytest.approx(sum(trl.norms) / count, rel=1e-3)
    if "ratios clipped" in case:
        assert figures["ratio_clip_share"] > 0
    moved = off = 0.0
    for name, parameter in policy.model.named_parameters():
        moved += float((trl.weights[name] - start[name]).square().sum())
        off += float((trl.weights[name] - parameter.detach()).square().sum())
    # AdamW's first steps are signs: where a gradient is all but zero, rounding decides them.
    assert (off / moved) ** 0.5 < 0.01


def _advantages(completions: list[Completion], estimate: Estimate) -> torch.Tensor:
    """Of completions in any order: rewards by problem, then back to the order given."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, completion in enumerate(completions):
        groups.setdefault(tuple(completion.prompt_ids), []).append(index)
    assert {len(indices) for indices in groups.values()} == {SAMPLES}
    rewards = [[reward_of(completions[i].ids) for i in indices] for indices in groups.values()]
    found = torch.empty(len(completions))
    for indices, row in zip(groups.values(), estimate(torch.tensor(rewards)), strict=True):
        found[indices] = row
    return found
