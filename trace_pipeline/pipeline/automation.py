"""What happens by itself: schemas are watched, and an evaluation can run every night."""

from __future__ import annotations

import dagster as dg

from trace_pipeline.paths import project_root
from trace_pipeline.pipeline.jobs import evaluate
from trace_pipeline.pipeline.workbench import catalog_sha256

SCHEMA_FILES = dg.AssetKey("schema_files")

DATA_VERSION = "dagster/data_version"
"""The tag in which Dagster keeps the version of what an event speaks of."""

MADE_FROM = f"dagster/input_data_version/{SCHEMA_FILES.to_user_string()}"
"""The tag of a materialisation that says from which state of the schema files it was made."""


schema_files = dg.AssetSpec(
    SCHEMA_FILES,
    group_name="data",
    kinds={"json"},
    description=(
        "The problem schemas and word lists, schemas/ and vocab/, as people write them. Dagster "
        "is told of their hash, so that a change marks what was made from them as stale."
    ),
)


def files_seen(sha256: str) -> dg.AssetMaterialization:
    """That the schema files were seen in the state ``sha256``."""
    return dg.AssetMaterialization(SCHEMA_FILES, tags={DATA_VERSION: sha256})


@dg.sensor(
    name="watch_schemas",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Watches schemas/ and vocab/: a changed file marks what follows as stale. "
    "Starts no run.",
)
def watch_schemas(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Report the hash of the schema files whenever it is another than the last one reported."""
    found = catalog_sha256(project_root())
    last = context.instance.get_latest_materialization_event(SCHEMA_FILES)
    seen = last.asset_materialization if last else None
    if seen and (seen.tags or {}).get(DATA_VERSION) == found:
        return dg.SkipReason("schemas/ and vocab/ are as they were")
    return dg.SensorResult(asset_events=[files_seen(found)])


nightly_evaluation = dg.ScheduleDefinition(
    name="nightly_evaluation",
    job=evaluate,
    cron_schedule="0 3 * * *",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="The trained checkpoint evaluated at three every night (UTC). Off by default.",
)
