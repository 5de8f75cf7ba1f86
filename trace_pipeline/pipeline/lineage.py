"""Whether trained models are what the experiment's file says, and come from each other.

An artifact stays in force when the file is edited. What is made of it would then be told under
settings that it never had; so whoever goes on from a trained model asks here first.
"""

from __future__ import annotations

from trace_pipeline.experiment import differences, flatten
from trace_pipeline.pipeline.workbench import NO_MATTER, MissingUpstreamError, Workbench
from trace_pipeline.store import Artifact

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
    from trace_pipeline.modeling.checkpoints import read_info, require_weights

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
