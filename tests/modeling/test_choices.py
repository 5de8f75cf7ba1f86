"""A constrained policy's gradient is that of the distribution over the allowed tokens."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.modeling.test_constrained import QUESTIONS, constrained
from tests.modeling.tiny import experiment, problems
from trace_pipeline.experiment import DecodingConfig
from trace_pipeline.modeling.base.base_models import BaseModel
from trace_pipeline.modeling.base.choices import Allowed, Choices, TokenMasks, TokenSets
from trace_pipeline.modeling.base.vocabulary import Vocabulary
from trace_pipeline.modeling.decoding.constrained import TraceConstraint
from trace_pipeline.modeling.decoding.decoder import Completion, Decoder, Sampling
from trace_pipeline.modeling.network.batching import Sequences, collate
from trace_pipeline.modeling.network.objective import (
    SLICE,
    completion_logprobs,
    nucleus,
    token_logprobs,
)
from trace_pipeline.modeling.network.optimizer import MasterAdamW
from trace_pipeline.modeling.rl import reinforcement as rl
from trace_pipeline.modeling.rl.policy_gradient import Learner
from trace_pipeline.modeling.rl.reinforcement import train_rl
from trace_pipeline.modeling.storage.checkpoints import Policy, load_checkpoint
from trace_pipeline.modeling.storage.records import read_records
from trace_pipeline.modeling.training.rollouts import Group, roll_out
from trace_pipeline.solver import Solver, Verdict, VerdictKind

SHAPES = [(1.0, 1.0), (1.4, 1.0), (0.7, 0.9)]
"""Temperatures and top_p."""


LIMIT = 500


def packed(allowed: torch.Tensor) -> list[bytes]:
    sets = TokenSets(allowed.shape[1])
    return [sets.pack(Allowed(np.flatnonzero(row))) for row in allowed.numpy()]


def choices_made(policy: Policy, ids: list[int], limit: int = LIMIT) -> dict[int, list[int]]:
    """Where the constraint left a choice in ``ids``, and what it allowed there."""
    constraint = TraceConstraint(Vocabulary(policy.prompt.tokenizer), policy.prompt.end_id, limit)
    place = len(constraint.settle())
    found = {}
    while place < len(ids):
        found[place] = constraint.choices().tolist()
        constraint.accept(ids[place])
        place += 1 + len(constraint.settle())
    return found


def plain(
    policy: Policy,
    completion: Completion,
    temperature: float,
    top_p: float = 1.0,
    limit: int = LIMIT,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities and entropies of the choices, token by token and without our kernels."""
    ids = torch.tensor([completion.prompt_ids + completion.ids])
    rows = policy.model(input_ids=ids).logits[0, len(completion.prompt_ids) - 1 :] / temperature
    logprobs, entropies = [], []
    for place, allowed in choices_made(policy, completion.ids, limit).items():
        logits = rows[place][allowed]
        if top_p < 1:
            logits = logits.masked_fill(~nucleus(logits[None], top_p)[0], -torch.inf)
        distribution = logits.log_softmax(-1)
        logprobs.append(distribution[allowed.index(completion.ids[place])])
        entropies.append(-(distribution.exp() * distribution.clamp_min(-1e9)).sum())
    return torch.stack(logprobs), torch.stack(entropies)


@pytest.mark.parametrize("rows", [1, SLICE["cpu"] + 7])
@pytest.mark.parametrize(("temperature", "top_p"), SHAPES)
@pytest.mark.parametrize("bias", [True, False])
def test_equals_the_plain_computation_over_the_allowed_tokens(
    rows: int, temperature: float, top_p: float, bias: bool
) -> None:
    torch.manual_seed(0)
    head = torch.nn.Linear(8, 31, bias=bias)
    hidden = torch.randn(rows, 8, requires_grad=True)
    allowed = torch.rand(rows, 31) < 0.3
    allowed[:, 3] = True
    logits = (head(hidden) / temperature).masked_fill(~allowed, -torch.inf)
    if top_p < 1:
        logits = logits.masked_fill(~nucleus(logits, top_p), -torch.inf)
    plain = logits.log_softmax(-1)
    targets = plain.exp().multinomial(1)[:, 0]
    expected = plain.gather(-1, targets[:, None])[:, 0]
    ours, entropy = token_logprobs(
        hidden, head, targets, temperature, top_p, choices=Choices.of(packed(allowed))
    )
    torch.testing.assert_close(ours, expected)
    terms = plain.exp() * plain.clamp_min(-1e9)
    torch.testing.assert_close(entropy, -terms.sum(-1), atol=1e-5, rtol=1e-5)
    weights = torch.randn(rows)
    inputs = [hidden, *head.parameters()]
    for mine, theirs in zip(
        torch.autograd.grad((ours * weights).sum(), inputs),
        torch.autograd.grad((expected * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)


def test_equal_sets_are_kept_once() -> None:
    allowed = torch.tensor([[1, 0, 1], [0, 1, 1], [1, 0, 1]], dtype=torch.bool)
    choices = Choices.of(packed(allowed))
    assert choices.bits.shape == (2, 1)
    assert torch.equal(choices.barred(slice(1, 3), 3), ~allowed[1:])


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 49_153])
def test_sets_are_what_was_packed(rows: int) -> None:
    allowed = torch.rand(5, rows) < 0.5
    assert torch.equal(Choices.of(packed(allowed)).barred(slice(0, 9), rows), ~allowed)


@pytest.mark.parametrize("rows", [9, 49_153])
def test_common_sets_need_not_be_listed(rows: int) -> None:
    common = [np.flatnonzero(torch.rand(rows) < 0.5) for _ in range(3)]
    others = np.setdiff1d(np.arange(rows), common[1])
    allowed = [
        Allowed(others[::-3], 1),
        Allowed(np.array([rows - 1, 0])),
        Allowed(common[2][:0], 2),
    ]
    expected = torch.ones((3, rows), dtype=torch.bool)
    for row, one in zip(expected, allowed, strict=True):
        row[one.ids(common)] = False
    assert torch.equal(TokenMasks(rows, common, torch.device("cpu")).barred(allowed), expected)
    sets = TokenSets(rows, common)
    named = [sets.pack(one) for one in allowed]
    assert torch.equal(Choices.of(named).barred(slice(None), rows), expected)
    assert [sets.pack(Allowed(one.ids(common))) for one in allowed] == named


@pytest.mark.parametrize("max_tokens", [500, 156, 60])
@pytest.mark.parametrize(("temperature", "top_p"), SHAPES)
def test_log_probabilities_are_those_that_the_decoder_drew_with(
    policy: Policy, temperature: float, top_p: float, max_tokens: int
) -> None:
    """156 tokens leave few choices, 60 none."""
    completions = constrained(policy, max_tokens).decode(
        QUESTIONS, Sampling([1, 2, 3], temperature, top_p)
    )
    batch = collate([Sequences(c.prompt_ids, c.ids, c.choices) for c in completions])
    assert len(batch.targets) == sum(c.forced.count(False) for c in completions)
    assert (len(batch.targets) > 0) == (max_tokens > 60)
    with torch.no_grad():
        found, _ = completion_logprobs(policy.model, batch, temperature, top_p)
    sums = torch.zeros(len(completions)).index_add(0, batch.rows, found)
    for completion, ours in zip(completions, sums.tolist(), strict=True):
        assert ours == pytest.approx(completion.logprob, rel=1e-4, abs=1e-4)


def test_the_decoder_notes_what_was_allowed(policy: Policy) -> None:
    rows = len(policy.model.lm_head.weight)
    for completion in constrained(policy).decode(QUESTIONS, Sampling([4, 5, 6], 1.3)):
        assert completion.choices is not None
        assert [chosen is None for chosen in completion.choices] == completion.forced
        sets = [chosen for chosen in completion.choices if chosen is not None]
        allowed = ~Choices.of(sets).barred(slice(None), rows)
        expected = choices_made(policy, completion.ids).values()
        for row, tokens in zip(allowed, expected, strict=True):
            assert row.nonzero()[:, 0].tolist() == sorted(tokens)


def test_equal_sets_travel_once(policy: Policy) -> None:
    """Between processes completions are pickled."""
    completions = constrained(policy).decode(QUESTIONS, Sampling([4, 5, 6], 1.3))
    sent = pickle.loads(pickle.dumps(completions))
    assert sent == completions
    sets = [chosen for c in sent for chosen in c.choices if chosen is not None]
    assert len({id(chosen) for chosen in sets}) == len(set(sets)) < len(sets) / 4


def test_without_a_constraint_nothing_is_noted(policy: Policy) -> None:
    decoder = Decoder(policy, DecodingConfig(max_tokens=5))
    completion = decoder.decode(QUESTIONS[:1], Sampling([1]))[0]
    assert completion.choices is None
    batch = collate([Sequences(completion.prompt_ids, completion.ids, completion.choices)])
    assert batch.choices is None
    assert batch.targets.tolist() == completion.ids


class Watched(MasterAdamW):
    """Keeps the gradients of each step and leaves the weights alone."""

    def step(self, learning_rate: float, max_grad_norm: float) -> float:
        self.seen = [gradient.clone() for gradient in self.gradients()]
        return super().step(0.0, max_grad_norm)


def learner_of(policy: Policy, **settings: Any) -> tuple[Learner, Watched]:
    whole = experiment(rl=settings, decoding={"constrained": True})
    names = tuple(name for name, _ in policy.model.named_parameters())
    optimizer = Watched(policy.model, names)
    return Learner(whole, policy, optimizer), optimizer


def everything(policy: Policy, question: str, limit: int) -> list[Completion]:
    """Every completion that the constraint lets through."""
    common = policy.prompt.vocabulary.common
    sets = TokenSets(len(policy.model.lm_head.weight), common)
    found: list[Completion] = []

    def go_on(made: list[int]) -> None:
        """All completions whose first choices are ``made``."""
        constraint = TraceConstraint(
            Vocabulary(policy.prompt.tokenizer), policy.prompt.end_id, limit
        )
        ids = constraint.settle()
        choices: list[bytes | None] = [None] * len(ids)
        for token in made:
            choices.append(sets.pack(constraint.allowed()))
            constraint.accept(token)
            settled = constraint.settle()
            ids = [*ids, token, *settled]
            choices += [None] * len(settled)
        if constraint.ended:
            prompt, forced = policy.prompt.prompt_ids(question), [c is None for c in choices]
            found.append(Completion("", len(ids), False, 0.0, 0.0, prompt, ids, forced, choices))
        else:
            for token in constraint.choices().tolist():
                go_on([*made, token])

    go_on([])
    return found


@pytest.mark.parametrize("loss", ["token", "sequence"])
def test_the_expected_gradient_is_that_of_the_expected_reward(policy: Policy, loss: str) -> None:
    """Over all completions that there are, weighted by their probability: no bias is left."""
    temperature, limit = 1.4, 156
    completions = everything(policy, QUESTIONS[1], limit)
    assert len(completions) > 3
    rewards = torch.tensor([(7 * i) % 5 / 4 for i in range(len(completions))])
    policy.model.requires_grad_(True)
    logprobs = [plain(policy, c, temperature, limit=limit)[0].sum() for c in completions]
    probabilities = torch.stack(logprobs).exp()
    assert float(probabilities.detach().sum()) == pytest.approx(1, abs=1e-5)
    expected = torch.autograd.grad((probabilities * rewards).sum(), list(policy.model.parameters()))
    learner, optimizer = learner_of(policy, temperature=temperature, loss=loss)
    learner.learn(completions, probabilities.detach() * rewards, 1)
    terms = len(completions)
    if loss == "token":
        terms = sum(c.forced.count(False) for c in completions)
    assert max(float(gradient.abs().max()) for gradient in expected) > 1e-3
    for theirs, mine in zip(expected, optimizer.seen, strict=True):
        torch.testing.assert_close(-mine * terms, theirs, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("loss", ["token", "sequence"])
def test_ratios_are_one_until_something_moves(policy: Policy, loss: str) -> None:
    completions = constrained(policy).decode(QUESTIONS, Sampling([1, 2, 3], 1.2))
    advantages = torch.tensor([1.0, -0.5, 0.25])
    settings = {"updates": 2, "clip_low": 1e-3, "clip_high": 1e-3, "kl_coefficient": 0.1}
    learner, _ = learner_of(policy, temperature=1.2, loss=loss, **settings)
    figures = learner.learn(completions, advantages, 1)
    counts = torch.tensor([c.forced.count(False) if loss == "token" else 1 for c in completions])
    mean = float((advantages * counts).sum() / counts.sum())
    assert figures["loss"] == pytest.approx(-mean, abs=1e-5)
    assert figures["ratio_clip_share"] == 0
    assert figures["kl"] == pytest.approx(0, abs=1e-6)


def test_the_divergence_is_that_of_the_choices(policy: Policy) -> None:
    """Against a reference that lies elsewhere, on the choices alone."""
    learner, _ = learner_of(policy, temperature=1.3, kl_coefficient=0.1)
    reference = replace(policy, model=learner._reference)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter += 0.03 * torch.randn_like(parameter)
    completions = constrained(policy).decode(QUESTIONS, Sampling([1, 2, 3], 1.3))
    figures = learner.learn(completions, torch.zeros(3), 1)
    total, entropy, count = 0.0, 0.0, 0
    with torch.no_grad():
        for completion in completions:
            mine, entropies = plain(policy, completion, 1.3)
            gap = plain(reference, completion, 1.3)[0] - mine
            total += float((gap.exp() - gap - 1).sum())
            entropy += float(entropies.sum())
            count += len(gap)
    assert total / count > 0.01
    assert figures["kl"] == pytest.approx(total / count, rel=1e-3)
    assert figures["entropy"] == pytest.approx(entropy / count, rel=1e-4)


def test_completions_without_a_choice_teach_nothing(policy: Policy) -> None:
    completions = constrained(policy, max_tokens=20).decode(QUESTIONS, Sampling([1, 2, 3]))
    assert all(all(completion.forced) for completion in completions)
    learner, _ = learner_of(policy, kl_coefficient=0.1)
    figures = learner.learn(completions, torch.tensor([1.0, -1.0, 0.5]), 1)
    assert figures == {"loss": 0, "grad_norm": 0, "ratio_clip_share": 0, "kl": 0}


@pytest.mark.parametrize(("temperature", "top_p"), [(2.0, 1.0), (3.0, 0.9)])
def test_an_iteration_takes_the_gradient_of_the_formula(
    base: BaseModel,
    sft_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    temperature: float,
    top_p: float,
) -> None:
    """Through the whole loop: loss, entropy and gradient norm from the rollouts with autograd."""

    def verify(_: Solver, text: str, *__: object, **___: object) -> Verdict:
        return Verdict(VerdictKind.WRONG_ANSWER, None, sum(text.encode()) % 5 / 4, None, "", None)

    monkeypatch.setattr(Solver, "verify", verify)
    seen: list[Group] = []

    def watched(*arguments: Any) -> list[Group]:
        groups = roll_out(*arguments)
        seen.extend(groups)
        return groups

    monkeypatch.setattr(rl, "roll_out", watched)
    settings = {
        "iterations": 1, "prompts": 2, "samples": 3, "estimator": "grpo", "learning_rate": 1e-3,
        "max_tokens": 300, "temperature": temperature, "top_p": top_p, "evaluate_problems": 1,
    }  # fmt: skip
    whole = experiment(rl=settings, decoding={"constrained": True, "max_tokens": 20})
    train_rl(whole, sft_folder, problems(4), problems(1), tmp_path / "rl", base)
    record = read_records(tmp_path / "rl" / "metrics.jsonl")[0]
    policy = load_checkpoint(sft_folder, base, "float32", "cpu")
    policy.model.requires_grad_(True)
    gain, loss, entropy, total = torch.zeros(()), 0.0, 0.0, 0
    for group in seen:
        for rollout, completion in zip(group.rollouts, group.completions, strict=True):
            logprobs, entropies = plain(policy, completion, temperature, top_p, 300)
            assert logprobs.sum().item() == pytest.approx(rollout.logprob, rel=1e-3, abs=1e-3)
            gain = gain + rollout.advantage * logprobs.sum()
            loss -= rollout.advantage * len(logprobs)
            entropy += float(entropies.detach().sum())
            total += len(logprobs)
    (-gain / total).backward()  # type: ignore[no-untyped-call]
    norm = torch.cat([p.grad.flatten() for p in policy.model.parameters()]).norm()
    assert record["loss"] == pytest.approx(loss / total, rel=1e-3, abs=1e-6)
    assert record["entropy"] == pytest.approx(entropy / total, rel=1e-3)
    assert record["grad_norm"] == pytest.approx(norm.item(), rel=1e-3, abs=1e-6)
    assert record["grad_norm"] > 0
