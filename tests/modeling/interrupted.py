"""Kills training at chosen moments, lets it go on, and prints what became of the weights.

Run as a program. It loads torch once and forks a process for every run, before any
computation of its own, so that each run is as fresh as one from a shell.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

import torch
import transformers
from safetensors.torch import load_file

from tests.modeling.tiny import experiment, make_tiny_model, problems
from trace_pipeline.modeling import train_rl, train_sft
from trace_pipeline.modeling.base.base_models import resolve_base
from trace_pipeline.modeling.storage import snapshots
from trace_pipeline.modeling.training.rollouts import validate
from trace_pipeline.store import file_sha256

SETTINGS = experiment(
    sft={"epochs": 5, "save_every": 3, "trainable": "last_layers", "accumulate": 2},
    rl={
        "iterations": 5,
        "prompts": 3,
        "samples": 2,
        "updates": 2,
        "curriculum": 0.6,
        "source": "mix",
        "select": "best",
        "collapse": {"parsed": 0},
        "save_every": 2,
        "learning_rate": 0.001,
        "max_tokens": 24,
        "evaluate_every": 2,
        "evaluate_problems": 2,
        "rewards": {"parse_fail": 0.1},
        "kl_coefficient": 0.1,
        "temperature": 1.5,
    },
    decoding={"max_tokens": 24},
    model={"dtype": "bfloat16"},
)
MOMENTS = ["before any snapshot", "between snapshots", "while a snapshot is written", "at the end"]


ADAPTERS = experiment(
    sft={
        "epochs": 5,
        "save_every": 3,
        "trainable": "lora",
        "lora": {"rank": 4},
        "dropout": 0.1,
        "select": "best",
        "evaluate_every": 2,
    }
)
UNSTABLE = re.compile("second|memory")
STAGES = ("sft", "sft-adapters", "rl")


def _die(*_: object, **__: object) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


def _train(stage: str, root: Path, folder: Path, on_metrics: Callable[..., Any] | None) -> None:
    base = resolve_base(str(root / "base"))
    if stage == "sft":
        train_sft(SETTINGS, base, problems(8), folder, on_metrics)
    elif stage == "sft-adapters":
        held_out = problems(12)[8:]
        train_sft(ADAPTERS, base, problems(8), folder, on_metrics, validation=held_out)
    else:
        data = problems(8)
        # Rewards that differ although the model knows nothing: its length of output.
        judge = "trace_pipeline.modeling.training.rollouts.Solver.verify"
        scored = "trace_pipeline.modeling.rl.reinforcement.validate"
        with patch(judge, _verdict_by_text), patch(scored, _score_by_distance(root / "sft")):
            train_rl(
                SETTINGS, root / "sft", data, data[:4], folder, base, on_metrics,
                real=problems(12)[8:], real_validation=data[4:],
            )  # fmt: skip


def _verdict_by_text(self: object, text: str, answer: object, expert: str | None = None) -> Any:
    from trace_pipeline.solver import Verdict, VerdictKind

    reward = sum(text.encode()) % 7 / 7
    return Verdict(VerdictKind.WRONG_ANSWER, None, reward, None, "", None)


def _score_by_distance(start: Path) -> Callable[..., dict[str, float]]:
    """Validation whose reward grows as the policy leaves the checkpoint in ``start``."""
    before = load_file(start / "weights.safetensors")["lm_head.weight"]

    def score(judge: Any, *arguments: Any) -> dict[str, float]:
        moved = float((judge._policy.model.lm_head.weight - before).float().norm())
        return validate(judge, *arguments) | {"validation_reward": moved}

    return score


def _disturbed(stage: str, root: Path, folder: Path, moment: str) -> None:
    if moment == "while a snapshot is written":
        with patch("trace_pipeline.modeling.storage.snapshots.write_json", _die):
            _train(stage, root, folder, None)
    elif moment == "at the end":
        with patch("trace_pipeline.modeling.storage.checkpoints.write_json", _die):
            _train(stage, root, folder, None)
    else:
        at = 1 if moment == "before any snapshot" else {"sft": 5, "rl": 3}[stage]
        _train(stage, root, folder, lambda step, _: _die() if step == at else None)


def _out_of_disk(stage: str, root: Path, folder: Path) -> None:
    """A run in which no file may grow beyond 100 kB after its first snapshot."""
    limit = 100_000  # smaller than a snapshot, larger than the files of records

    def fill(step: int, _: object) -> None:
        if step == 4:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    try:
        _train(stage, root, folder, fill)
    except OSError as error:
        os._exit(28 if "make room on the disk" in str(error) else 1)


def _killed_at_random(
    stage: str, root: Path, folder: Path, kills: int, seconds: float, chance: random.Random
) -> int:
    """How often a run was killed, at moments of its first ``seconds``; it goes on in between."""
    killed = 0
    while killed < kills:
        child = _start(_train, stage, root, folder, None)
        time.sleep(chance.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        if _end(child) == -signal.SIGKILL:
            killed += 1
        else:  # it was through before
            shutil.rmtree(folder)
    return killed


def _forked(function: Callable[..., None], *arguments: Any) -> int:
    """Exit status of ``function`` in a process of its own; negative for a signal."""
    return _end(_start(function, *arguments))


def _end(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _start(function: Callable[..., None], *arguments: Any) -> int:
    child = os.fork()
    if child == 0:
        try:
            function(*arguments)
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    return child


def _lines(path: Path) -> list[dict[str, Any]]:
    """Records without what depends on the clock, or on the process's past."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [
        {k: v for k, v in r.items() if "second" not in k and "memory" not in k} for r in records
    ]


def _outcome(root: Path, stage: str, folder: Path, killed: int) -> dict[str, Any]:
    """Lets the run in ``folder`` end, and compares it with the undisturbed one."""
    calm, weights = root / stage, "weights.safetensors"
    return {
        "killed": killed,
        "resumed": _forked(_train, stage, root, folder, None),
        "same_weights": file_sha256(folder / weights) == file_sha256(calm / weights),
        "same_records": all(
            _lines(folder / path.name) == _lines(path) for path in calm.glob("*.jsonl")
        ),
        "steps": len(_lines(folder / "metrics.jsonl")),
        "left": sorted(p.name for p in folder.iterdir()),
    }


def main(root: Path, kills: int = 3, seed: int | None = None) -> None:
    """Everything, for all stages; ``kills`` at random moments of each.

    The moments are a function of ``seed``, which is printed, and of the machine's speed.
    """
    torch.set_num_threads(1)
    snapshots.MOST = 1.0  # steps of milliseconds: a snapshot whenever one is due, for exact moments
    for name in ("LlamaForCausalLM", "AutoModelForCausalLM", "AutoTokenizer"):
        getattr(transformers, name)  # load its module once, not in every fork
    for module in ("transformers.models.auto.modeling_auto", "peft"):
        import_module(module)
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    chance = random.Random(seed)
    assert _forked(make_tiny_model, root / "base") == 0
    results: dict[str, dict[str, Any]] = {}
    for stage in STAGES:
        start = time.monotonic()
        assert _forked(_train, stage, root, root / stage, None) == 0
        seconds = time.monotonic() - start
        if stage != "sft-adapters":
            for number, moment in enumerate(MOMENTS):
                folder = root / f"{stage}-{number}"
                killed = _forked(_disturbed, stage, root, folder, moment)
                results[f"{stage} {moment}"] = _outcome(root, stage, folder, killed)
            folder = root / f"{stage}-full"
            stopped = _forked(_out_of_disk, stage, root, folder)
            results[f"{stage} full disk"] = _outcome(root, stage, folder, stopped)
        folder = root / f"{stage}-random"
        killed = _killed_at_random(stage, root, folder, kills, seconds, chance)
        results[f"{stage} at random"] = _outcome(root, stage, folder, killed)
    weights = "weights.safetensors"
    learned = file_sha256(root / "rl" / weights) != file_sha256(root / "sft" / weights)
    print(json.dumps({"runs": results, "rl_learned": learned, "seed": seed, "kills": kills}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
