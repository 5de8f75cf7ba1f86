"""SFT in several processes of this machine, started from one that does not train itself."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from trace_pipeline.experiment import Experiment
from trace_pipeline.generation import Example, write_examples
from trace_pipeline.modeling.base.base_models import BaseModel
from trace_pipeline.modeling.distributed import TIED
from trace_pipeline.modeling.sft.finetuning import METRICS, train_sft
from trace_pipeline.modeling.storage.checkpoints import INFO, CheckpointInfo, read_info
from trace_pipeline.modeling.storage.records import read_records
from trace_pipeline.modeling.training.run import OnMetrics, TrainingError
from trace_pipeline.validation import InvalidInputError

POLL_SECONDS = 0.5
"""Time between looks at the figures that the processes have written."""


def run_sft(
    experiment: Experiment,
    base: BaseModel,
    examples: Sequence[Example],
    out_dir: Path,
    on_metrics: OnMetrics | None = None,
    start: Path | None = None,
    validation: Sequence[Example] = (),
    processes: int = 1,
) -> CheckpointInfo:
    """:func:`train_sft`, here or by ``torchrun`` in ``processes`` processes of this machine.

    The processes end with this one, however it ends. A folder with a checkpoint needs none.

    Raises:
        InvalidInputError: data, model or settings that cannot be used; fewer GPUs than processes.
        TrainingError: training diverged, or a process failed (it has said why on stderr).
    """
    if processes == 1 or (out_dir / INFO).exists():
        return train_sft(experiment, base, examples, out_dir, on_metrics, start, validation)
    require_devices(experiment.model.device, processes)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "experiment.json").write_bytes(msgspec.json.encode(experiment))
        write_examples(folder / "train.jsonl", examples)
        arguments = ["--experiment", str(folder / "experiment.json"), "--base", base.reference]
        arguments += ["--data", str(folder / "train.jsonl"), "--out", str(out_dir)]
        if start is not None:
            arguments += ["--start", str(start)]
        if validation:
            write_examples(folder / "validation.jsonl", validation)
            arguments += ["--validation", str(folder / "validation.jsonl")]
        code = _torchrun("trace_pipeline.modeling.sft", arguments, processes, out_dir, on_metrics)
    if code:
        raise TrainingError(
            f"SFT in {processes} processes ended with exit code {code}, see above; after mending "
            "it, the same command goes on from the last snapshot"
        )
    return read_info(out_dir)


def require_devices(device: str, processes: int) -> None:
    """Refuse more processes than there are devices for.

    Raises:
        InvalidInputError: too few GPUs, or one named for all.
    """
    import torch

    if device.startswith("cuda:"):
        raise InvalidInputError(
            f"model.device: {device} names one GPU for {processes} processes; set it to cuda"
        )
    gpus = torch.cuda.device_count()
    if gpus and device != "cpu" and processes > gpus:
        raise InvalidInputError(
            f"{processes} processes need as many GPUs, there are {gpus}; lower --processes"
        )


def _torchrun(
    module: str,
    arguments: Sequence[str],
    processes: int,
    out_dir: Path,
    on_metrics: OnMetrics | None,
) -> int:
    """Exit status of ``python -m module`` in so many processes; figures are told meanwhile."""
    command = [sys.executable, "-m", "trace_pipeline.modeling.sft.torchrun", "--standalone"]
    # Behind "--" torchrun takes no argument for one of its own: --start is short for several.
    command += [f"--nproc_per_node={processes}", "-m", "--", module, *arguments, TIED]
    threads = max(1, (os.cpu_count() or 1) // processes)
    environment = {"OMP_NUM_THREADS": str(threads)} | os.environ
    # A kill of this process would leave its children training, without the lock that it holds. They
    # inherit the other end of this pipe, through torchrun, which closes all descriptors but three.
    # In a session of its own, for a terminal's Ctrl-C is for this process, which ends the others.
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, start_new_session=True
    ) as running:
        try:
            return _followed(running, out_dir, on_metrics)
        finally:
            if running.poll() is None:
                running.terminate()
                running.wait()


def _followed(running: subprocess.Popen[bytes], out_dir: Path, on_metrics: OnMetrics | None) -> int:
    """The exit status of ``running``; figures that it writes into ``out_dir`` are told."""
    told = 0
    while True:
        code = running.poll()
        for record in read_records(out_dir / METRICS):
            step = int(record.pop("step"))
            if step > told and on_metrics:
                on_metrics(step, record)
            told = max(told, step)
        if code is not None:
            return code
        time.sleep(POLL_SECONDS)
