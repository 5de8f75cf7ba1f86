"""The models: base, fine-tuned, reinforced."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from trace_pipeline.evaluation import loss_figure
from trace_pipeline.pipeline import metadata, reinforcement
from trace_pipeline.pipeline.assets.data import synthetic_dataset
from trace_pipeline.pipeline.assets.problems import gsm8k_problems
from trace_pipeline.pipeline.assets.traces import gsm8k_train_traces
from trace_pipeline.pipeline.lineage import changed_since_trained, fine_tuned_model
from trace_pipeline.pipeline.policies import (
    METRICS,
    open_base,
    require_rl_data,
    sft_settings,
    train_checkpoint,
    train_or_average,
    training_data,
    truncated_examples,
)
from trace_pipeline.pipeline.resources import (
    ArtifactsResource,
    ExperimentResource,
    SolverResource,
    TrackingResource,
    open_workbench,
)
from trace_pipeline.store import write_json
from trace_pipeline.validation import InvalidInputError

if TYPE_CHECKING:
    from trace_pipeline.modeling.base.base_models import BaseModel


def _loads_and_differs(asset: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        "loads_and_differs_from_parent",
        asset=asset,
        blocking=True,
        description="The stored checkpoint loads, is finite, and is not its parent.",
    )


@dg.asset(
    group_name="models",
    kinds={"huggingface"},
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def base_model(
    context: dg.AssetExecutionContext,
    experiment: ExperimentResource,
    artifacts: ArtifactsResource,
    tracking: TrackingResource,
    solver: SolverResource,
) -> dg.MaterializeResult:
    """The pretrained model: found, converted to safetensors if need be, and identified."""
    from trace_pipeline.modeling.base.base_models import resolve_base

    bench = open_workbench(experiment, artifacts, tracking, solver)
    base = resolve_base(bench.experiment.model.reference)
    with bench.store.write(bench.key("base_model")) as draft:
        description = {"reference": base.reference, "sha256": base.sha256}
        write_json(draft.path / "base_model.json", description)
        draft.config = {"reference": base.reference}
        draft.summary = description
        draft.content_hash = base.sha256
    context.log.info("base model %s (%s) in %s", base.reference, base.sha256[:12], base.folder)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(base.sha256),
        metadata={
            "reference": base.reference,
            "local_folder": dg.MetadataValue.path(str(base.folder)),
            **metadata.of_artifact(draft.stored),
        },
    )


@dg.asset(
    group_name="models",
    kinds={"pytorch"},
    deps=[
        dg.AssetDep(synthetic_dataset, partition_mapping=dg.AllPartitionMapping()),
        base_model,
        gsm8k_problems,
        gsm8k_train_traces,
    ],
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[
        dg.AssetCheckSpec(
            "no_test_question_in_training",
            asset="sft_checkpoint",
            blocking=True,
            description="No training question equals a test question or shares 13 words in a row.",
        ),
        dg.AssetCheckSpec(
            "no_example_truncated",
            asset="sft_checkpoint",
            blocking=True,
            description="Every training target fits sft.max_len whole.",
        ),
        _loads_and_differs("sft_checkpoint"),
    ],
)
def sft_checkpoint(
    context: dg.AssetExecutionContext,
    experiment: ExperimentResource,
    artifacts: ArtifactsResource,
    tracking: TrackingResource,
    solver: SolverResource,
) -> dg.MaterializeResult:
    """The base model fine-tuned to write the traces of synthetic examples and real problems.

    With ``sft.average`` it is the mean of models that were trained before.
    """
    from trace_pipeline.modeling.storage.records import read_records

    bench = open_workbench(experiment, artifacts, tracking, solver)
    partitions, base = bench.partitions(), open_base(bench)
    data = training_data(bench, partitions)
    examples = data.train + data.real
    context.log.info(
        "%d synthetic and %d real training examples; %s",
        len(data.train),
        len(data.real),
        data.dropped.describe(),
    )
    compared: dict[str, Any] = {
        "dropped_before_training": len(data.dropped.train_indices),
        "left": data.left.describe(),
        "compared_with": f"{len(data.problems.problems)} problems, {data.problems.source}"
        + ("" if data.problems.is_gsm8k else "; GSM-8K's test set was not at hand"),
    }
    if not data.left.clean:
        # Nothing is trained, so the check is told here; its last result would stay otherwise.
        context.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=context.asset_key,
                check_name="no_test_question_in_training",
                passed=False,
                metadata=compared,
                blocking=True,
            )
        )
        raise dg.Failure(f"test questions would be trained on: {data.left.describe()}")
    require_rl_data(bench.experiment, data)
    started_from = bench.started_from()
    for warning in changed_since_trained(bench):
        context.log.warning(warning)
    parents = [
        *started_from,
        *partitions,
        *bench.real_traces(),
        bench.require("base_model"),
        bench.require("gsm8k_problems"),
    ]
    before = started_from[0].path if started_from else base
    as_it_is = "sft.epochs: 0 takes the model of sft.continues as it is"
    with bench.alone("sft_checkpoint"), bench.stage("sft", bench.dataset_hash(partitions)) as stage:
        stage.log.dataset(
            "synthetic",
            bench.dataset_hash(partitions),
            f"{bench.store.url}/{bench.key('synthetic_dataset')}",
            "training",
            f'{{"train": {len(data.train)}, "validation": {len(data.validation)}}}',
        )
        for traces in bench.real_traces():
            stage.log.dataset(
                "gsm8k_train_traces",
                traces.sha256,
                f"{bench.store.url}/{traces.manifest.key}",
                "training",
                f'{{"train": {len(data.real)}, "validation": {len(data.real_validation)}}}',
            )
        stored, info, differs = train_checkpoint(
            bench,
            "sft_checkpoint",
            parents,
            sft_settings(bench),
            lambda folder, tell: train_or_average(
                bench, base, data, folder, tell, experiment.processes
            ),
            lambda step, values: stage.metrics({f"sft.{k}": v for k, v in values.items()}, step),
            lambda folder, _info: _compared(
                folder,
                before,
                base,
                "" if bench.experiment.sft.epochs else as_it_is,
                intended=not bench.experiment.sft.epochs,
            ),
        )
        stage.finals({f"sft.final_{name}": value for name, value in info.metrics.items()})
    truncated = truncated_examples(bench, base, examples)
    records = read_records(stored.path / METRICS)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(stored.sha256),
        metadata={
            "training_examples": len(examples) if bench.experiment.sft.epochs else 0,
            "synthetic_examples": len(data.train),
            "real_examples": len(data.real),
            "parameters_trained": info.parameters_trained,
            **({"final_loss": info.metrics["loss"]} if "loss" in info.metrics else {}),
            **_validation_loss(info.metrics),
            **(
                {"loss_curve": metadata.picture(loss_figure(records), "loss by step")}
                if records
                else {}
            ),
            "samples": metadata.sample_traces([*data.train[:2], *data.real[:2]], 4),
            **metadata.of_stage(stage),
            **metadata.of_artifact(stored),
        },
        check_results=[
            dg.AssetCheckResult(
                passed=data.left.clean,
                check_name="no_test_question_in_training",
                metadata=compared,
            ),
            dg.AssetCheckResult(
                passed=not truncated,
                check_name="no_example_truncated",
                severity=dg.AssetCheckSeverity.WARN,
                description="sft.overflow: cut allows truncated targets; for the ablation alone"
                if bench.experiment.sft.overflow == "cut"
                else "an example over sft.max_len stops training",
                metadata={"truncated_examples": truncated, "examples": len(examples)},
            ),
            differs,
        ],
    )


@dg.asset(
    group_name="models",
    kinds={"pytorch"},
    deps=[sft_checkpoint],
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[_loads_and_differs("rl_checkpoint")],
)
def rl_checkpoint(
    context: dg.AssetExecutionContext,
    experiment: ExperimentResource,
    artifacts: ArtifactsResource,
    tracking: TrackingResource,
    solver: SolverResource,
) -> dg.MaterializeResult:
    """The fine-tuned model reinforced with rewards that the solver verifies."""
    from trace_pipeline.modeling.rl.kept_rollouts import read_rollouts
    from trace_pipeline.modeling.rl.reinforcement import train_rl
    from trace_pipeline.modeling.storage.records import read_records

    bench = open_workbench(experiment, artifacts, tracking, solver)
    sft, base, partitions = fine_tuned_model(bench), open_base(bench), bench.partitions()
    data = training_data(bench, partitions)
    settings = bench.settings("seed", "model", "prompt", "sft", "rl", "decoding", "solver")
    with bench.alone("rl_checkpoint"), bench.stage("rl", bench.dataset_hash(partitions)) as stage:
        stored, info, differs = train_checkpoint(
            bench,
            "rl_checkpoint",
            [sft, *partitions, *bench.real_traces()],
            settings,
            lambda folder, tell: train_rl(
                bench.experiment,
                sft.path,
                data.train,
                data.validation,
                folder,
                base,
                tell,
                data.real,
                data.real_validation,
            ),
            lambda step, values: stage.metrics({f"rl.{k}": v for k, v in values.items()}, step),
            lambda folder, info: _compared(
                folder,
                sft.path,
                base,
                reinforcement.why_unchanged(read_records(folder / METRICS), info.selected),
            ),
        )
        stage.finals({f"rl.final_{name}": value for name, value in info.metrics.items()})
    records = read_records(stored.path / METRICS)
    unchanged = reinforcement.why_unchanged(records, info.selected)
    if unchanged:
        context.log.warning("the checkpoint is the SFT checkpoint: %s", unchanged)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(stored.sha256),
        metadata={
            "method": bench.experiment.rl.method,
            "iterations": sum(record["iteration"] > 0 for record in records),
            "parameters_trained": info.parameters_trained,
            **reinforcement.described(info.stopped, info.selected),
            **reinforcement.shown(records),
            **reinforcement.samples(read_rollouts(stored.path)),
            **metadata.of_stage(stage),
            **metadata.of_artifact(stored),
        },
        check_results=[differs],
    )


def _compared(
    folder: Path,
    before: "Path | BaseModel",
    base: "BaseModel",
    unchanged: str,
    intended: bool = False,
) -> dg.AssetCheckResult:
    """The result of the check that a finished checkpoint loads and is not its parent.

    Args:
        folder: the checkpoint.
        before: what it started from.
        base: the base model of both.
        unchanged: why it may equal its parent; empty if it should not.
        intended: whether it is then as it should be.
    """
    from trace_pipeline.modeling.storage.changes import checkpoint_differs_from, differs_from_record
    from trace_pipeline.modeling.storage.checkpoints import read_info

    compared: dict[str, float | str] = {}
    severity = dg.AssetCheckSeverity.WARN if unchanged else dg.AssetCheckSeverity.ERROR
    try:
        if read_info(folder).elsewhere:
            unchanged = "only its record is here: the weights stayed where they were trained"
            differs, intended, severity = False, False, dg.AssetCheckSeverity.WARN
        elif isinstance(before, Path) and read_info(before).elsewhere:
            differs = differs_from_record(folder, before)
            compared["compared_by"] = "hash, since of the parent only the record is here"
        else:
            change = checkpoint_differs_from(folder, before, base)
            differs = change > 0
            compared["largest_change_of_a_weight"] = change
    except InvalidInputError as error:  # it is stored all the same, to be looked at
        unchanged = str(error).removeprefix(f"{folder}: ")
        differs, intended, severity = False, False, dg.AssetCheckSeverity.ERROR
    return dg.AssetCheckResult(
        passed=differs or intended,
        check_name="loads_and_differs_from_parent",
        severity=severity,
        description=unchanged or None,
        metadata=compared,
    )


def _validation_loss(metrics: Mapping[str, float]) -> dict[str, float]:
    """The loss on the held-out examples; nothing where there are none."""
    return {"validation_loss": metrics["val_loss"]} if "val_loss" in metrics else {}
