"""SFT on SmolLM2-135M against TRL's SFTTrainer: tokens/s, share of the matmul rate, memory.

``python -m benchmarks.sft`` trains the embedded model with both on the same 512 traces, same
precision and threads, and prints a table; it fails where a bound is missed. Each trainer runs
in a process of its own and takes a few steps in turn, so that what else the machine does hits
both. Tokens are those of the sequences; padding does not count. ``--part full|top`` runs a half.

Ours is measured twice: in float32 throughout, as the peer, and with ``sft.matmul: int8``, where
the layers' products are of bytes, where the CPU has instructions for it. The peer has no such
thing on a CPU, so the second is another class of precision; each is held against the bound.

TRL: completion-only loss (its fused head computes logits only where there is a label),
batches by length, AdamW (fused); of its settings these were the fastest here.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import table

TRACES, SEED = 512, 0
SPEED, TOP_SPEED, MATMUL, SECOND_EPOCH = 2.5, 2.5, 0.5, 1.5
"""Bounds: against TRL, full and top 6 layers; share of the matmul rate; epoch 2 to epoch 1."""
LAYERS = 6
REUSED_TRACES = 16
"""Of the trainer that is measured from its second epoch on: few, so that it is there soon."""


def examples(count: int) -> list[Any]:
    """The first so many synthetic examples, over all experts."""
    from trace_pipeline.generation import Catalog, Generator

    return list(Generator(Catalog.load("schemas", "vocab"), seed=SEED).sample(TRACES))[:count]


class _Done(Exception):  # noqa: N818 - no error: the way out of a training loop
    pass


class Turns:
    """In a trainer's process: stops after each turn of steps until the next is asked for."""

    def __init__(self, warm_up: int) -> None:
        self._left = warm_up
        self._tokens = 0.0
        self._start = self._cpu = 0.0

    def step(self, tokens: float) -> None:
        """A step with so many tokens is over."""
        self._tokens += tokens
        self._left -= 1
        if self._left:
            return
        seconds, cpu = time.perf_counter() - self._start, time.process_time() - self._cpu
        print(json.dumps({"tokens": self._tokens, "seconds": seconds, "cpu": cpu}), flush=True)
        line = sys.stdin.readline().strip()
        if not line:
            raise _Done
        self._left, self._tokens = int(line), 0.0
        self._start, self._cpu = time.perf_counter(), time.process_time()


def train_ours(
    part: str, options: argparse.Namespace, reuse: bool = False, matmul: str = "float"
) -> None:
    from trace_pipeline.experiment import experiment_from_dict
    from trace_pipeline.modeling import resolve_base, train_sft
    from trace_pipeline.modeling.base.prompts import Prompt
    from trace_pipeline.modeling.base.trace_tokens import prompt_tokenizer
    from trace_pipeline.modeling.network.batching import plan_batches, tokenise

    sft = {"trainable": "all" if part == "full" else "last_layers", "layers": LAYERS}
    sft |= {"batch_tokens": options.batch_tokens, "epochs": 100 if reuse else 1}
    sft |= {"save_every": 10**6, "warmup_steps": 0, "reuse_frozen": reuse}
    sft |= {"matmul": matmul}
    experiment = experiment_from_dict(
        {"name": "bench", "seed": SEED, "sft": sft, "model": {"dtype": options.dtype}}
    )
    base, data = resolve_base("embedded"), examples(REUSED_TRACES if reuse else TRACES)
    warm_up = 1
    if reuse:
        prompt = Prompt(experiment.prompt, prompt_tokenizer(base, experiment.prompt))
        lengths = [len(s) for s in tokenise(prompt, data, experiment.sft.max_len)]
        warm_up = len(plan_batches(lengths, options.batch_tokens, SEED))
    turns = Turns(warm_up)
    with tempfile.TemporaryDirectory() as folder:
        train_sft(experiment, base, data, Path(folder), lambda _, m: turns.step(m["tokens"]))


def train_trl(part: str, options: argparse.Namespace) -> None:
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from trace_pipeline.experiment import PromptConfig
    from trace_pipeline.modeling import resolve_base
    from trace_pipeline.modeling.base.base_models import load_model, load_tokenizer
    from trace_pipeline.modeling.base.prompts import Prompt
    from trace_pipeline.modeling.network.batching import tokenise
    from trace_pipeline.modeling.network.trainable import select_trainable

    base = resolve_base("embedded")
    tokenizer, model = load_tokenizer(base), load_model(base, options.dtype, "cpu")
    select_trainable(model, "all" if part == "full" else "last_layers", LAYERS)
    rows = [
        {
            "input_ids": s.prompt + s.completion,
            "completion_mask": [0] * len(s.prompt) + [1] * len(s.completion),
        }
        for s in tokenise(Prompt(PromptConfig(), tokenizer), examples(TRACES), 1024)
    ]
    packed: dict[str, Any] = {"packing": True, "max_length": options.batch_tokens}
    grouped: dict[str, Any] = {"train_sampling_strategy": "group_by_length"}
    turns = Turns(1)

    class Steps(TrainerCallback):
        seen = 0

        def on_step_end(self, *_: Any, **__: Any) -> None:
            turns.step(trainer._total_train_tokens - self.seen)
            self.seen = trainer._total_train_tokens

    with tempfile.TemporaryDirectory() as folder:
        settings = SFTConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            max_steps=10**4,
            per_device_train_batch_size=1 if options.packing else options.peer_batch,
            completion_only_loss=True,
            gradient_checkpointing=False,
            learning_rate=2e-4,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            optim="adamw_torch_fused",
            **(packed if options.packing else grouped),
        )
        trainer = SFTTrainer(
            model=model,
            args=settings,
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            callbacks=[Steps()],
        )
        trainer.train()


def work(options: argparse.Namespace) -> None:
    """A trainer's process: turns until there are no more, then its peak memory."""
    import resource

    import torch

    torch.set_num_threads(options.threads)
    engine, part = options.worker.split("/")
    run: dict[str, Callable[[], None]] = {
        "ours": lambda: train_ours(part, options),
        "int8": lambda: train_ours(part, options, matmul="int8"),
        "reusing": lambda: train_ours(part, options, reuse=True),
        "trl": lambda: train_trl(part, options),
    }
    try:
        run[engine]()
    except _Done:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"peak": peak / 2**20}), flush=True)


class Trainer:
    """A trainer in a process of its own."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        command = [sys.executable, "-m", "benchmarks.sft", "--worker", name]
        for field in ("threads", "batch_tokens", "peer_batch", "dtype"):
            command += [f"--{field.replace('_', '-')}", str(getattr(options, field))]
        command += ["--packing"] if options.packing else []
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=os.environ | {"OMP_NUM_THREADS": str(options.threads)},
        )  # fmt: skip
        self.wall: list[float] = []
        """Tokens/s of each turn."""
        self.cpu: list[float] = []
        """Tokens by processor second of each turn."""
        self._read()  # the warm-up

    def turn(self, steps: int) -> None:
        """Let it take so many steps."""
        assert self._process.stdin
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        found = self._read()
        self.wall.append(found["tokens"] / found["seconds"])
        self.cpu.append(found["tokens"] / found["cpu"])

    def end(self) -> float:
        """Its peak memory in GiB; its process is over."""
        assert self._process.stdin
        self._process.stdin.close()
        peak: float = self._read()["peak"]
        self._process.wait()
        return peak

    def _read(self) -> dict[str, float]:
        assert self._process.stdout
        for line in self._process.stdout:  # libraries print there too
            if line.startswith(('{"tokens"', '{"peak"')):
                return dict(json.loads(line))
        raise RuntimeError("a trainer died; run it alone with --worker to see why")


def matmul_rate(threads: int, dtype: str) -> tuple[float, float]:
    """FLOP/s of a large matrix product, by wall and by processor seconds."""
    import torch

    torch.set_num_threads(threads)
    left, right = torch.randn(2, 2048, 2048, dtype=getattr(torch, dtype)).unbind()
    rates = []
    for _ in range(4):
        start, cpu = time.perf_counter(), time.process_time()
        left @ right
        rates.append((time.perf_counter() - start, time.process_time() - cpu))
    flops = 2 * 2048**3
    return flops / min(r[0] for r in rates), flops / min(r[1] for r in rates)


def flops_per_token(part: str) -> float:
    """6 for each trained and 2 for each frozen parameter (SmolLM2-135M; head untied if top)."""
    layer, head = 3_540_096, 28_311_552
    if part == "full":
        return 6.0 * (30 * layer + head + 576)
    trained = LAYERS * layer + head
    return 6.0 * trained + 2.0 * ((30 - LAYERS) * layer + head)


def measure(part: str, options: argparse.Namespace) -> tuple[list[list[str]], list[str]]:
    """Rows of the table, and the bounds that were missed."""
    from trace_pipeline.modeling.base.devices import has_byte_products

    fast = has_byte_products() and options.dtype == "float32"
    names = ["trl", "ours", *(["int8"] if fast else []), *(["reusing"] if part == "top" else [])]
    trainers = {name: Trainer(f"{name}/{part}", options) for name in names}
    rates: list[tuple[float, float]] = []
    for _ in range(options.rounds):
        rates.append(matmul_rate(options.threads, options.dtype))
        for trainer in trainers.values():
            trainer.turn(options.steps)
    peaks = {name: trainer.end() for name, trainer in trainers.items()}
    wall = {n: statistics.median(t.wall) for n, t in trainers.items()}
    cpu = {n: statistics.median(t.cpu) for n, t in trainers.items()}
    peak_cpu = statistics.median(rate[1] for rate in rates)
    titles = {"trl": "TRL SFTTrainer", "ours": "trace_pipeline",
              "int8": "trace_pipeline, int8 products",
              "reusing": "trace_pipeline, epoch 2 on"}  # fmt: skip
    rows = []
    for name in names:
        # A process that waits for a core does not spend its seconds: the share is per core.
        share = flops_per_token(part) * cpu[name] / peak_cpu if name in ("trl", "ours") else None
        rows.append(
            [
                f"{part}: {titles[name]}",
                f"{wall[name]:.0f}",
                f"{statistics.median(_ratios(trainers[name].wall, trainers['trl'].wall)):.2f}",
                f"{cpu[name]:.0f}",
                f"{statistics.median(_ratios(trainers[name].cpu, trainers['trl'].cpu)):.2f}",
                f"{100 * share:.0f} %" if share is not None else "",
                f"{peaks[name]:.1f}",
            ]
        )
    bound = SPEED if part == "full" else TOP_SPEED
    found = [("speed against TRL, float32", _median_ratio(trainers, "ours", "trl"), bound)]
    if fast:
        found.append(("speed against TRL, int8", _median_ratio(trainers, "int8", "trl"), bound))
        found.append(("TRL's peak memory to int8's", peaks["trl"] / peaks["int8"], 1.0))
    found.append(("share of matmul", flops_per_token(part) * cpu["ours"] / peak_cpu, MATMUL))
    found.append(("TRL's peak memory to ours", peaks["trl"] / peaks["ours"], 1.0))
    if part == "top":
        found.append(("epoch 2 to 1", _median_ratio(trainers, "reusing", "ours"), SECOND_EPOCH))
    missed = [f"{part}: {n} {v:.2f}, bound {b}" for n, v, b in found if v < b]
    return rows, missed


def _ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(above, below, strict=True)]


def _median_ratio(trainers: dict[str, Trainer], above: str, below: str) -> float:
    return statistics.median(_ratios(trainers[above].wall, trainers[below].wall))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=["full", "top", "both"], default="both")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1, help="optimizer steps of a turn")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--batch-tokens", type=int, default=1024)
    parser.add_argument("--peer-batch", type=int, default=5, help="sequences of TRL's batch")
    parser.add_argument("--packing", action="store_true", help="TRL packs instead of grouping")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        work(options)
        return 0
    rows: list[list[str]] = []
    missed: list[str] = []
    for part in ["full", "top"] if options.part == "both" else [options.part]:
        more = measure(part, options)
        rows, missed = rows + more[0], missed + more[1]
    header = ["", "tokens/s", "ratio", "tokens/core s", "ratio", "of matmul", "peak GiB"]
    print(table(header, rows))
    for line in missed:
        print(f"missed: {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
