"""Linear layers whose products are of 8-bit integers, for CPUs that multiply these faster.

AVX-512 VNNI and its kin multiply bytes four times as fast as float32. Each product of a training
step, of the forward pass and both of the backward pass, is computed so: the two factors are
divided by the largest magnitude of each row or column that is not summed over, rounded to
-127..127, multiplied into 32-bit sums, and scaled back. Weights, gradients, optimizer and all
that is between the products stay float32. The idea is that of SwitchBack (Wortsman et al., 2023),
which keeps the weight's gradient in the higher precision.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from trace_pipeline.modeling.network.byte_kernels import Quantised, scaled_product


def int8_linear(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """About ``functional.linear(x, weight, bias)``, with a gradient.

    Args:
        x: (N, I) float32 on a CPU.
        weight: (O, I), likewise.
        bias: (O,), likewise.

    Returns:
        (N, O) float32. Its gradient has none.

    Raises:
        InvalidInputError: something else than float32 matrices on a CPU, or too many rows for
            sums in 32 bits.
    """
    if not torch.is_grad_enabled():  # autograd would say that the weight wants a gradient
        weight = weight.detach()
    product: torch.Tensor = _Int8Linear.apply(x, weight)  # type: ignore[no-untyped-call]
    return product if bias is None else product + bias


class _Int8Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        trained = ctx.needs_input_grad[1]
        by_input = Quantised(x, by_column=trained)
        by_output = Quantised(weight, by_column=False)
        # The weight's gradient sums over the rows of x, so it wants a scale to each column. The
        # bytes are kept for it, and x is not.
        kept = (by_input.columns, by_input.column_scales) if trained else (None, None)
        ctx.save_for_backward(weight, *kept)
        return scaled_product(
            by_input.rows, by_output.rows.t(), by_input.row_scales, by_output.row_scales
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        weight, columns, column_scales = ctx.saved_tensors
        for_x, for_weight = ctx.needs_input_grad
        gradient = Quantised(gradients[0], by_row=for_x, by_column=for_weight)
        of_x = of_weight = None
        if for_x:
            by_input = Quantised(weight, by_row=False)
            of_x = scaled_product(
                gradient.rows, by_input.columns, gradient.row_scales, by_input.column_scales
            )
        if for_weight:
            of_weight = scaled_product(
                gradient.columns.t(), columns, gradient.column_scales, column_scales
            )
        return of_x, of_weight
