"""Real training problems as traces, and how much of them the schemas cover."""

from collections.abc import Sequence

import dagster as dg

from trace_pipeline.generation import Example, Generator, write_examples
from trace_pipeline.generation.sharing import usable_cores
from trace_pipeline.gsm8k import (
    find_overlaps,
    load_training_problems,
    read_problem_set,
)
from trace_pipeline.gsm8k.conversion import read_conversions, write_conversions
from trace_pipeline.gsm8k.coverage import CoverageReport, coverage
from trace_pipeline.gsm8k.training import TrainingTraces, training_traces
from trace_pipeline.pipeline import metadata
from trace_pipeline.pipeline.assets.data import schema_validation
from trace_pipeline.pipeline.assets.problems import gsm8k_problems
from trace_pipeline.pipeline.blocking import failed
from trace_pipeline.pipeline.judging import EXAMPLES_PER_SCHEMA
from trace_pipeline.pipeline.resources import (
    ArtifactsResource,
    ExperimentResource,
    SolverResource,
    TrackingResource,
    open_workbench,
)
from trace_pipeline.pipeline.trace_tables import (
    conversion_metadata,
    coverage_metadata,
    coverage_records,
    shape_records,
)
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.solver import Solver, VerdictKind
from trace_pipeline.store import Artifact, write_json
from trace_pipeline.traces import render_trace


@dg.asset(
    group_name="problems",
    kinds={"json", "python"},
    deps=[gsm8k_problems],
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[
        dg.AssetCheckSpec(
            "gold_through_solver",
            asset="gsm8k_train_traces",
            blocking=True,
            description="The text of every trace, read and executed, gives the gold answer.",
        ),
        dg.AssetCheckSpec(
            "no_test_question_left",
            asset="gsm8k_train_traces",
            blocking=True,
            description="No trace, variant or prompt example is of a question that equals a "
            "test question or shares 13 words in a row with one.",
        ),
        dg.AssetCheckSpec(
            "parts_disjoint",
            asset="gsm8k_train_traces",
            blocking=True,
            description="No question is both trained on and held out for validation.",
        ),
        dg.AssetCheckSpec(
            "every_line_usable",
            asset="gsm8k_train_traces",
            description="No line of the problem file was rejected; the metadata lists those.",
        ),
    ],
)
def gsm8k_train_traces(
    context: dg.AssetExecutionContext,
    experiment: ExperimentResource,
    artifacts: ArtifactsResource,
    tracking: TrackingResource,
    solver: SolverResource,
) -> dg.MaterializeResult:
    """GSM-8K's training problems as verified traces, with variants, in a train and a held-out part.

    Without GSM-8K at hand these are the built-in examples, which are never scored.
    """
    from trace_pipeline.modeling.progress import Progress

    bench = open_workbench(experiment, artifacts, tracking, solver)
    config, test = bench.experiment.data.gsm8k, bench.require("gsm8k_problems")
    test_set = read_problem_set(test.path / "problems.json")
    asked = [problem.question for problem in test_set.problems]
    source = bench.experiment.eval.gsm8k
    problems = load_training_problems(source, required=bool(config.train))
    own = bench.word_problems()
    count = len(problems.problems) + len(own.problems)
    with Progress("converting", count, "problems") as shown:
        made = training_traces(
            problems, asked, config, bench.experiment.seed, own, usable_cores(), shown.update
        )
    for note in problems.notes:
        (context.log.warning if config.train else context.log.info)(note)
    context.log.info("%s: %s", problems.name, made.report.describe())
    context.log.info(made.overlap.describe())
    if config.word_problems:
        context.log.info("%s: %s", own.name, made.own.report.describe())
        context.log.info(made.own.overlap.describe())
        unused = len(own.rejected) + len(made.own.report.failures) + len(made.own.unsure)
        if unused:
            context.log.warning(
                "%d word problems give no trace that is sure enough and are left out; "
                "`trace-pipeline word-problems %s` says which and why",
                unused,
                " ".join(config.word_problems),
            )
    if config.train != "all" and config.train > made.available:
        context.log.warning(
            "data.gsm8k.train asks for %d problems; %s has %d that are sure enough",
            config.train,
            problems.name,
            made.available,
        )
    wrong = wrong_traces(bench.solver, made)
    left = find_overlaps(questions_of(made), asked)
    shared = sorted({e.question for e in made.examples} & {e.question for e in made.validation})
    compared = f"{len(asked):,} problems, {test_set.source}"
    if problems.is_gsm8k and not test_set.is_gsm8k:
        compared += "; GSM-8K's test set was not at hand"
    blocking = [
        dg.AssetCheckResult(
            passed=not wrong,
            check_name="gold_through_solver",
            metadata=metadata.counted("failures", wrong),
        ),
        dg.AssetCheckResult(
            passed=left.clean,
            check_name="no_test_question_left",
            metadata={
                "dropped_problems": len(made.overlap.train_indices),
                "dropped_variants": made.dropped_variants,
                "left": left.describe(),
                "compared_with": compared,
            },
        ),
        dg.AssetCheckResult(
            passed=not shared,
            check_name="parts_disjoint",
            metadata=metadata.counted("shared", shared),
        ),
    ]
    stored = store_traces(bench, made, test, problems.source, failed(*blocking))
    return dg.MaterializeResult(
        data_version=dg.DataVersion(stored.sha256),
        metadata={
            "source": problems.source,
            "trained_on": _trained_on(made)
            if config.has_examples
            else "nothing: data.gsm8k.train is 0",
            **conversion_metadata(made, problems),
            "notes": "\n".join(problems.notes) or "none",
            **metadata.of_artifact(stored),
        },
        check_results=[
            *blocking,
            dg.AssetCheckResult(
                passed=not problems.rejected and not own.rejected,
                check_name="every_line_usable",
                severity=dg.AssetCheckSeverity.WARN,
                metadata=metadata.counted(
                    "rejected",
                    [f"line {r.line}: {r.reason}" for r in problems.rejected + own.rejected],
                ),
            ),
        ],
    )


def store_traces(
    bench: Workbench,
    made: TrainingTraces,
    problems: Artifact,
    source: str,
    failed_checks: Sequence[str] = (),
) -> Artifact:
    """Write all conversions, what of them is trained on and held out, and the failures."""
    with bench.store.write(bench.key("gsm8k_train_traces")) as draft:
        write_conversions(draft.path / "traces.jsonl", made.report)
        write_examples(draft.path / "train.jsonl", made.examples)
        write_examples(draft.path / "validation.jsonl", made.validation)
        write_json(draft.path / "shots.json", made.shots)
        write_json(draft.path / "failures.json", made.report.failures)
        write_json(draft.path / "rejected.json", made.report.rejected)
        draft.config = bench.real_config
        draft.seed = bench.experiment.seed
        draft.summary = {
            "source": source,
            "converted": len(made.report.conversions),
            "failed": len(made.report.failures),
            "rejected": len(made.report.rejected),
            "dropped": len(made.overlap.train_indices),
            "train": len(made.train),
            "variants": len(made.variants),
            "contrasts": len(made.contrasts),
            "intermediate": len(made.intermediate),
            "validation": len(made.validation),
            "word_problems": len(made.own.train),
            "word_problem_variants": len(made.own.variants),
        }
        draft.derive_from(problems)
        draft.failed = list(failed_checks)
    return draft.stored


def _trained_on(made: TrainingTraces) -> str:
    counts = {
        "problems": made.train,
        "variants": made.variants,
        "contrasts": made.contrasts,
        "intermediate questions": made.intermediate,
        "word problems": made.own.train,
        "variants of these": made.own.variants,
    }
    return ", ".join(f"{len(examples):,} {what}" for what, examples in counts.items())


def wrong_traces(solver: Solver, made: TrainingTraces) -> list[str]:
    """Conversions and variants whose trace, as text, does not earn the verdict ``correct``."""
    solved = [(f"problem {c.index}", c.trace, c.answer) for c in made.report.conversions]
    solved += [(f"word problem {c.index}", c.trace, c.answer) for c in made.own.report.conversions]
    solved += [(f"{e.schema} {e.index}", e.trace, e.answer) for e in made.examples]
    found = []
    for name, trace, answer in solved:
        verdict = solver.verify(render_trace(trace), answer)
        if verdict.kind is not VerdictKind.CORRECT:
            found.append(f"{name}: {verdict.kind}: {verdict.message}")
    return found


def questions_of(made: TrainingTraces) -> list[str]:
    """Every question that is kept for training, choices or prompts."""
    kept = [conversion.question for conversion in made.report.conversions]
    made_anew = [e.question for e in made.copies + made.own.train + made.own.variants]
    return kept + made_anew + [shown.question for shown in made.shots]


@dg.asset(
    group_name="problems",
    kinds={"json", "python"},
    deps=[gsm8k_train_traces, schema_validation],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def gsm8k_coverage(
    context: dg.AssetExecutionContext,
    experiment: ExperimentResource,
    artifacts: ArtifactsResource,
    tracking: TrackingResource,
    solver: SolverResource,
) -> dg.MaterializeResult:
    """Which real problems the schemas compute: the list from which new schemas are written."""
    bench = open_workbench(experiment, artifacts, tracking, solver)
    bench.refuse_failed_audit()
    traces = bench.require("gsm8k_train_traces")
    solved = read_conversions(traces.path / "traces.jsonl")
    report = coverage(solved, schema_examples(bench))
    with bench.store.write(bench.key("gsm8k_coverage")) as draft:
        write_json(draft.path / "problems.json", coverage_records(report))
        write_json(draft.path / "uncovered_shapes.json", shape_records(report))
        draft.config = {"examples_per_schema": EXAMPLES_PER_SCHEMA}
        draft.summary = {str(kind): count for kind, count in report.counts().items()}
        draft.derive_from(traces)
        draft.parents[bench.key("schema_validation")] = bench.catalog_sha256
    context.log.info("%s", _sentence(report))
    questions = {problem.index: problem.question for problem in solved}
    return dg.MaterializeResult(
        data_version=dg.DataVersion(draft.stored.sha256),
        metadata={
            "problems": len(report.problems),
            "source": traces.manifest.summary["source"],
            **coverage_metadata(report, questions),
            **metadata.of_artifact(draft.stored),
        },
    )


def schema_examples(bench: Workbench) -> list[Example]:
    """A few examples of every schema, those that the experiment does not draw from included."""
    generator = Generator(bench.catalog, verify=False)
    return [
        generator.example(schema, index)
        for schema in sorted(bench.catalog.plans)
        for index in range(EXAMPLES_PER_SCHEMA)
    ]


def _sentence(report: CoverageReport) -> str:
    counts = report.counts()
    shown = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
    return f"{len(report.problems):,} problems against the schemas: {shown}"
