"""Evaluation: scoring through the solver, statistics, cautions, figures and reports."""

from trace_pipeline.evaluation.benchmark import (
    Benchmark,
    BenchmarkKind,
    Item,
    real_benchmark,
    synthetic_benchmark,
    with_reference_traces,
)
from trace_pipeline.evaluation.cautions import Caution, CautionCode, cautions
from trace_pipeline.evaluation.comparison import Comparison, compare
from trace_pipeline.evaluation.diagnosis import Category, Diagnosed, Diagnosis, diagnose
from trace_pipeline.evaluation.failures import (
    FailureExample,
    categories_table,
    examples_markdown,
    failure_examples,
    failures_table,
)
from trace_pipeline.evaluation.figures import (
    Form,
    accuracy_figure,
    diagnoses_figure,
    groups_figure,
    loss_figure,
    reward_figure,
    sample_size_figure,
    verdicts_figure,
)
from trace_pipeline.evaluation.forgetting import TOLERATED_PERPLEXITY, Drift, Forgetting
from trace_pipeline.evaluation.outputs import Header, Output, read_outputs, rescore, write_outputs
from trace_pipeline.evaluation.page import render_html
from trace_pipeline.evaluation.parquet import read_evaluation, write_evaluation
from trace_pipeline.evaluation.report import Figure, Report, render_markdown
from trace_pipeline.evaluation.report_files import MARKDOWN, PAGE, write_report
from trace_pipeline.evaluation.scoring import Completion, Evaluation, Group, Prediction, score
from trace_pipeline.evaluation.statistics import (
    Interval,
    McNemar,
    PairedDifference,
    Proportion,
    majority_vote,
    mcnemar_exact,
    paired_bootstrap,
    pass_at_k,
    subset_interval,
    wilson_interval,
)
from trace_pipeline.evaluation.tables import (
    Table,
    groups_table,
    models_table,
    outcomes_table,
    samples_table,
    sizes_table,
    statuses_table,
)

__all__ = [
    "MARKDOWN",
    "PAGE",
    "TOLERATED_PERPLEXITY",
    "Benchmark",
    "BenchmarkKind",
    "Category",
    "Caution",
    "CautionCode",
    "Comparison",
    "Completion",
    "Diagnosed",
    "Diagnosis",
    "Drift",
    "Evaluation",
    "FailureExample",
    "Figure",
    "Forgetting",
    "Form",
    "Group",
    "Header",
    "Interval",
    "Item",
    "McNemar",
    "Output",
    "PairedDifference",
    "Prediction",
    "Proportion",
    "Report",
    "Table",
    "accuracy_figure",
    "categories_table",
    "cautions",
    "compare",
    "diagnose",
    "diagnoses_figure",
    "examples_markdown",
    "failure_examples",
    "failures_table",
    "groups_figure",
    "groups_table",
    "loss_figure",
    "majority_vote",
    "mcnemar_exact",
    "models_table",
    "outcomes_table",
    "paired_bootstrap",
    "pass_at_k",
    "read_evaluation",
    "read_outputs",
    "real_benchmark",
    "render_html",
    "render_markdown",
    "rescore",
    "reward_figure",
    "sample_size_figure",
    "samples_table",
    "score",
    "sizes_table",
    "statuses_table",
    "subset_interval",
    "synthetic_benchmark",
    "verdicts_figure",
    "wilson_interval",
    "with_reference_traces",
    "write_evaluation",
    "write_outputs",
    "write_report",
]
