"""The synthetic data: schemas checked, then verified examples by expert."""

from collections import Counter
from collections.abc import Sequence

import dagster as dg
from pydantic import Field

from trace_pipeline.generation import (
    AuditReport,
    Example,
    Generator,
    audit,
    dataset_hash,
    write_examples,
)
from trace_pipeline.pipeline import metadata
from trace_pipeline.pipeline.automation import MADE_FROM, files_seen, schema_files
from trace_pipeline.pipeline.blocking import failed
from trace_pipeline.pipeline.dataset_tables import statistics_metadata
from trace_pipeline.pipeline.partitions import expert_partitions, keys_of_run, recorded_keys
from trace_pipeline.pipeline.presentation import example_columns, rows_and_columns
from trace_pipeline.pipeline.resources import (
    ArtifactsResource,
    ExperimentResource,
    SolverResource,
    TrackingResource,
    open_workbench,
)
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.solver import Solver, VerdictKind
from trace_pipeline.store import Artifact, object_sha256, write_json
from trace_pipeline.traces import render_trace

SPLITS = ("train", "validation", "test")


class AuditConfig(dg.Config):
    """How thoroughly the schemas are audited."""

    samples: int = Field(default=20, ge=1, description="Examples drawn from each schema.")


@dg.asset(
    group_name="data",
    kinds={"json", "python"},
    deps=[schema_files],
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[
        dg.AssetCheckSpec(
            "audit_clean",
            asset="schema_validation",
            blocking=True,
            description="The audit finds nothing: labels, grounding, grammar, structure, reach, "
            "and the experiment's examples fit its model.",
        )
    ],
)
def schema_validation(
    context: dg.AssetExecutionContext,
    config: AuditConfig,
    experiment: ExperimentResource,
    artifacts: ArtifactsResource,
    tracking: TrackingResource,
    solver: SolverResource,
) -> dg.MaterializeResult:
    """Every problem schema and word list: read, typed, compiled, and audited on samples."""
    bench = open_workbench(experiment, artifacts, tracking, solver)
    context.log_event(files_seen(bench.catalog_sha256))
    report = audit_for(bench, config.samples)
    findings = sum(sum(row.findings.values()) for row in report.rows)
    clean = dg.AssetCheckResult(
        passed=report.ok,
        check_name="audit_clean",
        metadata={"findings": findings, "samples_per_schema": config.samples},
    )
    with bench.store.write(bench.key("schema_validation")) as draft:
        write_json(draft.path / "audit.json", report)
        draft.content_hash = bench.catalog_sha256
        draft.config = {"samples": config.samples}
        draft.summary = {"schemas": len(bench.catalog.plans), "findings": findings}
        draft.failed = failed(clean)
    context.log.info("%d schemas audited, %d findings", len(bench.catalog.plans), findings)
    by_expert = Counter(plan.expert for plan in bench.catalog.plans.values())
    return dg.MaterializeResult(
        data_version=dg.DataVersion(draft.stored.sha256),
        # What was read, not what was last seen before: a sensor that was off makes nothing stale.
        tags={MADE_FROM: bench.catalog_sha256},
        metadata={
            "schemas": len(bench.catalog.plans),
            "schemas_by_expert": metadata.table(["expert", "schemas"], sorted(by_expert.items())),
            "audit": metadata.preformatted(report.to_table()),
            "tokens": metadata.table(
                ["", "longest", "limit"],
                [
                    [
                        "trace (decoding.max_tokens)",
                        report.longest_target,
                        report.max_tokens or "none: overflow is cut",
                    ],
                    [
                        "prompt and trace (sft.max_len)",
                        report.longest_sequence,
                        report.max_len or "none: overflow is cut",
                    ],
                ],
            ),
            **metadata.of_artifact(draft.stored),
        },
        check_results=[clean],
    )


def audit_for(bench: Workbench, samples: int) -> AuditReport:
    """The audit of every schema as the experiment words and names it.

    The tokens of those that it trains on are held against the limits of its model.
    """
    from trace_pipeline.modeling.base.lengths import lengths_for

    used, config = bench.generator, bench.experiment.data
    every = Generator(
        bench.catalog, bench.experiment.seed, naming=config.naming, wording=config.wording
    )
    return audit(every, samples, lengths=lengths_for(bench.experiment), measured=used.plans)


@dg.asset(
    group_name="data",
    kinds={"json", "python"},
    partitions_def=expert_partitions,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[schema_validation],
    check_specs=[
        dg.AssetCheckSpec(
            "gold_through_solver",
            asset="synthetic_dataset",
            blocking=True,
            description="The text of every trace, read and executed, gives the stored answer.",
        ),
        dg.AssetCheckSpec(
            "splits_disjoint",
            asset="synthetic_dataset",
            blocking=True,
            description="No question stands in two of train, validation and test.",
        ),
    ],
)
def synthetic_dataset(
    context: dg.AssetExecutionContext,
    experiment: ExperimentResource,
    artifacts: ArtifactsResource,
    tracking: TrackingResource,
    solver: SolverResource,
) -> dg.MaterializeResult:
    """Verified word problems with their traces, one partition an expert, in three splits."""
    bench = open_workbench(experiment, artifacts, tracking, solver)
    bench.refuse_failed_audit()
    made: dict[str, dict[str, list[Example]]] = {}
    for partition in keys_of_run(context):
        made[partition] = generate_partition(bench, partition)
        context.log.info(
            "%s: %s", partition, ", ".join(f"{len(v)} {k}" for k, v in made[partition].items())
        )
    wrong = failures_through_solver(bench.solver, made)
    shared = shared_questions(made)
    checks = [
        dg.AssetCheckResult(
            passed=not wrong,
            check_name="gold_through_solver",
            metadata=metadata.counted("failures", wrong),
        ),
        dg.AssetCheckResult(
            passed=not shared,
            check_name="splits_disjoint",
            metadata=metadata.counted("shared", shared),
        ),
    ]
    stored: list[Artifact] = []
    for partition, splits in made.items():
        stored.append(store_partition(bench, partition, splits, failed(*checks)))
        if partition not in recorded_keys(context):
            context.log_event(dg.AssetMaterialization("synthetic_dataset", partition=partition))
    rows = [[p, *(len(splits[s]) for s in SPLITS)] for p, splits in made.items()]
    first = [splits["train"][0] for splits in made.values() if splits["train"]]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(object_sha256([[a.manifest.key, a.sha256] for a in stored])),
        metadata={
            **rows_and_columns(
                sum(len(v) for splits in made.values() for v in splits.values()), example_columns()
            ),
            "examples": metadata.table(["partition", *SPLITS], rows),
            **statistics_metadata(bench, (e for splits in made.values() for e in splits["train"])),
            "samples": metadata.sample_traces(first, len(first)),
            "sha256": metadata.table(
                ["artifact", "sha256"],
                [[a.manifest.key, a.sha256[: metadata.HASH_SHOWN]] for a in stored],
            ),
        },
        check_results=checks,
    )


def generate_partition(bench: Workbench, partition: str) -> dict[str, list[Example]]:
    """The three splits of one expert's examples, as the experiment asks for."""
    data = bench.experiment.data
    counts = {"train": data.train, "validation": data.validation, "test": data.test}
    made: dict[str, list[Example]] = {}
    for split, count in counts.items():
        generator, mix = bench.generator, data.mix
        if split == "test":
            generator, mix = bench.test_generator, data.of_test().mix
        made[split] = list(generator.sample(count, mix, split, expert=partition))
    return made


def store_partition(
    bench: Workbench,
    partition: str,
    splits: dict[str, list[Example]],
    failed_checks: Sequence[str] = (),
) -> Artifact:
    """Write one partition; its identity is the hash of its examples, not of the files."""
    with bench.store.write(bench.key("synthetic_dataset", partition)) as draft:
        for split, examples in splits.items():
            write_examples(draft.path / f"{split}.jsonl", examples)
        draft.content_hash = dataset_hash(e for examples in splits.values() for e in examples)
        draft.config = bench.data_config
        draft.seed = bench.experiment.seed
        draft.summary = {split: len(examples) for split, examples in splits.items()}
        draft.parents = {bench.key("schema_validation"): bench.catalog_sha256}
        draft.failed = list(failed_checks)
    return draft.stored


def failures_through_solver(solver: Solver, made: dict[str, dict[str, list[Example]]]) -> list[str]:
    """Examples whose trace, as text, does not earn the verdict ``correct``."""
    found = []
    for splits in made.values():
        for example in (e for examples in splits.values() for e in examples):
            verdict = solver.verify(render_trace(example.trace), example.answer, example.expert)
            if verdict.kind is not VerdictKind.CORRECT:
                found.append(f"{example.schema} {example.split} {example.index}: {verdict.message}")
    return found


def shared_questions(made: dict[str, dict[str, list[Example]]]) -> list[str]:
    """Questions that stand in more than one split, over all partitions at hand."""
    where: dict[str, set[str]] = {}
    for splits in made.values():
        for split, examples in splits.items():
            for example in examples:
                where.setdefault(example.question, set()).add(split)
    return [question for question, splits in where.items() if len(splits) > 1]
