from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.modeling.tiny import experiment, problems
from trace_pipeline.experiment import SftConfig
from trace_pipeline.modeling.base_models import BaseModel
from trace_pipeline.modeling.checkpoints import load_base_policy, load_checkpoint
from trace_pipeline.modeling.decoding import Decoder
from trace_pipeline.modeling.finetuning import train_sft
from trace_pipeline.modeling.records import read_records
from trace_pipeline.modeling.schedule import learning_rate
from trace_pipeline.modeling.training import TrainingError
from trace_pipeline.solver import Solver
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
    monkeypatch.setattr("trace_pipeline.modeling.devices.available_memory", lambda _: 1000)
    with pytest.raises(InvalidInputError, match=r"lower sft\.batch_tokens"):
        train_sft(experiment(), base, problems(3), tmp_path / "run")


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
