"""The door that Dagster opens."""

from __future__ import annotations

import dagster as dg

from trace_pipeline.pipeline.assets.comparison import reference_runs, run_comparison
from trace_pipeline.pipeline.assets.data import schema_validation, synthetic_dataset
from trace_pipeline.pipeline.assets.evaluation import gsm8k_eval, synthetic_eval
from trace_pipeline.pipeline.assets.models import base_model, rl_checkpoint, sft_checkpoint
from trace_pipeline.pipeline.assets.problems import gsm8k_problems
from trace_pipeline.pipeline.assets.traces import gsm8k_coverage, gsm8k_train_traces
from trace_pipeline.pipeline.automation import nightly_evaluation, schema_files, watch_schemas
from trace_pipeline.pipeline.console import console_logger
from trace_pipeline.pipeline.jobs import ALL_JOBS
from trace_pipeline.pipeline.presentation import present
from trace_pipeline.pipeline.resources import default_resources

defs = dg.Definitions(
    assets=present(
        [
            schema_files,
            schema_validation,
            synthetic_dataset,
            base_model,
            gsm8k_problems,
            gsm8k_train_traces,
            gsm8k_coverage,
            sft_checkpoint,
            rl_checkpoint,
            synthetic_eval,
            gsm8k_eval,
            reference_runs,
            run_comparison,
        ]
    ),
    jobs=ALL_JOBS,
    schedules=[nightly_evaluation],
    sensors=[watch_schemas],
    resources=default_resources(),
    executor=dg.in_process_executor,
    loggers={"console": console_logger},
)
