"""Matrix products of a decoding pass: ``product`` against ``torch.nn.functional.linear``.

``python -m benchmarks.products`` multiplies the weights of the embedded model's 30 layers, each
once (so that no cache holds them), by 1 to 256 rows, in turns, and prints both times and their
ratio. It judges nothing: which way is quicker depends on the processor.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch.nn import functional

from benchmarks.common import table
from trace_pipeline.modeling.network.products import FEW, FEWEST, product

SHAPES = ((576, 960), (576, 576), (576, 3072), (1536, 576))
"""Inputs and outputs of a layer's products in SmolLM2-135M: q, k and v; out; gate and up; down."""
LAYERS = 30
ROWS = (1, 2, 4, 8, 16, 32, 48, 64, 128, 256)


@torch.inference_mode()
def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    weights = [torch.randn(out, given) for _ in range(LAYERS) for given, out in SHAPES]
    lines = []
    for rows in ROWS:
        inputs = [torch.randn(rows, weight.shape[1]) for weight in weights]
        ways: tuple[Callable[..., torch.Tensor], ...] = (functional.linear, product)
        times: list[list[float]] = [[], []]
        for _ in range(options.rounds):
            for way, taken in zip(ways, times, strict=True):
                start = time.perf_counter()
                for x, weight in zip(inputs, weights, strict=True):
                    way(x, weight)
                taken.append(1000 * (time.perf_counter() - start))
        linear, ours = (statistics.median(taken) for taken in times)
        name = f"{rows}" if FEWEST <= rows <= FEW else f"{rows} (the same)"
        lines.append([name, f"{linear:.0f}", f"{ours:.0f}", f"{linear / ours:.2f}"])
    print(table(["rows", "linear, ms", "product, ms", "ratio"], lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
