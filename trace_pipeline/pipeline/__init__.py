"""The Dagster pipeline; the only place that knows Dagster and MLflow."""

import warnings

# Dagster repeats at every start that this parameter is in beta; the pinned version has it.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`")
