"""Whether trained models are what the experiment's file says, and come from each other.

An artifact stays in force when the file is edited. What is made of it would then be told under
settings that it never had; so whoever goes on from a trained model asks here first.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from trace_pipeline.experiment import (
    EXPERTS,
    Difference,
    ExperimentError,
    differences,
    flatten,
    load_experiment,
)
from trace_pipeline.pipeline.workbench import MissingUpstreamError, Workbench
from trace_pipeline.store import Artifact
from trace_pipeline.validation import InvalidInputError

NO_MATTER = (
    "model.device",
    "sft.compile",
    "sft.reuse_frozen",
    "sft.save_every",
    "rl.save_every",
    "rl.keep_rollouts_every",
)
"""Settings that change no result, or are the machine's."""
WHOLE = ("sft.average", "rl.rewards")
"""Settings that are a value, a table, or nothing: their entries come and go with them."""
OF_SFT = ("seed", "model", "prompt", "sft")
OF_RL = (*OF_SFT, "rl")
"""Sections that say what was trained; how it is decoded may change afterwards."""


def fine_tuned_model(bench: Workbench) -> Artifact:
    """The SFT checkpoint in force.

    Raises:
        MissingUpstreamError: never made, with other settings than the file has now, or on
            earlier data.
    """
    return _of_data_in_force(bench, _as_configured(bench, "sft_checkpoint", OF_SFT))


def trained_model(bench: Workbench) -> Artifact:
    """The checkpoint after RL in force, made of the SFT checkpoint in force.

    Raises:
        MissingUpstreamError: never made, with other settings than the file has now, of an earlier
            SFT checkpoint, or on earlier data.
        InvalidInputError: only its record is here.
    """
    from trace_pipeline.modeling.storage.checkpoints import read_info, require_weights

    trained = _as_configured(bench, "rl_checkpoint", OF_RL)
    parent = bench.require("sft_checkpoint")
    if trained.manifest.parents.get(parent.manifest.key) != parent.sha256:
        raise MissingUpstreamError(
            f"{trained.manifest.key} was made of an earlier version of {parent.manifest.key}; make "
            f"it anew with\n  {bench.command('rl_checkpoint')}"
        )
    require_weights(trained.path, read_info(trained.path))
    return _of_data_in_force(bench, trained)


def _of_data_in_force(bench: Workbench, trained: Artifact) -> Artifact:
    before = trained.manifest.parents
    data = [*bench.partitions(), *bench.real_traces()]
    other = [part.manifest.key for part in data if before.get(part.manifest.key) != part.sha256]
    if other:
        raise MissingUpstreamError(
            f"{trained.manifest.key} was trained on an earlier version of {', '.join(other)}; "
            f"train anew with\n  {bench.command('sft_checkpoint')}"
        )
    return trained


def _as_configured(bench: Workbench, asset: str, sections: tuple[str, ...]) -> Artifact:
    trained = bench.require(asset)
    made = {name: trained.manifest.config[name] for name in sections}
    before, now = flatten(made), flatten(bench.settings(*sections))
    reinforced = bench.experiment.rl.iterations or made.get("rl", {}).get("iterations")
    changed = [
        f"{change.field} {change.first} (now {change.second})"
        for change in differences(before, now)
        # What there was, or is, no choice of cannot have been changed.
        if ({change.field} <= before.keys() & now.keys() or change.field.startswith(WHOLE))
        and change.field not in NO_MATTER
        and (reinforced or not change.field.startswith("rl."))
    ]
    if changed:
        raise MissingUpstreamError(
            f"{trained.manifest.key} was trained with other settings than "
            f"experiments/{bench.experiment.name}.yaml has now: {', '.join(changed)}. Put them "
            f"back, or train anew with\n  {bench.command(asset)}"
        )
    return trained


def changed_since_trained(bench: Workbench) -> list[str]:
    """What was changed since the models that it goes on from were trained, a sentence for each.

    A trained model counts as there whatever it was trained with, since training may have
    taken days; whoever goes on from it should know. Compared are the settings of training and
    of its data, and what manifests say of the schemas and word problems behind the data.
    """
    said = []
    for trained in bench.started_from():
        name = trained.manifest.key.partition("/")[0]
        try:
            experiment = load_experiment(name, bench.root / "experiments")
        except ExperimentError:
            continue  # its file is gone; the model is still what it was
        parent = Workbench(experiment, bench.root, bench.store, bench.tracking, bench.solver)
        changed = _settings_changed(parent, trained)
        fields = ", ".join(f"{d.field} {d.first} (now {d.second})" for d in changed)
        told = [f"with {fields}"] * bool(changed) + _data_changed(parent, trained)
        if told:
            said.append(
                f"goes on from {name} as it was trained, {', and '.join(told)}; to train it "
                f"anew: trace-pipeline run --experiment {name} --until rl_checkpoint"
            )
        with suppress(MissingUpstreamError):  # a grandparent may be gone
            said += changed_since_trained(parent)
    return list(dict.fromkeys(said))


def _settings_changed(bench: Workbench, trained: Artifact) -> list[Difference]:
    """The settings in which this experiment differs from its trained model and their data."""
    made = trained.manifest.config
    compared = [(made, bench.settings(*made))]
    datasets = {f"synthetic_dataset/{EXPERTS[0]}": bench.data_config}
    if bench.experiment.data.gsm8k.has_examples:
        datasets["gsm8k_train_traces"] = bench.real_settings
    for asset, config in datasets.items():
        if bench.store.has(bench.key(asset)):
            compared.append((bench.store.manifest(bench.key(asset)).config, config))
    no_matter = [*NO_MATTER, "word_problems_sha256"]
    if not (bench.experiment.rl.iterations or made.get("rl", {}).get("iterations")):
        no_matter += ["rl.", "decoding.", "solver."]
    return [
        difference
        for before, now in compared
        for difference in differences(flatten(before), flatten(now))
        if not difference.field.startswith(tuple(no_matter))
    ]


def _data_changed(bench: Workbench, trained: Artifact) -> list[str]:
    """What became of the data that this experiment's trained model has, where manifests say it.

    Data made anew with the same examples are the same.
    """
    sft, known = bench.experiment.sft, trained.manifest.parents
    if (sft.average or not sft.epochs) and not bench.experiment.rl.iterations:
        return []  # nothing was trained on data of its own
    keys = [bench.key("synthetic_dataset", expert) for expert in EXPERTS]
    keys.append(bench.key("gsm8k_train_traces"))
    data = [bench.store.manifest(k) for k in keys if k in known and bench.store.has(k)]
    if any(part.sha256 != known[part.key] for part in data):
        return ["on earlier data than it has now"]
    told, audited = [], bench.key("schema_validation")
    read = {part.parents.get(audited) for part in data if part.summary.get("train")}
    if read - {None, bench.catalog_sha256}:
        told.append("before schemas/ or vocab/ changed")
    if any(_word_problems_changed(bench, part.config) for part in data):
        told.append("before its word problems changed")
    return told


def _word_problems_changed(bench: Workbench, made: Mapping[str, Any]) -> bool:
    """Whether the collections that ``made`` names hold something else now, or are gone."""
    before = made.get("word_problems_sha256")
    chosen = bench.experiment.data.gsm8k.word_problems
    if before is None or made["gsm8k"]["word_problems"] != chosen:
        return False  # of none, or of others: a setting, of which is told as such
    try:
        return bool(before != bench.word_problems_sha256)
    except InvalidInputError:
        return True
