from __future__ import annotations

import pytest
import torch

from trace_pipeline.experiment import SftConfig
from trace_pipeline.modeling.base import devices
from trace_pipeline.modeling.base.devices import (
    available_memory,
    has_byte_products,
    require_memory,
    resolve_device,
    resolve_dtype,
)
from trace_pipeline.modeling.network.trainable import Trainable
from trace_pipeline.modeling.storage.checkpoints import Policy
from trace_pipeline.modeling.training import run
from trace_pipeline.validation import InvalidInputError

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["tpu", "cuda:99", "gpu"])
def test_an_unknown_device_lists_what_there_is(name: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"unknown device '{name}'. There are: auto, cpu"):
        resolve_device(name)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"avx2", "avx512f"}, torch.float32),
        ({"avx512_bf16"}, torch.bfloat16),
        ({"amx_bf16"}, torch.bfloat16),
        (set(), torch.float32),
    ],
)
def test_auto_precision_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], expected: torch.dtype
) -> None:
    monkeypatch.setattr(devices, "_cpu_flags", lambda: flags)
    assert resolve_dtype("auto", CPU) == expected


@pytest.mark.parametrize(
    ("flags", "fast"),
    [({"avx2", "avx512f"}, False), ({"avx512_vnni"}, True), ({"avx_vnni"}, True), (set(), False)],
)
def test_which_cpus_are_fast_at_products_of_bytes(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], fast: bool
) -> None:
    monkeypatch.setattr(devices, "_cpu_flags", lambda: flags)
    assert has_byte_products() is fast


def test_a_named_precision_is_taken() -> None:
    assert resolve_dtype("bfloat16", CPU) == torch.bfloat16
    assert resolve_dtype("float32", CPU) == torch.float32


def test_work_that_does_not_fit_is_refused_before_it_starts() -> None:
    free = available_memory(CPU)
    assert free is not None
    assert free > 0
    require_memory(1, CPU, "")
    with pytest.raises(InvalidInputError, match=r"GiB of memory are needed on cpu.*use less"):
        require_memory(2 * free, CPU, "use less")
    require_memory(2 * free // 5, CPU, "", 2)
    with pytest.raises(InvalidInputError, match=r"on cpu by 3 processes, .* each; .*use less"):
        require_memory(2 * free // 5, CPU, "use less", 3)


def test_training_asks_for_the_memory_of_all_processes_of_a_host(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(run, "require_memory", lambda *given: asked.append(given[-1]))
    monkeypatch.setattr(run, "sharing", lambda device: {"cpu": 3}[device.type])
    names = tuple(name for name, _ in policy.model.named_parameters())
    run.prepare(policy.model, Trainable(names, 1, 1), SftConfig())
    assert asked == [3]
