"""Jobs: the whole chain, the data alone, the evaluation alone."""

from __future__ import annotations

import dagster as dg

from trace_pipeline.pipeline.partitions import EVERY_PARTITION
from trace_pipeline.pipeline.resources import ExperimentResource

FORM = {"resources": {"experiment": {"config": {"name": ExperimentResource().name}}}}
"""What the launchpad shows to be filled in: the experiment, with the one at work as default."""

ALL = " Covers every partition, whichever one the launchpad is given."

full_pipeline = dg.define_asset_job(
    "full_pipeline",
    selection=dg.AssetSelection.all(),
    tags=EVERY_PARTITION,
    config=FORM,
    description="Everything, from the schemas to the report, for one experiment." + ALL,
)

data_only = dg.define_asset_job(
    "data_only",
    selection=dg.AssetSelection.groups("data", "problems"),
    tags=EVERY_PARTITION,
    config=FORM,
    description="Schemas audited, every partition of the synthetic data, the real problems." + ALL,
)

evaluate = dg.define_asset_job(
    "evaluate",
    selection=dg.AssetSelection.groups("evaluation"),
    config=FORM,
    description="The trained checkpoint on synthetic and on real problems, and the report.",
)

ALL_JOBS = [full_pipeline, data_only, evaluate]
