"""The whole chain as one Dagster run, for a person at a terminal."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Sequence

import dagster as dg

from trace_pipeline.paths import project_root
from trace_pipeline.pipeline.console import cause, is_interruption
from trace_pipeline.pipeline.interrupted import close_dead_runs, noted
from trace_pipeline.pipeline.metadata import MLFLOW_SECONDS
from trace_pipeline.pipeline.partitions import RANGE_TAGS
from trace_pipeline.pipeline.resources import ArtifactsResource, bench_of
from trace_pipeline.pipeline.summary import summary
from trace_pipeline.pipeline.unfinished import begin, end
from trace_pipeline.validation import InvalidInputError, unknown_name


class PipelineError(InvalidInputError):
    """A run of which a step or a blocking check failed; the message says which, and why."""


class InterruptedRunError(PipelineError):
    """A run that somebody stopped; the message says how to go on."""

    stopped = True


_TRAINED = dg.AssetKey("sft_checkpoint")
"""The first asset whose work is worth keeping."""
_TRAINING = ("sft_checkpoint", "rl_checkpoint")


def run_pipeline(
    name: str,
    definitions: dg.Definitions,
    processes: int = 1,
    *until: str,
    again: str = "",
    retrain: bool = False,
) -> str:
    """Run everything of the experiment ``name`` and return the closing table.

    The run is recorded in the project's Dagster instance, so the UI shows it. Earlier ones that
    were killed on this host are marked there as failed. One that did not come to its end is gone
    on with: what it has trained and decoded is taken over.

    Args:
        name: of the experiment.
        definitions: the code location.
        processes: that SFT trains in.
        until: the assets to stop after; what they do not need is left out. All, when absent.
        again: the command that a person typed, which messages name.
        retrain: discard what such a run has left.

    Raises:
        PipelineError: a step or a blocking check failed, or there is no such asset.
        InterruptedRunError: it was stopped.
    """
    wanted = _up_to(until, definitions) if until else None
    root = project_root()
    os.chdir(root)
    os.environ["TRACE_PIPELINE_EXPERIMENT"] = name
    if not os.environ.get("DAGSTER_HOME"):  # set to nothing it means nothing
        os.environ["DAGSTER_HOME"] = str(root)
    started = time.monotonic()
    store = ArtifactsResource().store()
    if retrain or wanted is None or _TRAINED in wanted:
        begin(store, name, retrain)
    run_id = str(uuid.uuid4())
    config = {"name": name, "processes": processes, "goes_on": True}
    with dg.DagsterInstance.get() as instance:
        close_dead_runs(instance)
        with noted(instance, run_id):
            result = definitions.resolve_job_def("full_pipeline").execute_in_process(
                instance=instance,
                run_id=run_id,
                tags={**RANGE_TAGS, "experiment": name},
                raise_on_error=False,
                asset_selection=wanted,
                run_config={
                    "loggers": {"console": {}},
                    "resources": {"experiment": {"config": config}},
                },
            )
    if not result.success:
        again = again or f"trace-pipeline run --experiment {name}"
        if any(is_interruption(event) for event in _failed(result)):
            raise InterruptedRunError(_how_to_go_on(result, again))
        raise PipelineError(
            f"{failures(result)}\nAfter mending it, `{again}` goes on; what has passed its checks "
            "is not trained again with the same settings on the same data"
        )
    if not until:
        end(store, name)
    whole, told = time.monotonic() - started, seconds_of_tracking(result)
    done = f"{', '.join(until)} and what is needed for it: done" if until else "done"
    closing = (
        f"{done} in {whole / 60:.1f} minutes; {told:.1f} s of them ({100 * told / whole:.1f} %) "
        "went into telling MLflow"
    )
    return f"\n{closing}" if until else f"\n{summary(bench_of(name))}\n\n{closing}"


def untrained_parents(
    name: str, definitions: dg.Definitions, until: Sequence[str] = ()
) -> list[str]:
    """What ``name`` goes on from and has no trained model, in the order in which to train it.

    Args:
        name: of the experiment.
        definitions: the code location.
        until: the assets to stop after; where they need no training, no parent does.

    Raises:
        InvalidInputError: experiments that go on from each other, or one that is not there.
    """
    if until and _TRAINED not in _up_to(until, definitions):
        return []
    found: list[str] = []
    _add_parents(name, [], found)
    return found


def _add_parents(name: str, below: list[str], found: list[str]) -> None:
    """Add the untrained parents of ``name``, theirs before them."""
    path, bench = [*below, name], bench_of(name)
    sft = bench.experiment.sft
    for parent in [sft.continues, *sft.average]:
        if parent in path:
            raise InvalidInputError(
                f"{' goes on from '.join([*path, parent])}: change sft.continues or sft.average of "
                "one of them"
            )
        if not parent or parent in found or bench.store.has(f"{parent}/rl_checkpoint"):
            continue
        _add_parents(parent, path, found)
        found.append(parent)


def failures(result: dg.ExecuteInProcessResult) -> str:
    """A line for each failed step with its cause; for the run, if it failed outside of them.

    What the console logger wrote may be lost: Dagster sends a step's standard error through a
    file, of which it does not always show the end.
    """
    steps = [event for event in result.all_events if event.is_step_failure]
    runs = [event for event in result.all_events if event.is_job_failure]
    told = [f"{event.step_key} failed: {cause(event)}" for event in steps]
    return "\n".join(told or [f"the run failed: {cause(event)}" for event in runs] or ["failed"])


def _failed(result: dg.ExecuteInProcessResult) -> list[dg.DagsterEvent]:
    return [event for event in result.all_events if event.is_step_failure or event.is_job_failure]


def _how_to_go_on(result: dg.ExecuteInProcessResult, again: str) -> str:
    """Where somebody stopped the run, and what the command that began it makes of that."""
    keys = (event.step_key for event in _failed(result) if is_interruption(event))
    step = next((key for key in keys if key), None)
    place = f"interrupted in {step}" if step else "interrupted"
    if step in _TRAINING:
        return f"{place}; `{again}` goes on from the last snapshot, if there is one"
    return f"{place}; `{again}` goes on; what is trained and decoded is not done again"


def seconds_of_tracking(result: dg.ExecuteInProcessResult) -> float:
    """Seconds that the run's assets spent on telling MLflow, as their metadata say."""
    made = [event.materialization for event in result.all_events if event.is_step_materialization]
    shown = [materialization.metadata.get(MLFLOW_SECONDS) for materialization in made]
    return sum(v.value or 0.0 for v in shown if isinstance(v, dg.FloatMetadataValue))


def _up_to(assets: Sequence[str], definitions: dg.Definitions) -> list[dg.AssetKey]:
    """``assets`` and all that they are made from."""
    graph = definitions.resolve_asset_graph()
    keys = [dg.AssetKey(asset) for asset in assets]
    for asset, key in zip(assets, keys, strict=True):
        if key not in graph.materializable_asset_keys:
            known = sorted(known.to_user_string() for known in graph.materializable_asset_keys)
            raise PipelineError(unknown_name("asset", asset, known))
    return sorted(dg.AssetSelection.assets(*keys).upstream().resolve(graph))
