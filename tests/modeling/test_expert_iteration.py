from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.modeling.tiny import experiment, problems
from trace_pipeline.modeling import train_rl
from trace_pipeline.modeling.base.base_models import BaseModel, resolve_base
from trace_pipeline.modeling.base.prompts import Prompt
from trace_pipeline.modeling.base.trace_tokens import prompt_tokenizer
from trace_pipeline.modeling.rl import expert_iteration
from trace_pipeline.modeling.rl.kept_rollouts import read_rollouts
from trace_pipeline.modeling.storage.changes import checkpoint_differs_from
from trace_pipeline.modeling.storage.checkpoints import CheckpointInfo, read_info
from trace_pipeline.modeling.storage.records import read_records
from trace_pipeline.modeling.training.run import TrainingError
from trace_pipeline.store import file_sha256
from trace_pipeline.traces import render_trace
from trace_pipeline.validation import InvalidInputError

SETTINGS: dict[str, Any] = {
    "method": "expert_iteration",
    "iterations": 2,
    "prompts": 2,
    "samples": 2,
    "temperature": 0.5,
    "max_tokens": 230,
    "evaluate_problems": 1,
    "expert_iteration": {"references": False, "start": "current"},
}


def run(base: BaseModel, sft: Path, out: Path, on_metrics: Any = None, **rl: Any) -> CheckpointInfo:
    sft_settings = {"trainable": "all", "epochs": 1, "learning_rate": 1e-3, "save_every": 1}
    settings = experiment(rl=SETTINGS | rl, sft=sft_settings)
    return train_rl(settings, sft, problems(4), problems(2), out, base, on_metrics)


def figures(folder: Path) -> list[dict[str, float]]:
    records = read_records(folder / "metrics.jsonl")
    return [{k: v for k, v in r.items() if "second" not in k} for r in records]


@pytest.fixture(scope="module", autouse=True)
def _small_chunks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expert_iteration, "CHUNK", 2)
        patch.setattr(expert_iteration, "CHUNKS", 0)
        yield


@pytest.fixture(scope="module")
def calm(base: BaseModel, sft_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calm")
    run(base, sft_folder, folder)
    return folder


def test_a_round_learns_from_what_was_solved(calm: Path, base: BaseModel, sft_folder: Path) -> None:
    records = figures(calm)
    rollouts = read_rollouts(calm)
    assert [record["iteration"] for record in records] == [1, 2]
    for record in records:
        mine = [r for r in rollouts if r["iteration"] == record["iteration"]]
        solved = {r["problem"] for r in mine if r["kind"] == "correct"}
        assert record["problems"] == 2
        assert record["rollouts"] == len(mine) == 4
        assert record["solved"] == len(solved) > 0
        assert record["solved"] <= record["distinct_traces"] <= record["correct"]
        assert record["yield_1_steps"] == record["correct"] / 4
        assert record["training_examples"] == record["pool_traces"]
        assert record["eval_problems"] == 1
    assert records[1]["pool_traces"] == records[0]["pool_traces"] + records[1]["new_traces"]
    info = read_info(calm)
    assert (info.stage, info.parent) == ("rl", read_info(sft_folder).weights_sha256)
    assert checkpoint_differs_from(calm, sft_folder, base) > 0
    left = ["checkpoint.json", "metrics.jsonl", "rollouts.parquet", "weights.safetensors"]
    assert sorted(path.name for path in calm.iterdir()) == left


class KilledError(Exception):
    pass


def stop_after_a_round(base: BaseModel, sft_folder: Path, folder: Path) -> None:
    def stop(*_: object) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        run(base, sft_folder, folder, stop)


@pytest.mark.parametrize(
    ("function", "call"),
    [
        ("roll_out", 2),  # within the first round's rollouts
        ("validate", 1),  # after the first round's training
        ("write_table", 1),  # at the end
    ],
)
def test_a_killed_run_goes_on_within_the_round(
    function: str,
    call: int,
    calm: Path,
    base: BaseModel,
    sft_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original, calls = getattr(expert_iteration, function), 0

    def fragile(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KilledError
        return original(*arguments, **options)

    with monkeypatch.context() as context, pytest.raises(KilledError):
        context.setattr(expert_iteration, function, fragile)
        run(base, sft_folder, tmp_path)
    told: list[int] = []
    run(base, sft_folder, tmp_path, lambda number, _: told.append(number))
    weights = "weights.safetensors"
    assert file_sha256(tmp_path / weights) == file_sha256(calm / weights)
    assert figures(tmp_path) == figures(calm)
    assert read_rollouts(tmp_path) == read_rollouts(calm)
    assert told == ([] if function == "write_table" else [1, 2])
    # Nothing is said of the speed of what was sampled before the kill.
    rates = ["rollout_tokens_per_second" in r for r in read_records(tmp_path / "metrics.jsonl")]
    assert rates == [function != "validate", True]


def test_references_are_added_and_known(base: BaseModel, sft_folder: Path, tmp_path: Path) -> None:
    """The policy writes nothing but the references, so no trace of its own is new."""
    own = {"references": True, "start": "base"}
    run(base, sft_folder, tmp_path, iterations=1, expert_iteration=own, max_tokens=100)
    (record,) = figures(tmp_path)
    assert (record["pool_traces"], record["training_examples"]) == (0, 4)


def test_the_best_round_is_kept(
    base: BaseModel, sft_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.3, 0.9, 0.1])
    monkeypatch.setattr(
        expert_iteration, "validate", lambda *_: {"validation_reward": next(scores)}
    )
    info = run(base, sft_folder, tmp_path, select="best")
    assert info.selected == 1
    assert info.metrics["best_validation_reward"] == 0.9


def test_nothing_to_learn_from(base: BaseModel, sft_folder: Path, tmp_path: Path) -> None:
    message = "round 1: no sampled trace was correct"
    with pytest.raises(TrainingError, match=re.escape(message)):
        run(base, sft_folder, tmp_path, max_tokens=3)


def test_best_weights_of_sft_are_no_matter_within_a_round(
    base: BaseModel, sft_folder: Path, tmp_path: Path, calm: Path
) -> None:
    sft = {"trainable": "all", "epochs": 1, "learning_rate": 1e-3, "save_every": 1}
    settings = experiment(rl=SETTINGS, sft=sft | {"select": "best"})
    info = train_rl(settings, sft_folder, problems(4), problems(2), tmp_path, base)
    assert info.weights_sha256 == read_info(calm).weights_sha256


def test_a_round_that_others_began_is_not_trained_in_other_steps(
    base: BaseModel, sft_folder: Path, tmp_path: Path
) -> None:
    stop_after_a_round(base, sft_folder, tmp_path)
    steps = tmp_path / "rounds" / "steps.json"
    assert json.loads(steps.read_text()) == {"batches_per_step": 1, "processes": 1}
    steps.write_text('{"batches_per_step": 2, "processes": 2}')
    with pytest.raises(InvalidInputError, match=r"had 2 processes and 2 batches per step.*Go on"):
        run(base, sft_folder, tmp_path)


def test_a_trace_that_fills_the_context_is_not_learned_from(
    base: BaseModel, sft_folder: Path, tmp_path: Path
) -> None:
    """Its end token has no place, so fine-tuning could not take it whole."""
    only, folder = problems(1)[0], tmp_path / "short"
    prompt = Prompt(experiment().prompt, prompt_tokenizer(base, experiment().prompt))
    length = len(prompt.prompt_ids(only.question)) + len(
        prompt.target_ids(render_trace(only.trace))
    )
    shutil.copytree(base.folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config["max_position_embeddings"] = length - 1
    (folder / "config.json").write_text(json.dumps(config))
    settings = experiment(
        rl=SETTINGS | {"prompts": 1, "temperature": 0.1}, sft={"trainable": "all"}
    )
    short = resolve_base(str(folder))
    with pytest.raises(TrainingError, match="no sampled trace was correct"):
        train_rl(settings, sft_folder, [only], [only], tmp_path / "out", short)


def test_rollouts_of_other_problems_are_not_taken_for_these(
    base: BaseModel, sft_folder: Path, tmp_path: Path
) -> None:
    """As an earlier revision may have drawn them."""
    stop_after_a_round(base, sft_folder, tmp_path)
    path = tmp_path / "rounds" / "0001" / "rollouts.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(reversed(lines)))
    with pytest.raises(InvalidInputError, match="drew other problems for this round; finish"):
        run(base, sft_folder, tmp_path)


def test_a_start_of_another_part_is_refused_before_a_round_is_sampled(
    base: BaseModel, sft_folder: Path, tmp_path: Path
) -> None:
    settings = experiment(rl=SETTINGS, sft={"trainable": "lora"})
    with pytest.raises(InvalidInputError, match=r"trained all; set sft.trainable to that"):
        train_rl(settings, sft_folder, problems(4), problems(2), tmp_path, base)
    assert not list(tmp_path.iterdir())
