"""Where and in which precision to compute, and whether the memory suffices."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

import torch

from trace_pipeline.experiment import ModelConfig
from trace_pipeline.validation import InvalidInputError

_FAST_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
"""CPU flags (x86, Arm) of instructions that multiply bfloat16 natively."""
_BYTE_PRODUCT_FLAGS = {"avx512_vnni", "avx_vnni", "amx_int8"}
"""Likewise of instructions that add up products of bytes (x86; others were not measured)."""
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def available_devices() -> list[str]:
    """Names that :func:`resolve_device` accepts on this machine."""
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return ["auto", "cpu", *(["cuda"] if cuda else []), *cuda]


def resolve_device(name: str = "auto") -> torch.device:
    """The device called ``name``; ``auto`` is the first GPU, else the CPU.

    Raises:
        InvalidInputError: not on this machine.
    """
    known = available_devices()
    if name not in known:
        raise InvalidInputError(f"unknown device {name!r}. There are: {', '.join(known)}")
    if name == "auto":
        name = "cuda" if "cuda" in known else "cpu"
    if name == "cuda":
        name = f"cuda:{torch.cuda.current_device()}"  # each process of a run has one of its own
    device = torch.device(name)
    if device.type == "cuda":
        # Lets float32 matmuls use tensor cores (TF32); the optimizer's masters have none.
        torch.set_float32_matmul_precision("high")
        # cuDNN's attention makes a plan for every new shape, and batches differ in theirs: a
        # training ran at a quarter of the speed that flash attention gives it.
        torch.backends.cuda.enable_cudnn_sdp(False)
    return device


def resolve_dtype(name: str, device: torch.device) -> torch.dtype:
    """The precision called ``name``; ``auto`` is bfloat16 where ``device`` is fast at it."""
    if name != "auto":
        return _DTYPES[name]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if _cpu_flags() & _FAST_BF16_FLAGS else torch.float32


def precision(model: ModelConfig) -> str:
    """The precision that ``model.dtype`` means on this machine, such as ``float32``."""
    return str(resolve_dtype(model.dtype, resolve_device(model.device))).removeprefix("torch.")


def has_byte_products() -> bool:
    """Whether the CPU multiplies 8-bit integers faster than floats."""
    return bool(_cpu_flags() & _BYTE_PRODUCT_FLAGS)


def _cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return set(found[1].split()) if found else set()


def available_memory(device: torch.device) -> int | None:
    """Free memory of ``device`` in bytes; None where it cannot be told."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    limits = [_meminfo(), _cgroup_room()]
    return min((limit for limit in limits if limit is not None), default=None)


def require_memory(needed: int, device: torch.device, remedy: str, processes: int = 1) -> None:
    """Refuse work that would run out of memory, before it starts.

    Args:
        needed: estimate in bytes.
        device: where the memory is needed.
        remedy: settings that lower the need, for the message.
        processes: that need as much each, of the same memory.

    Raises:
        InvalidInputError: ``device`` has less than that.
    """
    free = available_memory(device)
    if free is not None and needed * processes > free:
        of = f" by {processes} processes, {needed / 2**30:.1f} each" if processes > 1 else ""
        raise InvalidInputError(
            f"about {needed * processes / 2**30:.1f} GiB of memory are needed on {device}{of}; "
            f"{free / 2**30:.1f} GiB are free; {remedy}"
        )


def peak_memory(device: torch.device) -> int:
    """Most memory that was in use at once, in bytes: of the process, or on its GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent process held before this one began
        found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _meminfo() -> int | None:
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return None
    found = re.search(r"MemAvailable:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else None


def _cgroup_room() -> int | None:
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        stat = Path("/sys/fs/cgroup/memory.stat").read_text()
    except (OSError, ValueError):
        return None
    if limit == "max":
        return None
    reclaimable = re.search(r"^inactive_file (\d+)$", stat, re.MULTILINE)
    return int(limit) - used + (int(reclaimable[1]) if reclaimable else 0)
