"""One partition of the synthetic data per expert, alphabetical."""

from __future__ import annotations

import dagster as dg

from trace_pipeline.experiment import EXPERTS

expert_partitions = dg.StaticPartitionsDefinition(list(EXPERTS))

ALL_EXPERTS_TAGS = {
    "dagster/asset_partition_range_start": EXPERTS[0],
    "dagster/asset_partition_range_end": EXPERTS[-1],
}
"""Tags with which one run of a job covers every partition."""
