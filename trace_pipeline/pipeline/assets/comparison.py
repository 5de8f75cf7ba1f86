"""Runs beside each other: the notebook's published figures, and the comparison of all."""

import time

import dagster as dg
from pydantic import Field

from trace_pipeline.evaluation.plain import to_markdown
from trace_pipeline.evaluation.reference import load_reference
from trace_pipeline.evaluation.runs import runs_table
from trace_pipeline.paths import project_root
from trace_pipeline.pipeline import metadata
from trace_pipeline.pipeline.assets.evaluation import gsm8k_eval, synthetic_eval
from trace_pipeline.pipeline.comparing import choose, comparison
from trace_pipeline.pipeline.reference import publish_reference
from trace_pipeline.pipeline.resources import ArtifactsResource, TrackingResource
from trace_pipeline.store import object_sha256, write_atomic, write_json

SHARED = "_shared"
"""First part of the keys of what belongs to no single experiment."""

REPORT = "comparison.md"


class ComparisonConfig(dg.Config):
    """What is compared."""

    runs: list[str] = Field(
        default=[],
        description="Experiments, or notebook:run_18 for the notebook's; empty: all. Of those "
        "named, the first is compared with every other.",
    )
    common: bool = Field(
        default=False,
        description="Compare the problems that two runs have in common although they differ in "
        "base model, split or problems; else that is refused.",
    )


@dg.asset(
    group_name="comparison",
    kinds={"mlflow"},
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def reference_runs(
    context: dg.AssetExecutionContext, artifacts: ArtifactsResource, tracking: TrackingResource
) -> dg.MaterializeResult:
    """The notebook's published runs in MLflow, tagged ``source=notebook``, each once."""
    store, reference = artifacts.store(), load_reference()
    folder = store.local_folder(f"{SHARED}/tracking")
    began = time.monotonic()
    there, absent = publish_reference(
        reference, folder, project_root() / "experiments", tracking.tracking()
    )
    seconds = time.monotonic() - began
    with store.write(f"{SHARED}/reference_runs") as draft:
        write_json(draft.path / "notebook.json", reference)
        draft.summary = {"runs": len(reference.runs), "in_mlflow": there}
    if absent:
        context.log.warning("%d runs wait for MLflow; trace-pipeline sync sends them", absent)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(draft.stored.sha256),
        metadata={
            "runs": len(reference.runs),
            "in_mlflow": there,
            metadata.MLFLOW_SECONDS: round(seconds, 2),
            "table": metadata.of_table(runs_table([], reference.runs)),
            **metadata.of_artifact(draft.stored),
        },
    )


@dg.asset(
    group_name="comparison",
    kinds={"markdown"},
    deps=[gsm8k_eval, synthetic_eval, reference_runs],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def run_comparison(
    context: dg.AssetExecutionContext,
    config: ComparisonConfig,
    artifacts: ArtifactsResource,
    tracking: TrackingResource,
) -> dg.MaterializeResult:
    """Finished experiments and the notebook's runs in one table, and what changed between them."""
    store = artifacts.store()
    chosen = choose(store, tracking.tracking(), config.runs)
    sections = comparison(chosen, config.common, strict=bool(config.runs))
    text = to_markdown("Comparison of runs", sections)
    with store.write(f"{SHARED}/run_comparison") as draft:
        write_atomic(draft.path / REPORT, text.encode())
        draft.config = {"runs": config.runs, "common": config.common}
        draft.content_hash = object_sha256(text)
        draft.summary = {
            "runs": [run.name for run in chosen.runs],
            "references": len(chosen.references),
        }
    context.log.info("%d runs, %d published", len(chosen.runs), len(chosen.references))
    return dg.MaterializeResult(
        data_version=dg.DataVersion(draft.stored.sha256),
        metadata={
            "report": dg.MetadataValue.path(str(draft.stored.path / REPORT)),
            "runs": metadata.of_table(runs_table(chosen.runs, chosen.references)),
            "comparison": dg.MetadataValue.md(text),
            **metadata.of_artifact(draft.stored),
        },
    )
