"""Matrix products of a decoding pass, in the order that suits a CPU."""

from __future__ import annotations

import torch
from torch.nn import functional

FEWEST, FEW = 3, 48
"""Rows from which, and up to which, the transposed product is the quicker one."""


def product(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """What ``functional.linear(x, weight, bias)`` is, (N, I) -> (N, O), quicker for few rows.

    ``linear`` multiplies the rows by the transposed weight, which MKL copies into an order of its
    own at every call; for few rows that copy is most of the time. In float32 on a CPU, the weight
    times the transposed rows takes two to four fifths of the time at 4 to 48 rows
    (``benchmarks/products.py``). The result is then a transposed view; where later operations
    want rows, the caller makes them.
    """
    few = FEWEST <= x.shape[0] <= FEW
    if not few or x.device.type != "cpu" or x.dtype != torch.float32:
        return functional.linear(x, weight, bias)
    result = (weight @ x.t()).t()
    return result if bias is None else result + bias
