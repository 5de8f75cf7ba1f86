"""What a training step of the 135M model spends its time on: random weights, all of them trained.

``python -m benchmarks.step`` prints tokens/s and the time of each kind of operation, longest first.
On a bare host with a GPU it needs what ``modeling`` needs, as ``benchmarks.gpu``.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu import SMOL, TINY


def sequences(tokens: int) -> list[Any]:
    """Prompts and traces as long as those of GSM-8K with trace tokens, ``tokens`` in all."""
    from trace_pipeline.modeling.network.batching import Sequences

    draw = random.Random(0)
    found: list[Any] = []
    while sum(map(len, found)) < tokens:
        prompt, completion = draw.randrange(50, 100), draw.randrange(45, 90)
        found.append(
            Sequences(
                [draw.randrange(300) for _ in range(prompt)],
                [draw.randrange(300) for _ in range(completion)],
            )
        )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    from torch.profiler import ProfilerActivity, profile

    from tests.modeling.tiny import make_tiny_model
    from trace_pipeline.experiment import PromptConfig
    from trace_pipeline.modeling import resolve_base
    from trace_pipeline.modeling.base.devices import peak_memory
    from trace_pipeline.modeling.network.batching import collate
    from trace_pipeline.modeling.network.objective import completion_logprobs
    from trace_pipeline.modeling.network.optimizer import MasterAdamW
    from trace_pipeline.modeling.network.rows import PLAIN, compiled
    from trace_pipeline.modeling.storage.checkpoints import load_base_policy
    from trace_pipeline.modeling.training.run import synchronise

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="a tiny model: does it run at all?")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "bfloat16"])
    parser.add_argument("--tokens", type=int, default=8192, help="of a step")
    parser.add_argument(
        "--steps", type=int, default=5, help="that are timed, after one that is not"
    )
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--compile", action="store_true", help="layers and loss, on whole rows")
    parser.add_argument("--rows", type=int, default=30, help="of the table")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        shape = TINY if options.tiny else SMOL
        base = resolve_base(str(make_tiny_model(Path(folder) / "random", **shape)))
        prompt = PromptConfig(system="none", template="plain")
        policy = load_base_policy(base, prompt, options.dtype, options.device)
    model: Any = policy.model
    model.requires_grad_(True)
    optimizer = MasterAdamW(model, tuple(name for name, _ in model.named_parameters()))
    batch = collate(sequences(options.tokens), options.compile)
    kernels = compiled() if options.compile else PLAIN

    def step() -> None:
        logprobs, _ = completion_logprobs(
            model,
            batch.to(model.device),
            entropies=False,
            dropout=options.dropout,
            kernels=kernels,
        )
        loss = -logprobs.mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.accumulate()
        optimizer.step(1e-5, 1.0)
        synchronise(model.device)

    start = time.perf_counter()
    step()
    first = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(options.steps):
        step()
    seconds = (time.perf_counter() - start) / options.steps
    print(f"{model.device}, {model.dtype}: {batch.tokens / seconds:.0f} tokens/s, {seconds:.4f} s")
    memory = peak_memory(model.device) / 2**30
    print(f"the first step took {first:.1f} s; peak memory {memory:.1f} GiB")
    on_gpu = model.device.type == "cuda"
    watched = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=watched) as found:
        step()
    order = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    averages: Any = found.key_averages()
    print(averages.table(sort_by=order, row_limit=options.rows, max_name_column_width=60))
    return 0


if __name__ == "__main__":
    sys.exit(main())
