from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.modeling.tiny import experiment, make_tiny_model, problems
from trace_pipeline.modeling.base.base_models import BaseModel, resolve_base
from trace_pipeline.modeling.decoding.decoder import Completion
from trace_pipeline.modeling.distributed import World
from trace_pipeline.modeling.network.objective import nucleus
from trace_pipeline.modeling.rl import reinforcement as rl
from trace_pipeline.modeling.rl.kept_rollouts import read_rollouts
from trace_pipeline.modeling.rl.reinforcement import train_rl
from trace_pipeline.modeling.storage import snapshots
from trace_pipeline.modeling.storage.changes import checkpoint_differs_from
from trace_pipeline.modeling.storage.checkpoints import (
    WEIGHTS,
    load_checkpoint,
    read_info,
)
from trace_pipeline.modeling.storage.records import read_records
from trace_pipeline.modeling.training.problem_stream import RlData
from trace_pipeline.modeling.training.rollouts import make_solver, roll_out, stream_seed
from trace_pipeline.solver import Solver, Verdict, VerdictKind
from trace_pipeline.store import file_sha256, write_json
from trace_pipeline.validation import InvalidInputError

SHORT: dict[str, Any] = {
    "iterations": 2,
    "prompts": 2,
    "samples": 2,
    "learning_rate": 1e-3,
    "max_tokens": 200,
    "temperature": 0.8,
    "evaluate_every": 2,
    "evaluate_problems": 2,
}


def run(base: BaseModel, sft_folder: Path, out: Path, **changes: Any) -> list[dict[str, Any]]:
    settings = experiment(rl=SHORT | changes)
    train_rl(settings, sft_folder, problems(4), problems(4), out, base)
    return read_records(out / "metrics.jsonl")


@pytest.fixture
def reward_by_text(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Rewards that differ, whatever is written; settings for quick rollouts."""

    def verify(_: Solver, text: str, *__: object, **___: object) -> Verdict:
        return Verdict(VerdictKind.WRONG_ANSWER, None, sum(text.encode()) % 5 / 4, None, "", None)

    monkeypatch.setattr(Solver, "verify", verify)
    return {"max_tokens": 6, "temperature": 3.0, "estimator": "rloo"}


@pytest.mark.parametrize(
    "settings",
    [
        {"estimator": "reinforce", "samples": 1},
        {"estimator": "rloo", "kl_coefficient": 0.1},
        {"estimator": "grpo", "rewards": "binary", "top_p": 0.9},
    ],
)
def test_every_estimator_runs_and_reports(
    settings: dict[str, Any], base: BaseModel, sft_folder: Path, tmp_path: Path
) -> None:
    records = run(base, sft_folder, tmp_path / "rl", **settings)
    count = SHORT["prompts"] * settings.get("samples", SHORT["samples"])
    assert [r["iteration"] for r in records] == [1, 2]
    for record in records:
        assert record["rollouts"] == count
        assert 0 <= record["correct"] <= record["valid"] <= record["parsed"] <= count
        assert 0 <= record["reward"] <= 1
        assert record["entropy"] >= 0
        assert ("kl" in record) == ("kl_coefficient" in settings)
        assert ("baseline" in record) == (settings["estimator"] == "reinforce")
    assert "eval_accuracy" not in records[0]
    assert records[1]["eval_problems"] == 2
    rollouts = read_rollouts(tmp_path / "rl")
    assert len(rollouts) == 2 * count
    for index, record in enumerate(records, 1):
        mine = [r for r in rollouts if r["iteration"] == index]
        assert sum(r["reward"] for r in mine) / count == pytest.approx(record["reward"])
        assert sum(r["kind"] == "correct" for r in mine) == record["correct"]


def test_rewards_come_from_the_solver(base: BaseModel, sft_folder: Path, tmp_path: Path) -> None:
    run(base, sft_folder, tmp_path / "rl", temperature=1.5)
    examples = problems(4)
    for rollout in read_rollouts(tmp_path / "rl"):
        example = examples[rollout["problem"]]
        assert rollout["question"] == example.question
        verdict = Solver().verify(rollout["text"], example.answer, example.expert)
        assert (rollout["kind"], rollout["reward"]) == (verdict.kind, verdict.reward)


def test_what_is_rewarded_becomes_likelier(
    base: BaseModel, sft_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Completions of one token, of which capital letters are rewarded."""

    def verify(_: Solver, text: str, *__: object, **___: object) -> Verdict:
        good = "A" <= text[:1] <= "Z"
        kind = VerdictKind.CORRECT if good else VerdictKind.PARSE_FAIL
        return Verdict(kind, None, float(good), None, "", None)

    monkeypatch.setattr(Solver, "verify", verify)
    records = run(
        base, sft_folder, tmp_path / "rl",
        iterations=25, prompts=4, samples=24, temperature=4.0, estimator="rloo",
        evaluate_every=25, learning_rate=0.02, max_tokens=1,
    )  # fmt: skip
    rewards = [record["reward"] for record in records]
    assert sum(rewards[:3]) / 3 < 0.35
    assert sum(rewards[-3:]) / 3 > 0.6, rewards


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (1.4, 0.9)])
def test_the_policy_gradient_is_that_of_the_formula(
    base: BaseModel,
    sft_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    temperature: float,
    top_p: float,
) -> None:
    """One iteration's loss and gradient norm, recomputed from its rollouts with autograd."""
    seen: list[Completion] = []

    def watched(*arguments: Any) -> Any:
        groups = roll_out(*arguments)
        seen.extend(completion for group in groups for completion in group.completions)
        return groups

    monkeypatch.setattr(rl, "roll_out", watched)
    record = run(
        base, sft_folder, tmp_path / "rl",
        iterations=1, samples=3, estimator="grpo", temperature=temperature, top_p=top_p,
    )[0]  # fmt: skip
    policy = load_checkpoint(sft_folder, base, "float32", "cpu")
    policy.model.requires_grad_(True)
    rollouts = read_rollouts(tmp_path / "rl")
    total = sum(completion.tokens for completion in seen)
    gain, loss = torch.zeros(()), 0.0
    for rollout, completion in zip(rollouts, seen, strict=True):
        ids = torch.tensor([completion.prompt_ids + completion.ids])
        logits = policy.model(input_ids=ids).logits[0] / temperature
        if top_p < 1:
            logits = logits.masked_fill(~nucleus(logits, top_p), -torch.inf)
        logprobs = logits.log_softmax(-1)[len(completion.prompt_ids) - 1 : -1]
        chosen = logprobs.gather(-1, torch.tensor(completion.ids)[:, None]).sum()
        assert chosen.item() == pytest.approx(rollout["logprob"], rel=1e-3, abs=1e-3)
        gain = gain + rollout["advantage"] * chosen / total
        loss -= rollout["advantage"] * completion.tokens / total
    (-gain).backward()
    norm = torch.cat([p.grad.flatten() for p in policy.model.parameters()]).norm()
    assert record["loss"] == pytest.approx(loss, rel=1e-3, abs=1e-6)
    assert record["grad_norm"] == pytest.approx(norm.item(), rel=1e-3, abs=1e-6)
    assert record["grad_norm"] > 0


def test_equal_rewards_move_nothing(base: BaseModel, sft_folder: Path, tmp_path: Path) -> None:
    same = dict.fromkeys(
        ["parse_fail", "wrong_expert", "invalid_trace", "wrong_answer", "correct"], 0.5
    )
    records = run(base, sft_folder, tmp_path / "rl", rewards=same)
    assert [r["zero_variance_share"] for r in records] == [1.0, 1.0]
    assert checkpoint_differs_from(tmp_path / "rl", sft_folder, base) == 0


def test_no_iterations_leave_the_checkpoint_as_it_is(
    base: BaseModel, sft_folder: Path, tmp_path: Path
) -> None:
    settings = experiment(rl={"iterations": 0})
    info = train_rl(settings, sft_folder, [], [], tmp_path / "rl", base)
    assert info == read_info(tmp_path / "rl")
    assert (info.stage, info.config["iterations"], info.metrics) == ("rl", 0, {})
    assert checkpoint_differs_from(tmp_path / "rl", sft_folder, base) == 0
    # What a GPU wrote in bfloat16 stays that file on a machine that computes in float32: what
    # goes on from it is recognised by its hash.
    there = shutil.copytree(sft_folder, tmp_path / "there")
    weights = {name: t.bfloat16() for name, t in load_file(there / WEIGHTS).items()}
    save_file(weights, there / WEIGHTS)
    before = msgspec.structs.replace(read_info(there), weights_sha256=file_sha256(there / WEIGHTS))
    write_json(there / "checkpoint.json", before)
    assert settings.model.dtype == "float32"
    train_rl(settings, there, [], [], tmp_path / "here", base)
    assert file_sha256(tmp_path / "here" / WEIGHTS) == before.weights_sha256
    assert read_info(tmp_path / "here").parent == before.weights_sha256
    other = resolve_base(str(make_tiny_model(tmp_path / "other_base", seed=1)))
    with pytest.raises(InvalidInputError, match="a checkpoint of base model"):
        train_rl(settings, there, [], [], tmp_path / "elsewhere", other)
    torn = shutil.copytree(sft_folder, tmp_path / "torn")
    (torn / "weights.safetensors").write_bytes(b"")
    with pytest.raises(InvalidInputError, match="missing or altered"):
        train_rl(settings, torn, [], [], tmp_path / "other", base)
    assert not list((tmp_path / "other").glob("*"))


def test_no_examples(base: BaseModel, sft_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="needs training and validation examples"):
        train_rl(experiment(), sft_folder, problems(2), [], tmp_path / "rl", base)


def test_streams_share_nothing() -> None:
    seeds = {stream_seed(s, i, p, k) for s in range(3) for i in range(9) for p in range(9)
             for k in range(3)}  # fmt: skip
    assert len(seeds) == 3 * 9 * 9 * 3
    assert stream_seed(1, 23) != stream_seed(12, 3)


def test_the_solver_follows_the_experiment() -> None:
    lenient = make_solver(
        experiment(solver={"allow_short_circuit": True}, rl={"rewards": {"correct": 2.0}})
    )
    query_of_an_init = (
        "expert: arithmetic\ntrace:\n- {op: init, var: a, value: 3}\n- {op: query, var: a}\n"
    )
    assert lenient.verify(query_of_an_init, 3).reward == 2.0
    assert make_solver(experiment()).verify(query_of_an_init, 3).reward == 0.5


def test_the_best_validation_reward_is_kept(
    base: BaseModel,
    sft_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reward_by_text: dict[str, Any],
) -> None:
    scores = iter([0.2, 0.5, 0.9, 0.9, 0.3])
    weights: list[torch.Tensor] = []

    def scored(judge: Any, _: Any, solver: Any, *__: Any) -> dict[str, float]:
        assert judge._solver is solver
        weights.append(judge._policy.model.lm_head.weight.detach().clone())
        return {"validation_reward": next(scores)}

    monkeypatch.setattr(rl, "validate", scored)
    records = run(
        base, sft_folder, tmp_path / "rl", iterations=4, evaluate_every=1, select="best",
        **reward_by_text,
    )  # fmt: skip
    assert [r["validation_reward"] for r in records] == [0.2, 0.5, 0.9, 0.9, 0.3]
    assert [r["iteration"] for r in records] == [0, 1, 2, 3, 4]
    info = read_info(tmp_path / "rl")
    assert info.selected == 2
    assert info.metrics["best_validation_reward"] == 0.9
    kept = load_checkpoint(tmp_path / "rl", base, "float32", "cpu").model.lm_head.weight
    torch.testing.assert_close(kept.detach(), weights[2], rtol=0, atol=0)
    assert not torch.equal(weights[2], weights[4])


def test_no_worse_than_where_it_started(base: BaseModel, sft_folder: Path, tmp_path: Path) -> None:
    """The SFT policy answers all held-out problems: nothing can be better."""
    run(base, sft_folder, tmp_path / "rl", select="best", max_tokens=6, temperature=3.0)
    assert read_info(tmp_path / "rl").selected == 0
    assert checkpoint_differs_from(tmp_path / "rl", sft_folder, base) == 0


def test_problems_without_a_signal_are_replaced(
    base: BaseModel, sft_folder: Path, tmp_path: Path, reward_by_text: dict[str, Any]
) -> None:
    settings = reward_by_text | {"temperature": 0.7, "resample": 3, "iterations": 4}
    records = run(base, sft_folder, tmp_path / "rl", **settings)
    rollouts = read_rollouts(tmp_path / "rl")
    assert any(record["resampled"] for record in records)
    for record in records:
        mine = [r for r in rollouts if r["iteration"] == record["iteration"]]
        assert len(mine) == record["rollouts"] == SHORT["samples"] * (2 + record["resampled"])
        places = range(2 + int(record["resampled"]))
        rewards = [{r["reward"] for r in mine if r["place"] == p} for p in places]
        varied = sum(len(found) > 1 for found in rewards)
        assert varied == 2 or record["resampled"] >= 3
        assert record["zero_variance_share"] == pytest.approx(1 - varied / len(rewards))
        assert all(not r["advantage"] for r in mine if len(rewards[r["place"]]) == 1)


def test_clipped_completions_teach_nothing_when_masked(
    base: BaseModel, sft_folder: Path, tmp_path: Path
) -> None:
    settings = {"max_tokens": 3, "temperature": 5.0, "rewards": {"parse_fail": 1.0}}
    settings |= {"baseline_momentum": 0.0, "mask_clipped": True}
    records = run(base, sft_folder, tmp_path / "masked", **settings)
    assert [r["clipped_share"] for r in records] == [1.0, 1.0]
    assert [r["grad_norm"] for r in records] == [0.0, 0.0]
    assert all("entropy" not in record for record in records)


def test_several_updates_reuse_a_rollout(
    base: BaseModel, sft_folder: Path, tmp_path: Path, reward_by_text: dict[str, Any]
) -> None:
    once = run(base, sft_folder, tmp_path / "once", **reward_by_text)
    settings = reward_by_text | {"updates": 3, "clip_low": 0.001, "clip_high": 0.001}
    more = run(base, sft_folder, tmp_path / "more", **settings)
    assert [r["ratio_clip_share"] for r in once] == [0, 0]
    assert max(r["ratio_clip_share"] for r in more) > 0
    assert more[0]["entropy"] == once[0]["entropy"]


@pytest.mark.parametrize(("every", "kept"), [(0, set()), (2, {2, 4}), (3, {3})])
def test_rollouts_of_every_nth_iteration_are_kept(
    every: int, kept: set[int], base: BaseModel, sft_folder: Path, tmp_path: Path
) -> None:
    run(base, sft_folder, tmp_path, iterations=4, max_tokens=5, keep_rollouts_every=every)
    assert {r["iteration"] for r in read_rollouts(tmp_path)} == kept
    assert (tmp_path / "rollouts.parquet").is_file()
    assert not (tmp_path / "rollouts.jsonl").exists()


def test_a_bare_host_keeps_lines(
    base: BaseModel, sft_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    run(base, sft_folder, tmp_path, max_tokens=5)
    assert (tmp_path / "rollouts.jsonl").is_file()
    assert len(read_rollouts(tmp_path)) == 8


def test_a_collapsed_policy_stops_and_says_why(
    base: BaseModel, sft_folder: Path, tmp_path: Path
) -> None:
    collapse = {"parsed": 0.5, "patience": 2}
    records = run(base, sft_folder, tmp_path, iterations=9, max_tokens=3, collapse=collapse)
    assert [record["iteration"] for record in records] == [1, 2]
    assert "eval_accuracy" in records[-1]
    assert "the policy has collapsed: 0.0% of the completions" in read_info(tmp_path).stopped


def test_real_problems_may_be_answered_by_any_expert(
    base: BaseModel, sft_folder: Path, tmp_path: Path
) -> None:
    real = [replace(problem, expert=None) for problem in problems(4)]
    settings = experiment(rl=SHORT | {"source": "mix", "max_tokens": 6, "iterations": 1})
    train_rl(
        settings, sft_folder, problems(4), problems(2), tmp_path, base,
        real=real, real_validation=real[:2],
    )  # fmt: skip
    rollouts = read_rollouts(tmp_path)
    assert {r["source"] for r in rollouts} == {"synthetic", "real"}
    record = read_records(tmp_path / "metrics.jsonl")[-1]
    assert record["eval_real_problems"] == record["eval_problems"] == 2
    mean = (record["eval_reward"] + record["eval_real_reward"]) / 2
    assert record["validation_reward"] == pytest.approx(mean)


def test_what_is_masked_has_no_advantage_in_the_rollouts(
    base: BaseModel, sft_folder: Path, tmp_path: Path, reward_by_text: dict[str, Any]
) -> None:
    settings = reward_by_text | {"samples": 4, "mask_clipped": True}
    run(base, sft_folder, tmp_path, **settings)
    rollouts = read_rollouts(tmp_path)
    assert any(rollout["clipped"] for rollout in rollouts)
    assert not any(rollout["advantage"] for rollout in rollouts if rollout["clipped"])


def test_other_processes_are_told_of(
    base: BaseModel,
    sft_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What one process began two go on with: each learns from all, so nothing is refused."""
    monkeypatch.setattr(rl._Loop, "_finish", lambda *_: None)
    monkeypatch.setattr(snapshots, "MOST", 1.0)
    policy = load_checkpoint(sft_folder, base, "float32", "cpu", merge=False)
    data = RlData(problems(4), [], problems(4), [])
    settings = experiment(rl=SHORT | {"save_every": 1})
    rl._Loop(settings, policy, data, tmp_path, "run", World()).run(None)
    monkeypatch.setattr(World, "wait", lambda _: None)
    rl._Loop(settings, policy, data, tmp_path, "run", World(0, 2))
    assert "going on with 2 processes what 1 began" in caplog.text
