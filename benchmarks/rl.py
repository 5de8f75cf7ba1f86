"""One RL iteration, 8 prompts x 8 samples, against TRL's GRPOTrainer.

``python -m benchmarks.rl`` runs both sides in processes of their own, turn about: the embedded
model, the last six layers and the head trained, float32, the same prompts, temperature, bound on
the completion and threads. TRL gets no gradient checkpointing (slower), no reference model, no
logging or saving, and the micro-batch that was fastest (``--batch``). Rewards are a hash of the
text on both sides: every group then has a signal, so no backward pass can be left out.

Prints seconds per iteration (median without the first), completion tokens and peak memory, and
fails where a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.common import table

ROOT = Path(__file__).parent.parent
PROMPTS, SAMPLES = 8, 8
RATIO = 2.0
SETTINGS: dict[str, Any] = {
    "name": "benchmark",
    "model": {"dtype": "float32", "device": "cpu"},
    "sft": {"layers": 6, "batch_tokens": 2048},
    "decoding": {"batch_size": PROMPTS * SAMPLES},
}
RL: dict[str, Any] = {
    "prompts": PROMPTS,
    "samples": SAMPLES,
    "estimator": "grpo",
    "learning_rate": 1e-6,
    "evaluate_problems": 1,
    "keep_rollouts_every": 0,
    "collapse": {"parsed": 0},
}


def reward_of(text: str) -> float:
    """Between 0 and 1, by the text alone."""
    return sum(text.encode()) % 11 / 10


def problems() -> list[Any]:
    """As many examples as there are prompts, of the schemas in the repository."""
    from trace_pipeline.generation import Catalog, Generator

    generator = Generator(Catalog.load(ROOT / "schemas", ROOT / "vocab"), 0)
    return list(generator.sample(PROMPTS, {"arithmetic": 1.0}, "train"))


def untrained_checkpoint(folder: Path) -> None:
    """The base model as a checkpoint of which the last layers and the head are trained."""
    from trace_pipeline.experiment import experiment_from_dict
    from trace_pipeline.modeling.base.base_models import resolve_base
    from trace_pipeline.modeling.network.trainable import select_trainable
    from trace_pipeline.modeling.storage.checkpoints import load_base_policy, save_checkpoint

    experiment = experiment_from_dict(SETTINGS)
    policy = load_base_policy(resolve_base("embedded"), experiment.prompt, "float32", "cpu")
    names = select_trainable(policy.model, "last_layers", experiment.sft.layers).names
    save_checkpoint(folder, policy, names, stage="sft", run="benchmark", config={}, metrics={})


def ours(checkpoint: Path, work: Path, tokens: int, iterations: int, _: int) -> dict[str, Any]:
    """Seconds and completion tokens of each of our iterations."""
    from trace_pipeline.experiment import experiment_from_dict
    from trace_pipeline.modeling import train_rl
    from trace_pipeline.solver import Verdict, VerdictKind

    def verify(_: object, text: str, *__: object, **___: object) -> Verdict:
        return Verdict(VerdictKind.WRONG_ANSWER, None, reward_of(text), None, "", None)

    rl = {"iterations": iterations, "max_tokens": tokens, "evaluate_every": iterations + 1}
    rl["save_every"] = iterations + 1
    settings = SETTINGS | {"rl": RL | rl}
    settings["decoding"] = SETTINGS["decoding"] | {"max_tokens": 1}  # the evaluation at the end
    seen: list[dict[str, float]] = []
    examples = problems()
    with patch("trace_pipeline.modeling.training.rollouts.Solver.verify", verify):
        train_rl(
            experiment_from_dict(settings), checkpoint, examples, examples[:1], work,
            on_metrics=lambda _, metrics: seen.append(metrics),
        )  # fmt: skip
    assert all(metrics["grad_norm"] > 0 for metrics in seen)
    return {"seconds": [m["seconds"] for m in seen], "tokens": [m["tokens"] for m in seen]}


def trl(checkpoint: Path, work: Path, tokens: int, iterations: int, batch: int) -> dict[str, Any]:
    """Seconds and completion tokens of each of GRPOTrainer's optimizer steps."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    from trace_pipeline.modeling.network.trainable import train_only
    from trace_pipeline.modeling.storage.checkpoints import load_checkpoint

    policy = load_checkpoint(checkpoint, None, "float32", "cpu")
    assert policy.info is not None
    train_only(policy.model, policy.info.tensors)
    prompts = [policy.prompt.text(problem.question) for problem in problems()]
    written: list[int] = []

    def rewards(completions: list[str], completion_ids: list[list[int]], **_: Any) -> list[float]:
        written.append(sum(map(len, completion_ids)))
        return [reward_of(text) for text in completions]

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.seconds: list[float] = []

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.start = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.seconds.append(time.perf_counter() - self.start)

    config = GRPOConfig(
        output_dir=str(work),
        use_cpu=True,
        bf16=False,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=PROMPTS * SAMPLES // batch,
        num_generations=SAMPLES,
        max_completion_length=tokens,
        temperature=1.0,
        learning_rate=1e-6,
        beta=0.0,
        gradient_checkpointing=False,
        max_steps=iterations,
        logging_strategy="no",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    clock = Clock()
    GRPOTrainer(
        model=policy.model,
        reward_funcs=rewards,
        args=config,
        processing_class=policy.prompt.tokenizer,
        train_dataset=Dataset.from_list([{"prompt": text} for text in prompts]),
        callbacks=[clock],
    ).train()
    return {"seconds": clock.seconds, "tokens": written}


SIDES = {"ours": ours, "trl": trl}


def one_side(options: argparse.Namespace) -> None:
    """Run one side in this process and print what it took."""
    import resource

    import torch

    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as work:
        found = SIDES[options.side](
            options.checkpoint, Path(work), options.tokens, options.iterations, options.batch
        )
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))


def measured(side: str, checkpoint: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What a process of its own took."""
    command = [sys.executable, "-m", "benchmarks.rl", "--side", side]
    command += ["--checkpoint", str(checkpoint)]
    for name in ("tokens", "iterations", "batch", "threads"):
        command += [f"--{name}", str(getattr(options, name))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Print the table; 1 if a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=64, help="bound on a completion")
    parser.add_argument("--iterations", type=int, default=3, help="a process; the first is dropped")
    parser.add_argument("--rounds", type=int, default=1, help="processes of each side")
    parser.add_argument("--batch", type=int, default=16, help="TRL's micro-batch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--checkpoint", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        one_side(options)
        return 0
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    tokens: dict[str, list[float]] = {side: [] for side in SIDES}
    peak = dict.fromkeys(SIDES, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint"
        untrained_checkpoint(checkpoint)
        for _ in range(options.rounds):
            for side in SIDES:
                found = measured(side, checkpoint, options)
                seconds[side] += found["seconds"][1:]
                tokens[side] += found["tokens"][1:]
                peak[side] = max(peak[side], found["peak_mib"])
    rows = [
        [
            {"ours": "trace_pipeline", "trl": "TRL GRPOTrainer"}[side],
            f"{statistics.median(seconds[side]):.1f}",
            f"{min(seconds[side]):.1f} to {max(seconds[side]):.1f}",
            f"{statistics.median(tokens[side]):.0f}",
            f"{peak[side]:.0f}",
        ]
        for side in SIDES
    ]
    print(table(["", "seconds", "range", "completion tokens", "peak MiB"], rows))
    ratio = statistics.median(seconds["trl"]) / statistics.median(seconds["ours"])
    print(f"TRL's seconds by ours: {ratio:.2f} (bound {RATIO:g}); memory no more than TRL's")
    return 0 if ratio >= RATIO and peak["ours"] <= peak["trl"] else 1


if __name__ == "__main__":
    sys.exit(main())
