"""Products of bytes against float32: their rate, and how close loss and gradients come.

``python -m benchmarks.int8`` times the products of the embedded model's layers in both. With
``--checkpoint FOLDER --data EXAMPLES`` it also takes the gradient of the loss on the first so many
examples both ways, and prints the loss, tokens/s and the cosine between the gradients.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import median_seconds, table
from benchmarks.products import SHAPES

NAMES = ("q, k, v", "o", "gate, up", "down")


def products(tokens: int) -> list[list[str]]:
    """Rows of the table: giga-operations a second of the bare products, both ways."""
    import torch

    rows = []
    for name, (inputs, outputs) in zip(NAMES, SHAPES, strict=True):
        x, weight = torch.randn(tokens, inputs), torch.randn(outputs, inputs)
        bytes_x = torch.randint(-127, 128, x.shape, dtype=torch.int8)
        bytes_weight = torch.randint(-127, 128, weight.shape, dtype=torch.int8)
        floats = median_seconds(lambda x=x, weight=weight: x @ weight.t())
        ints = median_seconds(lambda x=bytes_x, weight=bytes_weight: torch._int_mm(x, weight.t()))
        work = 2 * tokens * inputs * outputs / 1e9
        rows.append([name, f"{work / floats:.0f}", f"{work / ints:.0f}", f"{floats / ints:.2f}"])
    return rows


def gradients(checkpoint: Path, data: Path, count: int, rounds: int) -> list[list[str]]:
    """Rows of the table: loss, tokens/s, and the cosine of the gradients with those of floats."""
    import torch
    from torch.nn import functional

    from trace_pipeline.generation import read_examples
    from trace_pipeline.modeling import resolve_base
    from trace_pipeline.modeling.network.batching import collate, tokenise
    from trace_pipeline.modeling.network.int8 import int8_linear
    from trace_pipeline.modeling.network.objective import completion_logprobs
    from trace_pipeline.modeling.network.rows import PLAIN, Kernels
    from trace_pipeline.modeling.storage.checkpoints import load_checkpoint

    policy = load_checkpoint(checkpoint, resolve_base("embedded"), "float32", "cpu")
    model: Any = policy.model
    model.requires_grad_(True)
    batch = collate(tokenise(policy.prompt, read_examples(data)[:count], 1024))
    found: dict[str, tuple[float, list[torch.Tensor], list[float]]] = {}
    for _ in range(rounds):
        for name, kernels in (("float", PLAIN), ("int8", Kernels(linear=int8_linear))):
            start = time.perf_counter()
            logprobs, _ = completion_logprobs(model, batch, entropies=False, kernels=kernels)
            loss = -logprobs.mean()
            slopes = list(torch.autograd.grad(loss, list(model.parameters())))
            rate = batch.tokens / (time.perf_counter() - start)
            rates = found[name][2] if name in found else []
            found[name] = (loss.item(), slopes, [*rates, rate])
    rows = []
    exact = found["float"][1]
    for name, (loss_found, slopes, rates) in found.items():
        cosines = [
            float(functional.cosine_similarity(a.double().flatten(), b.double().flatten(), 0))
            for a, b in zip(exact, slopes, strict=True)
        ]
        flat = [torch.cat([s.flatten() for s in side]).double() for side in (exact, slopes)]
        whole = float(functional.cosine_similarity(*flat, 0))
        rows.append(
            [
                name,
                f"{loss_found:.4f}",
                f"{statistics.median(rates):.0f}",
                f"{whole:.4f}",
                f"{statistics.median(cosines):.4f}",
                f"{min(cosines):.4f}",
            ]
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=1024, help="rows of the products")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--examples", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(options.threads)
    print(table(["", "float32 GOP/s", "int8 GOP/s", "ratio"], products(options.tokens)))
    if options.checkpoint and options.data:
        rows = gradients(options.checkpoint, options.data, options.examples, options.rounds)
        header = ["", "loss", "tokens/s", "cosine", "median of tensors", "least"]
        print()
        print(table(header, rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
