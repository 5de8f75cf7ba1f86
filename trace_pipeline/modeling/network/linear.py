"""Which way of multiplying the layers of a model are trained with."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

import torch
from msgspec.structs import replace

from trace_pipeline.experiment import Experiment, SftConfig
from trace_pipeline.modeling.base.devices import has_byte_products
from trace_pipeline.modeling.network.batching import Sequences, collate
from trace_pipeline.modeling.network.forward import frozen_layers, runs_on_trees
from trace_pipeline.modeling.network.inference import is_lean
from trace_pipeline.modeling.network.rows import PLAIN, Kernels
from trace_pipeline.validation import InvalidInputError

log = logging.getLogger(__name__)

COMPILE_TOKENS = 5_000_000
"""Tokens of a run from which compiling, which takes a minute, pays on a GPU."""

SAMPLE, MOST_SHARED = 64, 0.3
"""Sequences that are looked at, and what they may share: a tree computes that once."""

Matmul = Literal["float", "int8"]


def with_matmul(experiment: Experiment, matmul: Matmul) -> Experiment:
    """``experiment`` with ``sft.matmul`` set to that."""
    return replace(experiment, sft=replace(experiment.sft, matmul=matmul))


def resolve_matmul(experiment: Experiment, model: Any) -> Matmul:
    """What ``sft.matmul`` means where ``model`` is.

    ``auto`` is ``int8`` where the CPU multiplies bytes faster and nothing speaks against it.

    Raises:
        InvalidInputError: ``int8`` for a model, on a device or in an installation that cannot.
    """
    asked = experiment.sft.matmul
    if asked == "float":
        return "float"
    obstacle, fast = _obstacle(model), has_byte_products()
    slow = "this CPU has no instructions for products of bytes (AVX-512 VNNI, AVX-VNNI, AMX)"
    if asked == "auto":
        if obstacle or not fast:
            log.info("sft.matmul: auto is float here: %s", obstacle[0] if obstacle else slow)
            return "float"
        log.info("sft.matmul: auto is int8 here")
        return "int8"
    if obstacle:
        why, remedy = obstacle
        raise InvalidInputError(f"sft.matmul: int8: {why}; {remedy}, or set sft.matmul: float")
    if not fast:
        log.warning("%s: sft.matmul: int8 may be slower than float", slow)
    return "int8"


def kernels_of(matmul: Matmul) -> Kernels:
    """What layers compute with."""
    if matmul == "float":
        return PLAIN
    from trace_pipeline.modeling.network.int8 import int8_linear

    return Kernels(linear=int8_linear)


def resolve_compile(config: SftConfig, model: Any, sequences: Sequence[Sequences]) -> bool:
    """Whether ``sft.compile`` means that layers are compiled, and rows are whole.

    ``auto`` says so on a GPU for a long run whose sequences share little, where a compiler is.

    Raises:
        InvalidInputError: ``always`` for a model or settings that cannot.
    """
    asked = config.compile
    if asked == "never":
        return False
    obstacle = None
    if not (is_lean(model) and runs_on_trees(model)):
        obstacle = f"it is for layers of the Llama type, and these of {model.config.model_type} are"
        obstacle += " not, or have adapters"
    elif config.matmul == "int8":
        obstacle = "products of bytes (sft.matmul: int8) are not compiled"
    elif frozen_layers(model) and config.reuse_frozen and config.epochs > 1:
        obstacle = "what frozen layers give is kept (sft.reuse_frozen) for prefix trees"
    if asked == "always":
        if obstacle:
            raise InvalidInputError(f"sft.compile: always: {obstacle}; set it to auto")
        return True
    if model.device.type != "cuda":
        return False
    obstacle = obstacle or _not_worth_compiling(config, sequences)
    log.info("sft.compile: auto is %s", f"never here: {obstacle}" if obstacle else "always here")
    return not obstacle


def _not_worth_compiling(config: SftConfig, sequences: Sequence[Sequences]) -> str | None:
    """Why a run on a GPU gains nothing by it, or cannot; None if it does."""
    tokens = config.epochs * sum(map(len, sequences))
    if tokens < COMPILE_TOKENS:
        return f"{tokens} tokens are too few to gain by it what compiling takes"
    sample = collate(sequences[:: max(1, len(sequences) // SAMPLE)][:SAMPLE])
    if sample.shared > MOST_SHARED * sample.tokens:
        return f"{sample.shared / sample.tokens:.0%} of the tokens are shared, which a tree saves"
    return None if _has_compiler() else "it needs triton and a C compiler"


def _has_compiler() -> bool:
    from torch.utils._triton import has_triton

    return bool(has_triton()) and any(map(shutil.which, ("cc", "gcc", "clang")))


def _obstacle(model: Any) -> tuple[str, str] | None:
    """Why ``model`` cannot be trained with products of bytes, and the remedy; None if it can."""
    if model.device.type != "cpu" or model.dtype != torch.float32:
        return (
            f"it is for float32 on a CPU, and the model is in {model.dtype} on {model.device}",
            "set model.device: cpu and model.dtype: float32",
        )
    if any(hasattr(module, "base_layer") for module in model.modules()):
        return "it cannot multiply with adapters", "set sft.trainable: all or last_layers"
    if not (is_lean(model) and runs_on_trees(model)):
        return (
            f"it is for layers of the Llama type, and this {model.config.model_type} model's are "
            "not",
            "take another model.reference",
        )
    try:
        import numba  # noqa: F401
    except ImportError as error:
        return (
            f"it needs numba, which cannot be imported ({error})",
            "pip install -c constraints.txt numba",
        )
    if not sums_bytes_exactly():
        return (
            "this CPU adds products of bytes up in 16 bits, which overflow",
            "take a CPU with AVX-512 VNNI or AVX-VNNI",
        )
    return None


@cache
def sums_bytes_exactly() -> bool:
    """Whether ``torch._int_mm`` gives right products here.

    Without VNNI, oneDNN adds pairs of products in 16 bits, which saturate.
    """
    left = torch.full((64, 256), 127, dtype=torch.int8)
    right = torch.full((256, 96), 127, dtype=torch.int8)
    return bool((torch._int_mm(left, right) == 127 * 127 * 256).all())
