"""Which way of multiplying the layers of a model are trained with."""

from __future__ import annotations

import importlib.util
import logging
from typing import Any, Literal

import torch
from torch.nn import functional

from trace_pipeline.modeling.devices import has_byte_products
from trace_pipeline.modeling.forward import Linear
from trace_pipeline.modeling.inference import is_lean
from trace_pipeline.validation import InvalidInputError

log = logging.getLogger(__name__)


def linear_of(matmul: Literal["float", "int8", "auto"], model: Any) -> Linear:
    """What ``sft.matmul`` stands for, where ``model`` is.

    ``auto`` is ``int8`` where the CPU multiplies bytes faster and nothing speaks against it.

    Raises:
        InvalidInputError: ``int8`` for a model, on a device or in an installation that cannot.
    """
    if matmul == "float":
        return functional.linear
    obstacle, fast = _obstacle(model), has_byte_products()
    if matmul == "auto" and (obstacle or not fast):
        return functional.linear
    if obstacle:
        raise InvalidInputError(f"sft.matmul: int8 {obstacle}, or set sft.matmul: float")
    if not fast:
        log.warning(
            "this CPU has no instructions for products of bytes (AVX-512 VNNI, AVX-VNNI, AMX): "
            "sft.matmul: int8 will be slower than float"
        )
    log.info("the layers multiply bytes (sft.matmul: %s)", matmul)
    from trace_pipeline.modeling.int8 import int8_linear

    return int8_linear


def _obstacle(model: Any) -> str | None:
    """Why ``model`` cannot be trained with products of bytes, and the remedy; None if it can."""
    if model.device.type != "cpu" or model.dtype != torch.float32:
        return (
            f"is for float32 on a CPU, and the model is in {model.dtype} on {model.device}; set "
            "model.device: cpu and model.dtype: float32"
        )
    if not is_lean(model):
        return (
            "is for layers of the Llama type without adapters, which this "
            f"{model.config.model_type} model has not; take another model.reference or "
            "sft.trainable: all"
        )
    if importlib.util.find_spec("numba") is None:
        return "needs numba; pip install numba"
    return None
