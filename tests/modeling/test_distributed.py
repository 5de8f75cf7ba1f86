"""Two processes take the same steps as one with twice the accumulation.

``trajectory.json`` holds the losses and gradient norms of the run, committed. The tolerance is
what float32 leaves when sums are taken in another order and the difference has passed through
the optimizer: one part in a thousand covers other machines' kernels as well; a gradient that
is averaged by process instead of by token, or a batch dealt out twice, differs by percents.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.modeling.tiny import experiment, problems
from trace_pipeline.experiment import Experiment, experiment_from_dict
from trace_pipeline.generation import Example
from trace_pipeline.modeling import distributed
from trace_pipeline.modeling.base.base_models import BaseModel
from trace_pipeline.modeling.distributed import World, joined, sharing
from trace_pipeline.modeling.network.batching import Sequences
from trace_pipeline.modeling.sft.finetuning import train_sft
from trace_pipeline.modeling.sft.launch import require_devices, run_sft
from trace_pipeline.modeling.storage.records import read_records
from trace_pipeline.modeling.training.schedule import plan_steps, require_same_steps
from trace_pipeline.validation import InvalidInputError

TRAJECTORY = Path(__file__).with_name("trajectory.json")
TOLERANCE = 1e-3


def settings(accumulate: int) -> Experiment:
    """Two epochs of five batches: the last step of two processes has work for one alone."""
    return experiment(
        sft={"accumulate": accumulate, "epochs": 2, "learning_rate": 0.003, "batch_tokens": 520}
    )


def examples(count: int) -> list[Example]:
    return [
        Example(
            question=p.question,
            trace=p.trace,
            answer=p.answer,
            expert=p.expert,
            schema="arithmetic/eggs",
            index=index,
            split="train",
        )
        for index, p in enumerate(problems(count))
    ]


def assert_follows(records: list[dict[str, Any]]) -> None:
    committed = json.loads(TRAJECTORY.read_text())
    for name, values in committed.items():
        assert [r[name] for r in records] == pytest.approx(values, rel=TOLERANCE), name


def test_one_process_follows_the_committed_trajectory(base: BaseModel, tmp_path: Path) -> None:
    train_sft(settings(2), base, examples(9), tmp_path / "one")
    assert_follows(read_records(tmp_path / "one" / "metrics.jsonl"))


def test_two_processes_follow_it_too(base: BaseModel, tmp_path: Path) -> None:
    told: list[int] = []
    info = run_sft(
        settings(1),
        base,
        examples(9),
        tmp_path / "two",
        lambda step, _: told.append(step),
        validation=examples(3),
        processes=2,
    )
    records = read_records(tmp_path / "two" / "metrics.jsonl")
    assert_follows(records)
    assert told == [int(record["step"]) for record in records]
    assert info.metrics["val_loss"] == records[-1]["val_loss"]
    left = sorted(path.name for path in (tmp_path / "two").iterdir())
    assert left == ["checkpoint.json", "metrics.jsonl", "weights.safetensors"]


def test_a_finished_folder_is_judged_without_processes(base: BaseModel, tmp_path: Path) -> None:
    first = train_sft(settings(1), base, examples(3), tmp_path)
    told: list[int] = []
    again = run_sft(
        settings(1), base, examples(3), tmp_path, lambda step, _: told.append(step), processes=2
    )
    assert (again, told) == (first, [])  # its figures were told when it was trained
    with pytest.raises(InvalidInputError, match="finished checkpoint of another run"):
        run_sft(settings(1), base, examples(4), tmp_path, processes=2)


def test_two_processes_go_on_from_another_model_as_one_does(
    base: BaseModel, tmp_path: Path
) -> None:
    first = train_sft(settings(2), base, examples(9), tmp_path / "first")
    start = tmp_path / "first"
    further = settings(1).to_dict()
    further["sft"]["continues"] = "first"
    again = experiment_from_dict(further)
    info = run_sft(again, base, examples(4), tmp_path / "two", start=start, processes=2)
    assert info.parent == first.weights_sha256
    train_sft(settings(2), base, examples(4), tmp_path / "one", start=start)
    losses = [
        [r["loss"] for r in read_records(tmp_path / name / "metrics.jsonl")]
        for name in ("one", "two")
    ]
    assert losses[1] == pytest.approx(losses[0], rel=TOLERANCE)


@pytest.mark.parametrize("count", [0, 1, 5, 6])
def test_shares_are_disjoint_and_complete(count: int) -> None:
    items = list(range(count))
    shares = [World(rank, 3).share(items) for rank in range(3)]
    assert sorted(item for share in shares for item in share) == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    for rank, share in enumerate(shares):
        assert [World(rank, 3).place(index) for index in range(len(share))] == share


def test_other_processes_go_on_only_with_the_same_steps(caplog: pytest.LogCaptureFixture) -> None:
    sequences = [Sequences([1, 2], [3] * length) for length in range(1, 9)]
    two = plan_steps(sequences, settings(1), processes=2)
    one = plan_steps(sequences, settings(2), processes=1)
    assert one.steps == two.steps
    require_same_steps(two.counters, one.counters)
    assert "the weights agree up to the order of sums" in caplog.text
    with pytest.raises(InvalidInputError, match="Go on with 2 processes"):
        require_same_steps(two.counters, plan_steps(sequences, settings(1)).counters)


def test_processes_of_one_host_share_its_memory_and_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert (sharing(cpu), sharing(gpu)) == (1, 1)  # not joined: another program's variable
    monkeypatch.setattr(distributed, "current_world", lambda: World(1, 4))
    assert (sharing(cpu), sharing(gpu)) == (2, 1)


def test_one_gpu_is_not_shared_by_processes() -> None:
    with pytest.raises(InvalidInputError, match=r"names one GPU for 2 processes"):
        require_devices("cuda:0", 2)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_the_processes_end_with_the_one_that_started_them(
    base: BaseModel, tmp_path: Path, how: signal.Signals
) -> None:
    """Killed, it lets go of the lock that keeps another run from training the same."""
    out = tmp_path / "out"
    ours, theirs = os.pipe()

    def start() -> None:
        os.setsid()  # a terminal's Ctrl-C goes to all of a group
        for descriptor in (1, 2):  # all that it starts have them too
            os.dup2(theirs, descriptor)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        endless = experiment(sft={"epochs": 20_000})
        with suppress(KeyboardInterrupt):
            run_sft(endless, base, examples(2), out, processes=2)

    starter = multiprocessing.get_context("fork").Process(target=start)
    starter.start()
    os.close(theirs)
    while not read_records(out / "metrics.jsonl"):
        assert starter.is_alive()
        time.sleep(0.05)
    assert starter.pid is not None
    (os.killpg if how == signal.SIGINT else os.kill)(starter.pid, how)
    starter.join()
    told = b""
    with os.fdopen(ours, "rb") as said:
        os.set_blocking(ours, False)
        deadline = time.monotonic() + 20
        while (part := said.read()) != b"":  # once nobody can write; None if there is nothing yet
            told += part or b""
            assert time.monotonic() < deadline, "they go on training"
            time.sleep(0.05)
    if how == signal.SIGINT:
        assert b"Traceback" not in told
        assert b"death signal" not in told
    assert not (out / "checkpoint.json").exists()


@pytest.mark.parametrize(
    ("device", "backend"), [("cpu", "gloo"), ("auto", "nccl"), ("cuda", "nccl")]
)
def test_processes_speak_as_their_device_can(
    device: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine with GPUs, which experiments for the CPU leave alone."""
    taken: list[int] = []
    spoken: list[str] = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(distributed.dist, "init_process_group", spoken.append)
    monkeypatch.setattr(distributed.dist, "destroy_process_group", lambda: None)
    with joined(device):
        pass
    assert spoken == [backend]
    assert taken == ([1] if backend == "nccl" else [])
