from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.modeling.tiny import experiment, make_tiny_model, problem, problems
from trace_pipeline.experiment import ExperimentError, SftConfig
from trace_pipeline.modeling.base.base_models import BaseModel, resolve_base
from trace_pipeline.modeling.decoding.decoder import Decoder
from trace_pipeline.modeling.distributed import World
from trace_pipeline.modeling.sft.finetuning import train_sft
from trace_pipeline.modeling.storage.checkpoints import (
    WEIGHTS,
    load_base_policy,
    load_checkpoint,
    read_info,
)
from trace_pipeline.modeling.storage.records import read_records
from trace_pipeline.modeling.training.run import TrainingError, run_fingerprint
from trace_pipeline.modeling.training.schedule import learning_rate, plan_steps
from trace_pipeline.modeling.training.validation import Validation
from trace_pipeline.solver import Solver
from trace_pipeline.store import file_sha256
from trace_pipeline.validation import InvalidInputError


def test_a_few_examples_are_learned_by_heart(sft_folder: Path, base: BaseModel) -> None:
    policy = load_checkpoint(sft_folder, base, "float32", "cpu")
    examples = problems(4)
    completions = Decoder(policy, experiment().decoding).decode([e.question for e in examples])
    for example, completion in zip(examples, completions, strict=True):
        assert Solver().verify(completion.text, example.answer, example.expert).kind == "correct"
        assert not completion.clipped


def test_the_loss_is_the_models_own(base: BaseModel, tmp_path: Path) -> None:
    """The first step's loss equals what transformers computes over the completions."""
    settings = experiment(sft={"batch_tokens": 10_000})
    train_sft(settings, base, problems(3), tmp_path / "run")
    record = read_records(tmp_path / "run" / "metrics.jsonl")[0]
    policy = load_base_policy(base, settings.prompt, "float32", "cpu")
    total, count = 0.0, 0
    for example in problems(3):
        from trace_pipeline.traces import render_trace

        prompt = policy.prompt.prompt_ids(example.question)
        target = policy.prompt.target_ids(render_trace(example.trace))
        ids = torch.tensor([prompt + target])
        labels = torch.tensor([[-100] * len(prompt) + target])
        with torch.no_grad():
            total += float(policy.model(input_ids=ids, labels=labels).loss) * len(target)
        count += len(target)
    assert record["loss"] == pytest.approx(total / count, rel=1e-4)
    assert record["target_tokens"] == count
    assert 0 <= record["padding_share"] < 0.3


def test_accumulated_batches_equal_one_large_batch(base: BaseModel, tmp_path: Path) -> None:
    weights = []
    for name, changes in {
        "one": {"batch_tokens": 10_000, "accumulate": 1},
        "many": {"batch_tokens": 1, "accumulate": 6},
    }.items():
        settings = experiment(sft=changes | {"epochs": 3})
        train_sft(settings, base, problems(6), tmp_path / name)
        records = read_records(tmp_path / name / "metrics.jsonl")
        assert len(records) == 3
        weights.append([r["loss"] for r in records] + [r["grad_norm"] for r in records])
    assert weights[0] == pytest.approx(weights[1], rel=1e-3)


def test_only_the_chosen_part_moves(base: BaseModel, tmp_path: Path) -> None:
    info = train_sft(experiment(sft={"layers": 1}), base, problems(3), tmp_path / "run")
    before = load_base_policy(base, experiment().prompt, "float32", "cpu").model.state_dict()
    after = load_checkpoint(tmp_path / "run", base, "float32", "cpu").model.state_dict()
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert moved == set(info.tensors)


def test_the_same_run_is_not_repeated_and_another_is_refused(
    base: BaseModel, tmp_path: Path
) -> None:
    first = train_sft(experiment(), base, problems(3), tmp_path / "run")
    steps: list[int] = []
    again = train_sft(
        experiment(), base, problems(3), tmp_path / "run", lambda step, _: steps.append(step)
    )
    assert (again, steps) == (first, [])
    with pytest.raises(InvalidInputError, match="finished checkpoint of another run"):
        train_sft(experiment(), base, problems(4), tmp_path / "run")


def test_a_loss_that_is_nan_stops_with_the_remedy(base: BaseModel, tmp_path: Path) -> None:
    settings = experiment(sft={"learning_rate": 1e30, "epochs": 20, "max_grad_norm": 1e30})
    with pytest.raises(TrainingError, match=r"at step \d+: training has diverged. Lower"):
        train_sft(settings, base, problems(3), tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoint.json").exists()


def test_too_little_memory_is_told_before_the_start(
    base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trace_pipeline.modeling.base.devices.available_memory", lambda _: 1000)
    with pytest.raises(InvalidInputError, match=r"lower sft\.batch_tokens"):
        train_sft(experiment(), base, problems(3), tmp_path / "run")


def test_reused_frozen_outputs_give_the_same_losses(base: BaseModel, tmp_path: Path) -> None:
    losses = []
    for reuse in (True, False):
        settings = experiment(sft={"layers": 1, "epochs": 4, "reuse_frozen": reuse})
        train_sft(settings, base, problems(6), tmp_path / str(reuse))
        records = read_records(tmp_path / str(reuse) / "metrics.jsonl")
        losses.append([record["loss"] for record in records])
    epoch = len(losses[0]) // 4
    assert losses[0][:epoch] == losses[1][:epoch]  # the very same computation
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_the_best_evaluation_selects_the_weights(base: BaseModel, tmp_path: Path) -> None:
    """A learning rate that ruins the model after a good start: the last step is not the best."""
    sft = {"epochs": 6, "schedule": "constant", "learning_rate": 0.3, "warmup_steps": 0}
    settings = experiment(sft=sft | {"select": "best", "evaluate_problems": 2, "trainable": "all"})
    info = train_sft(settings, base, problems(4), tmp_path / "run", validation=problems(6)[4:])
    records = read_records(tmp_path / "run" / "metrics.jsonl")
    scored = {
        int(r["step"]): (r["val_accuracy"], r["val_loss"]) for r in records if "val_loss" in r
    }
    assert info.selected == max(scored, key=lambda step: (scored[step][0], -step))
    assert info.metrics["best_step"] == info.selected


def test_the_best_loss_is_kept_where_nothing_is_decoded(base: BaseModel, tmp_path: Path) -> None:
    sft = {"epochs": 5, "select": "best", "evaluate_every": 2, "learning_rate": 0.3}
    held_out = problems(6)[4:]
    run = tmp_path / "run"
    info = train_sft(experiment(sft=sft), base, problems(4), run, validation=held_out)
    losses = {int(r["step"]): r["val_loss"] for r in read_records(run / "metrics.jsonl")
              if "val_loss" in r}  # fmt: skip
    assert info.selected == min(losses, key=lambda step: losses[step])
    policy = load_checkpoint(run, base, "float32", "cpu")
    validation = Validation(experiment(sft=sft), policy, held_out, World())
    assert validation.evaluate()["val_loss"] == pytest.approx(min(losses.values()), rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "count", "message"),
    [
        ({}, 0, "no training examples; generate some first"),
        ({"max_len": 50}, 3, r"longer than sft\.max_len 50.*Raise sft\.max_len"),
        ({"select": "best"}, 3, "select: best needs validation examples"),
        ({"layers": 9}, 3, r"sft\.layers: 9 asked for, the model has 3"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(
    base: BaseModel, tmp_path: Path, changes: dict[str, Any], count: int, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        train_sft(experiment(sft=changes), base, problems(count), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_prompt_over_the_models_context_is_refused(tmp_path: Path) -> None:
    short = resolve_base(str(make_tiny_model(tmp_path / "short", max_position_embeddings=60)))
    with pytest.raises(InvalidInputError, match=r"takes 60 tokens, the longest example has \d+"):
        train_sft(experiment(), short, problems(3), tmp_path / "run")


def test_held_out_examples_over_the_models_context_are_refused(tmp_path: Path) -> None:
    base = resolve_base(str(make_tiny_model(tmp_path / "short", max_position_embeddings=270)))
    long = [problem(10**12, 10**11, "Bartholomew")]
    with pytest.raises(InvalidInputError, match="takes 270 tokens, the longest validation example"):
        train_sft(experiment(), base, problems(3), tmp_path / "run", validation=long)
    assert not (tmp_path / "run").exists()


def test_the_memory_estimate_is_near_the_measured_peak(tmp_path: Path) -> None:
    """In a process of its own; a model of which training takes hundreds of MB."""
    program = f"""
from pathlib import Path
from tests.modeling.tiny import experiment, make_tiny_model, problems
from trace_pipeline.modeling.training import run as training
from trace_pipeline.modeling.base.base_models import resolve_base
from trace_pipeline.modeling.base.devices import peak_memory
from trace_pipeline.modeling.sft.finetuning import train_sft
import torch
torch.set_num_threads(1)
folder = Path({str(tmp_path)!r})
base = resolve_base(str(make_tiny_model(
    folder / "base", hidden_size=256, intermediate_size=768, num_hidden_layers=8)))
settings = experiment(sft={{"trainable": "all", "batch_tokens": 4096, "learning_rate": 1e-4}})
found = []
require = training.require_memory
def noting(needed, device, *others):
    found.append((needed, peak_memory(device)))
    require(needed, device, *others)
training.require_memory = noting
train_sft(settings, base, problems(14), folder / "run")
needed, before = found[0]
print(needed / (peak_memory(torch.device("cpu")) - before))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 0.7 < float(done.stdout.splitlines()[-1]) < 1.6


@pytest.mark.parametrize(
    ("schedule", "last"), [("cosine", 0.024), ("linear", 0.1), ("constant", 1.0)]
)
def test_the_learning_rate_warms_up_and_decays(schedule: str, last: float) -> None:
    config = SftConfig(learning_rate=1.0, warmup_steps=10, schedule=schedule)  # type: ignore[arg-type]
    rates = [learning_rate(config, step, 20) for step in range(20)]
    assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(last, abs=1e-3)
    assert learning_rate(config, 0, 1) > 0


def test_training_goes_on_from_a_checkpoint(
    base: BaseModel, sft_folder: Path, tmp_path: Path
) -> None:
    settings = experiment(sft={"trainable": "all", "batch_tokens": 10_000})
    train_sft(settings, base, problems(4), tmp_path / "fresh")
    train_sft(settings, base, problems(4), tmp_path / "on", start=sft_folder)
    fresh, on = (
        read_records(tmp_path / name / "metrics.jsonl")[0]["loss"] for name in ("fresh", "on")
    )
    assert on < 0.1 < fresh


def test_without_epochs_a_trained_model_is_taken_as_it_is(
    base: BaseModel, sft_folder: Path, tmp_path: Path
) -> None:
    settings = experiment(sft={"trainable": "all", "continues": "it", "epochs": 0})
    info = train_sft(settings, base, problems(4), tmp_path, start=sft_folder)
    before = read_info(sft_folder)
    assert file_sha256(tmp_path / WEIGHTS) == before.weights_sha256 == info.parent
    assert (info.stage, info.config["epochs"], info.metrics) == ("sft", 0, {})
    assert info == read_info(tmp_path)
    again = train_sft(settings, base, problems(4), tmp_path, start=sft_folder)
    assert again.created == info.created
    assert load_checkpoint(tmp_path, base).prompt.config == before.prompt
    with pytest.raises(InvalidInputError, match="name it as start"):
        train_sft(settings, base, problems(4), tmp_path / "none")
    with pytest.raises(ExperimentError, match=r"sft\.epochs: 0 takes a trained model as it is"):
        experiment(sft={"epochs": 0})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": {"system": "verbose"}}, "was trained with the prompt .*make them the same"),
        ({"sft": {"trainable": "lora"}}, "trained all; set sft.trainable to that"),
        (
            {"sft": {"trainable": "lora", "continues": "it", "epochs": 0}},
            "trained all; set sft.trainable to that",
        ),
    ],
)
def test_a_checkpoint_of_another_kind_is_refused_as_a_start(
    base: BaseModel, sft_folder: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    settings = experiment(**changes | {"sft": {"trainable": "all"} | changes.get("sft", {})})
    with pytest.raises(InvalidInputError, match=message):
        train_sft(settings, base, problems(2), tmp_path / "out", start=sft_folder)
    assert not (tmp_path / "out" / "metrics.jsonl").exists()


def test_another_order_is_another_order_of_the_same_examples() -> None:
    lengths = [list(range(n)) for n in (5, 9, 7, 3, 8, 6, 4)]
    plans = [
        plan_steps(lengths, experiment(sft={"batch_tokens": 10, "order": order})).steps
        for order in (0, 0, 1, 2)
    ]
    assert plans[0] == plans[1]
    assert len({str(plan) for plan in plans}) == 3
    flat = [sorted(i for step in plan for batch in step for i in batch) for plan in plans]
    assert flat == [list(range(7))] * 4


def test_explanations_are_a_second_task(base: BaseModel, tmp_path: Path) -> None:
    examples = [replace(problems(1)[0], explanation="There are 3 and 4.\nThat is 7.")]
    settings = experiment(sft={"epochs": 120, "trainable": "all", "learning_rate": 0.003})
    train_sft(settings, base, examples, tmp_path / "run")
    policy = load_checkpoint(tmp_path / "run", base, "float32", "cpu")
    prompt = policy.prompt.ids(policy.prompt.explained(examples[0].question))
    output = policy.model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt)),
        max_new_tokens=60,
        do_sample=False,
    )
    assert policy.prompt.decode(output[0, len(prompt) :].tolist()) == examples[0].explanation
    (completion,) = Decoder(policy, settings.decoding).decode([examples[0].question])
    assert Solver().verify(completion.text, examples[0].answer).kind == "correct"


def test_dropout_changes_training_alike_whenever_it_is_run(base: BaseModel, tmp_path: Path) -> None:
    losses = {}
    for name, dropout in (("none", 0.0), ("some", 0.3), ("again", 0.3)):
        settings = experiment(sft={"dropout": dropout, "epochs": 3})
        torch.manual_seed(len(losses))  # whatever ran before
        train_sft(settings, base, problems(4), tmp_path / name, validation=problems(4))
        records = read_records(tmp_path / name / "metrics.jsonl")
        losses[name] = [record["loss"] for record in records]
    assert losses["some"] == losses["again"]
    assert losses["some"] != losses["none"]
    # Nothing is dropped where the model is evaluated.
    policy = load_checkpoint(tmp_path / "some", base, "float32", "cpu")
    plain = Validation(experiment(), policy, problems(4), World()).evaluate()
    told = read_records(tmp_path / "some" / "metrics.jsonl")[-1]
    assert told["val_loss"] == pytest.approx(plain["val_loss"], rel=1e-5)


def test_what_is_frozen_drops_nothing(base: BaseModel, tmp_path: Path) -> None:
    losses = []
    for reuse in (True, False):
        settings = experiment(sft={"layers": 1, "epochs": 3, "reuse_frozen": reuse, "dropout": 0.2})
        train_sft(settings, base, problems(4), tmp_path / str(reuse))
        records = read_records(tmp_path / str(reuse) / "metrics.jsonl")
        losses.append([record["loss"] for record in records])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_how_problems_are_decoded_counts_where_it_chooses_the_weights(base: BaseModel) -> None:
    def run(select: str, evaluated: int, **decoding: Any) -> str:
        sft = {"select": select, "evaluate_problems": evaluated}
        return run_fingerprint("sft", experiment(sft=sft, decoding=decoding), base, [problems(2)])

    for constrained in (False, True):
        other = {"max_tokens": 90, "constrained": constrained}
        assert run("best", 4) != run("best", 4, **other)
        assert run("last", 4) == run("last", 4, **other)
        assert run("best", 0) == run("best", 0, **other)


def test_what_a_kill_behind_the_checkpoint_left_is_removed(base: BaseModel, tmp_path: Path) -> None:
    first = train_sft(experiment(), base, problems(4), tmp_path)
    (tmp_path / "snapshots" / "step-00000001").mkdir(parents=True)
    assert train_sft(experiment(), base, problems(4), tmp_path) == first
    assert not (tmp_path / "snapshots").exists()


def test_going_on_trains_the_part_that_was_trained(base: BaseModel, tmp_path: Path) -> None:
    one, adapted = tmp_path / "one", tmp_path / "adapted"
    lora: dict[str, Any] = {
        "trainable": "lora",
        "lora": {"rank": 4, "targets": ["q_proj", "v_proj"]},
    }
    train_sft(experiment(sft={"layers": 1}), base, problems(4), one)
    train_sft(experiment(sft=lora), base, problems(4), adapted)
    go_on = {"continues": "before"}
    with pytest.raises(InvalidInputError, match=r"trained 1 layers; set sft.layers.*found 2"):
        train_sft(
            experiment(sft={"layers": 2} | go_on), base, problems(4), tmp_path / "x", start=one
        )
    other = lora | {"lora": {"rank": 16, "targets": ["q_proj"]}}
    with pytest.raises(InvalidInputError, match=r"has the adapters .*'rank': 4.*found .*16"):
        train_sft(experiment(sft=other | go_on), base, problems(4), tmp_path / "x", start=adapted)
    lora["lora"] |= {"targets": ["v_proj", "q_proj"]}  # in whatever order
    same = train_sft(
        experiment(sft=lora | go_on), base, problems(4), tmp_path / "on", start=adapted
    )
    assert same.parent == read_info(adapted).weights_sha256
