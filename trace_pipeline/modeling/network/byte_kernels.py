"""Passes over memory around products of bytes: quantising, and scaling back.

numba compiles them for the CPU at hand when they are first used, each as one pass where torch makes
four to six. As many threads as torch has share the rows; the result does not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar, cast

import numba
import numpy as np
import torch

from trace_pipeline.validation import InvalidInputError

MOST = np.float32(127)
TINY = np.float32(1e-30)
"""Largest magnitude of what is zero throughout, so that nothing is divided by zero."""
MOST_TERMS = (2**31 - 1) // 127**2
"""Products of bytes whose sum is sure to fit into 32 bits."""
_MAGNITUDE = np.int32(0x7FFFFFFF)
"""The bits of a float32 without its sign; as integers they are in the order of magnitudes, and the
largest of integers is found many at a time (a NaN is larger than all others)."""

F = TypeVar("F", bound=Callable[..., None])


def _compiled(function: F) -> F:
    return cast(F, numba.njit(nogil=True, error_model="numpy")(function))


@_compiled
def _quantise_rows(x: Any, bits: Any, rows: Any, scales: Any, most: Any) -> None:
    """Bytes and scales by row, and the largest magnitude of each column so far (its bits)."""
    largest = np.zeros(1, np.int32)
    for r in range(x.shape[0]):
        found = np.int32(0)
        for c in range(x.shape[1]):
            magnitude = bits[r, c] & _MAGNITUDE
            found = max(found, magnitude)
            most[c] = max(most[c], magnitude)
        largest[0] = found
        magnitude_of_row = max(largest.view(np.float32)[0], TINY)
        scales[r] = magnitude_of_row / MOST
        factor = MOST / magnitude_of_row
        for c in range(x.shape[1]):
            rows[r, c] = np.int8(np.int32(np.rint(x[r, c] * factor)))


@_compiled
def _largest_of_columns(bits: Any, most: Any) -> None:
    for r in range(bits.shape[0]):
        for c in range(bits.shape[1]):
            most[c] = max(most[c], bits[r, c] & _MAGNITUDE)


@_compiled
def _quantise_columns(x: Any, factors: Any, columns: Any) -> None:
    for r in range(x.shape[0]):
        for c in range(x.shape[1]):
            columns[r, c] = np.int8(np.int32(np.rint(x[r, c] * factors[c])))


@_compiled
def _scale_back(sums: Any, rows: Any, columns: Any, into: Any) -> None:
    for r in range(sums.shape[0]):
        scale = rows[r]
        for c in range(sums.shape[1]):
            into[r, c] = np.float32(sums[r, c]) * scale * columns[c]


class Quantised:
    """A float32 matrix (R, C) as bytes: with a scale to each row, with one to each column.

    The largest magnitude becomes 127, so ``rows * row_scales[:, None]`` and ``columns *
    column_scales`` are ``x`` to half a scale. There are those of the two that were asked for.
    """

    rows: torch.Tensor
    """(R, C) int8, and (R,) float32."""
    row_scales: torch.Tensor
    columns: torch.Tensor
    """(R, C) int8, and (C,) float32."""
    column_scales: torch.Tensor

    def __init__(self, x: torch.Tensor, by_row: bool = True, by_column: bool = True) -> None:
        if x.dtype != torch.float32 or x.device.type != "cpu" or x.ndim != 2:
            raise InvalidInputError(
                f"products of bytes are for float32 matrices on a CPU, found {x.ndim} dimensions "
                f"of {x.dtype} on {x.device}; set sft.matmul: float"
            )
        values = x.contiguous().numpy(force=True)
        bits, (count, width) = values.view(np.int32), values.shape
        parts = _parts(count)
        most = np.zeros((len(parts), width), np.int32)
        if by_row:
            self.rows = torch.empty(values.shape, dtype=torch.int8)
            self.row_scales = torch.empty(count)
            rows, scales = self.rows.numpy(), self.row_scales.numpy()
            _each(
                lambda i, p: _quantise_rows(values[p], bits[p], rows[p], scales[p], most[i]), parts
            )
        if not by_column:
            return
        if not by_row:
            _each(lambda i, p: _largest_of_columns(bits[p], most[i]), parts)
        largest = np.maximum(most.max(0).view(np.float32), TINY)
        self.column_scales = torch.from_numpy(largest / MOST)
        self.columns = torch.empty(values.shape, dtype=torch.int8)
        columns, factors = self.columns.numpy(), MOST / largest
        _each(lambda _, p: _quantise_columns(values[p], factors, columns[p]), parts)


def scaled_product(
    left: torch.Tensor, right: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor
) -> torch.Tensor:
    """(R, K) and (K, C) bytes with scales (R,) and (C,) -> their product (R, C), float32."""
    if left.shape[1] > MOST_TERMS:
        raise InvalidInputError(
            f"a sum of {left.shape[1]} products of bytes may not fit into 32 bits; lower "
            "sft.batch_tokens or set sft.matmul: float"
        )
    sums = torch._int_mm(left, right).numpy()
    result = torch.empty(sums.shape)
    by_row, by_column, into = rows.numpy(), columns.numpy(), result.numpy()
    _each(lambda _, p: _scale_back(sums[p], by_row[p], by_column, into[p]), _parts(len(sums)))
    return result


_FEWEST_ROWS = 64
"""Rows below which a thread more costs more than it gives."""


def _parts(rows: int) -> list[slice]:
    count = max(1, min(torch.get_num_threads(), rows // _FEWEST_ROWS))
    borders = [rows * i // count for i in range(count + 1)]
    return [slice(first, last) for first, last in pairwise(borders)]


def _each(work: Callable[[int, slice], None], parts: list[slice]) -> None:
    if len(parts) == 1:
        work(0, parts[0])
        return
    others = [_threads().submit(work, i, part) for i, part in enumerate(parts) if i]
    work(0, parts[0])
    for other in others:
        other.result()


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(torch.get_num_threads())
