"""What the trained model can do: on held-out synthetic problems and on real ones."""

from collections.abc import Sequence

import dagster as dg

from trace_pipeline.evaluation import (
    MARKDOWN,
    PAGE,
    BenchmarkKind,
    CautionCode,
    Evaluation,
    Forgetting,
    Report,
    accuracy_figure,
    groups_figure,
    groups_table,
    models_table,
    outcomes_table,
    real_benchmark,
    samples_table,
    synthetic_benchmark,
    verdicts_figure,
    with_reference_traces,
    write_evaluation,
    write_report,
)
from trace_pipeline.experiment import Experiment
from trace_pipeline.generation import read_examples
from trace_pipeline.gsm8k import read_problem_set
from trace_pipeline.pipeline import metadata
from trace_pipeline.pipeline.assets.models import rl_checkpoint
from trace_pipeline.pipeline.assets.problems import gsm8k_problems
from trace_pipeline.pipeline.assets.traces import gsm8k_train_traces
from trace_pipeline.pipeline.blocking import failed
from trace_pipeline.pipeline.card import CARD, Trained, model_card, origin
from trace_pipeline.pipeline.forgetting import FORGETTING, forgetting_metrics, measure_forgetting
from trace_pipeline.pipeline.judging import (
    BASELINE,
    FEW_SHOT,
    PREDICTIONS,
    baseline,
    decoding_config,
    failures_metadata,
    few_shot_baseline,
    judge,
    learnt_shapes,
    stored_evaluation,
    unfinished,
)
from trace_pipeline.pipeline.lineage import trained_model
from trace_pipeline.pipeline.policies import curves, open_base, open_policy, training_data
from trace_pipeline.pipeline.presentation import (
    PREDICTION_MEANINGS,
    parquet_columns,
    rows_and_columns,
)
from trace_pipeline.pipeline.registry import WEIGHTS
from trace_pipeline.pipeline.resources import (
    ArtifactsResource,
    ExperimentResource,
    SolverResource,
    TrackingResource,
    open_workbench,
)
from trace_pipeline.pipeline.tracking import Stage
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.store import Artifact, write_json


@dg.asset(
    group_name="evaluation",
    kinds={"parquet", "markdown"},
    deps=[rl_checkpoint],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def synthetic_eval(
    context: dg.AssetExecutionContext,
    experiment: ExperimentResource,
    artifacts: ArtifactsResource,
    tracking: TrackingResource,
    solver: SolverResource,
) -> dg.MaterializeResult:
    """The trained model on held-out synthetic problems: has it mastered the format?"""
    bench = open_workbench(experiment, artifacts, tracking, solver)
    checkpoint = trained_model(bench)
    partitions = bench.partitions()
    examples = [e for a in partitions for e in read_examples(a.path / "test.jsonl")]
    benchmark = synthetic_benchmark(examples)
    policy = open_policy(bench, checkpoint)
    dataset = bench.dataset_hash(partitions)
    with (
        bench.alone("synthetic_eval"),
        bench.stage("synthetic_eval", dataset) as stage,
        unfinished(bench, "synthetic_eval", checkpoint, benchmark) as folder,
    ):
        answering, decoding = bench.experiment.eval.answer, decoding_config(bench)
        evaluation = judge(bench, policy, benchmark, decoding, "rl", answering, folder)
        report = build_report(bench, evaluation, checkpoint)
        stored = _store(bench, "synthetic_eval", evaluation, [checkpoint, *partitions], report)
        stage.finals({f"synthetic.{k}": v for k, v in evaluation.metrics().items()})
        _log_files(stage, stored)
    context.log.info("held-out synthetic problems: %s", evaluation.correct)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(stored.sha256),
        metadata={
            "accuracy": evaluation.correct.rate,
            "parsed": evaluation.parsed.rate,
            "report": _page(stored),
            "by_expert": metadata.of_table(groups_table("", "expert", evaluation.by_expert())),
            "outcomes": metadata.of_table(outcomes_table(evaluation)),
            "by_steps": metadata.of_table(groups_table("", "steps", evaluation.by_steps())),
            **failures_metadata(evaluation),
            "plot": metadata.picture(
                groups_figure(evaluation.by_expert(), "Held-out synthetic problems", "expert"),
                "accuracy by expert",
            ),
            **metadata.of_stage(stage),
            **_predictions(stored, evaluation),
            **metadata.of_artifact(stored),
        },
    )


@dg.asset(
    group_name="evaluation",
    kinds={"parquet", "markdown"},
    deps=[rl_checkpoint, gsm8k_problems, gsm8k_train_traces, synthetic_eval],
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[
        dg.AssetCheckSpec(
            "not_trained_on_these_problems",
            asset="gsm8k_eval",
            blocking=True,
            description="The checkpoint learned from no example that overlaps with a problem.",
        ),
        dg.AssetCheckSpec(
            "enough_problems",
            asset="gsm8k_eval",
            description="At least 100 problems; fewer cannot tell runs apart.",
        ),
        dg.AssetCheckSpec(
            "reasoning_beyond_format",
            asset="gsm8k_eval",
            description="A model that parses over 95 % also solves more than the untuned base.",
        ),
    ],
)
def gsm8k_eval(
    context: dg.AssetExecutionContext,
    experiment: ExperimentResource,
    artifacts: ArtifactsResource,
    tracking: TrackingResource,
    solver: SolverResource,
) -> dg.MaterializeResult:
    """The trained model on real problems, the untuned base beside it (zero- and few-shot)."""
    bench = open_workbench(experiment, artifacts, tracking, solver)
    checkpoint, problems = trained_model(bench), bench.require("gsm8k_problems")
    taken_from = origin(bench.experiment, bench.root / "experiments")  # or it fails here, not late
    partitions = bench.partitions()
    problem_set = read_problem_set(problems.path / "problems.json")
    benchmark = real_benchmark(problem_set)
    if bench.experiment.eval.problems != "all":
        benchmark = benchmark.first(bench.experiment.eval.problems)
    benchmark = with_reference_traces(benchmark, problem_set.problems, learnt_shapes(bench))
    dataset = bench.dataset_hash(partitions)
    learned = overlapping_examples(bench, partitions)
    untouched = dg.AssetCheckResult(
        passed=not learned,
        check_name="not_trained_on_these_problems",
        metadata={"overlapping_training_examples": learned, "problems": benchmark.source},
    )
    with (
        bench.alone("gsm8k_eval"),
        bench.stage("gsm8k_eval", dataset) as stage,
        unfinished(bench, "gsm8k_eval", checkpoint, benchmark) as folder,
    ):
        traces, untuned = bench.require("gsm8k_train_traces"), open_base(bench)
        base = baseline(bench, untuned, benchmark)
        few_shot = few_shot_baseline(bench, untuned, benchmark, traces)
        policy = open_policy(bench, checkpoint)
        answering, decoding = bench.experiment.eval.answer, decoding_config(bench)
        evaluation = judge(bench, policy, benchmark, decoding, "rl", answering, folder)
        forgetting = None
        if bench.experiment.eval.forgetting:
            forgetting = measure_forgetting(bench, untuned, policy)
        report = build_report(bench, evaluation, checkpoint, base, few_shot, forgetting)
        card = describe_model(bench, checkpoint, report, taken_from)
        parents = [checkpoint, problems, traces]
        barred = failed(untouched)
        stored = _store(bench, "gsm8k_eval", evaluation, parents, report, card, barred)
        finals = {f"gsm8k.{k}": v for k, v in evaluation.metrics().items()}
        finals |= forgetting_metrics(forgetting)
        for name, untrained in (("gsm8k_base", base), ("gsm8k_base_few_shot", few_shot)):
            if untrained:
                finals |= {f"{name}.{k}": v for k, v in untrained.metrics().items()}
        stage.finals(finals)
        _log_files(stage, stored)
        stage.log.dataset(
            benchmark.name,
            evaluation.fingerprint,
            benchmark.source,
            "evaluation",
            f'{{"problems": {evaluation.total}}}',
        )
        if not barred:
            stage.log.model(
                bench.experiment.name,
                stored.path / CARD,
                {
                    WEIGHTS: checkpoint.sha256,
                    "artifact": f"{checkpoint.manifest.key}/{checkpoint.manifest.version}",
                    "base_model": bench.experiment.model.reference,
                    "accuracy": f"{evaluation.correct}",
                    "answered_by": evaluation.model,
                    "problems": benchmark.name,
                },
            )
    context.log.info("%s", report.headline)
    for caution in report.cautions:
        context.log.warning(caution.text)
    raised = {caution.code: caution.text for caution in report.cautions}
    return dg.MaterializeResult(
        data_version=dg.DataVersion(stored.sha256),
        metadata={
            "headline": report.headline,
            "accuracy": evaluation.correct.rate,
            "report": _page(stored),
            "model_card": dg.MetadataValue.md(card),
            "models": metadata.of_table(models_table(report.models)),
            "by_steps": metadata.of_table(groups_table("", "steps", evaluation.by_steps())),
            "by_doubt": metadata.of_table(groups_table("", "doubt", evaluation.by_doubt())),
            "outcomes": metadata.of_table(outcomes_table(evaluation)),
            **failures_metadata(evaluation),
            "samples": metadata.of_table(samples_table(evaluation)),
            "accuracy_plot": metadata.picture(accuracy_figure(report.models), "accuracy"),
            "verdicts_plot": metadata.picture(verdicts_figure(report.models), "verdicts"),
            **metadata.of_stage(stage),
            **_predictions(stored, evaluation),
            **({"forgetting": metadata.of_table(forgetting.table())} if forgetting else {}),
            **metadata.of_artifact(stored),
        },
        check_results=[
            untouched,
            _warning("enough_problems", raised.get(CautionCode.FEW_PROBLEMS)),
            _warning("reasoning_beyond_format", raised.get(CautionCode.FORMAT_WITHOUT_REASONING)),
        ],
    )


def overlapping_examples(bench: Workbench, partitions: list[Artifact]) -> int:
    """Training examples that overlap with a problem and were not dropped before training.

    Training drops what overlaps with the problems it knew of; these may be others since.
    """
    known = bench.require("sft_checkpoint").manifest.parents[bench.key("gsm8k_problems")]
    if known == bench.store.manifest(bench.key("gsm8k_problems")).sha256:
        return 0
    return len(training_data(bench, partitions).dropped.train_indices)


def build_report(
    bench: Workbench,
    evaluation: Evaluation,
    checkpoint: Artifact,
    base: Evaluation | None = None,
    few_shot: Evaluation | None = None,
    forgetting: Forgetting | None = None,
) -> Report:
    """The report of an evaluation; beside real problems stand the same checkpoint's synthetic."""
    synthetic = None
    key = bench.key("synthetic_eval")
    if evaluation.kind is not BenchmarkKind.SYNTHETIC and bench.store.has(key):
        beside = bench.store.read(key)
        if beside.manifest.parents.get(checkpoint.manifest.key) == checkpoint.sha256:
            synthetic = stored_evaluation(beside.path)
    manifest = checkpoint.manifest
    return Report(
        title=bench.experiment.name,
        evaluation=evaluation,
        base=base,
        others=(few_shot,) if few_shot else (),
        synthetic=synthetic,
        curves=tuple(curves(bench)),
        forgetting=forgetting,
        facts=(
            ("base model", bench.experiment.model.reference),
            ("checkpoint", f"{manifest.key} version {manifest.version}"),
            ("checkpoint sha256", manifest.sha256),
            ("seed", str(bench.experiment.seed)),
            ("git revision", manifest.git.describe()),
        ),
    )


def describe_model(
    bench: Workbench, checkpoint: Artifact, report: Report, taken_from: Experiment | None
) -> str:
    """The card of the evaluated checkpoint, which ``taken_from`` trained, if that is another."""
    from trace_pipeline.modeling.storage.checkpoints import read_info

    info, manifest = read_info(checkpoint.path), checkpoint.manifest
    beside = [report.synthetic] if report.synthetic else []
    return model_card(
        Trained(
            bench.experiment,
            manifest.git.describe(),
            manifest.created,
            f"artifact `{manifest.key}`, version {manifest.version}",
            info.parameters_trained,
            info.parameters_total,
            info.base_sha256,
            info.weights_sha256,
            taken_from,
        ),
        [report.evaluation, *beside],
        report.forgetting,
    )


def _store(
    bench: Workbench,
    asset: str,
    evaluation: Evaluation,
    parents: list[Artifact],
    report: Report,
    card: str = "",
    failed_checks: Sequence[str] = (),
) -> Artifact:
    with bench.store.write(bench.key(asset)) as draft:
        write_evaluation(draft.path / PREDICTIONS, evaluation)
        if card:
            (draft.path / CARD).write_text(card, encoding="utf-8")
        write_report(draft.path, report)
        beside = {BASELINE: report.base, FEW_SHOT: next(iter(report.others), None)}
        for name, untuned in beside.items():
            if untuned:
                (draft.path / name).mkdir()
                write_evaluation(draft.path / name / PREDICTIONS, untuned)
        if report.forgetting:
            write_json(draft.path / FORGETTING, report.forgetting)
        settings = bench.experiment.to_dict()
        draft.config = {name: settings[name] for name in ("decoding", "eval", "solver")}
        draft.summary = evaluation.metrics() | forgetting_metrics(report.forgetting)
        draft.derive_from(*parents)
        draft.failed = list(failed_checks)
    return draft.stored


def _predictions(stored: Artifact, evaluation: Evaluation) -> dict[str, dg.MetadataValue]:
    columns = parquet_columns(stored.path / PREDICTIONS, PREDICTION_MEANINGS)
    return rows_and_columns(evaluation.total, columns)


def _log_files(stage: Stage, stored: Artifact) -> None:
    for name in (MARKDOWN, PAGE, PREDICTIONS):
        stage.log.artifact(stored.path / name, "report")


def _page(stored: Artifact) -> dg.MetadataValue:
    return dg.MetadataValue.path(str(stored.path / PAGE))


def _warning(name: str, text: str | None) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=text is None,
        check_name=name,
        severity=dg.AssetCheckSeverity.WARN,
        description=text,
    )
