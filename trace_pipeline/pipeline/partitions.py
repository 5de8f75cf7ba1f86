"""One partition of the synthetic data per expert, alphabetical."""

from __future__ import annotations

import dagster as dg

from trace_pipeline.experiment import EXPERTS

expert_partitions = dg.StaticPartitionsDefinition(list(EXPERTS))

RANGE_TAGS = {
    "dagster/asset_partition_range_start": EXPERTS[0],
    "dagster/asset_partition_range_end": EXPERTS[-1],
}
"""Tags with which one run covers every partition; not for jobs, whose launchpad refuses them."""

EVERY_PARTITION = {"trace_pipeline/partitions": "all"}
"""Tag of a job whose runs cover every partition, whichever one the launchpad is given."""


def keys_of_run(context: dg.AssetExecutionContext) -> list[str]:
    """The partitions that a run covers.

    The launchpad of a job makes a person pick one; where the job is for all of them, that one
    says nothing.
    """
    if EVERY_PARTITION.items() <= context.run.tags.items():
        return list(EXPERTS)
    return list(context.partition_keys)


def recorded_keys(context: dg.AssetExecutionContext) -> list[str]:
    """The partitions whose materialisation Dagster records by itself at the end of the step."""
    known = context.has_partition_key or context.has_partition_key_range
    return list(context.partition_keys) if known else []
