"""Real problems: GSM-8K from a folder or the hub, else the built-in sample."""

import dagster as dg

from trace_pipeline.gsm8k import load_problems, write_problem_set
from trace_pipeline.pipeline import metadata
from trace_pipeline.pipeline.resources import (
    ArtifactsResource,
    ExperimentResource,
    SolverResource,
    TrackingResource,
    open_workbench,
)


@dg.asset(
    group_name="problems",
    kinds={"json"},
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def gsm8k_problems(
    context: dg.AssetExecutionContext,
    experiment: ExperimentResource,
    artifacts: ArtifactsResource,
    tracking: TrackingResource,
    solver: SolverResource,
) -> dg.MaterializeResult:
    """The problems that models are evaluated on; never trained on."""
    bench = open_workbench(experiment, artifacts, tracking, solver)
    problems = load_problems(bench.experiment.eval.gsm8k, "test")
    with bench.store.write(bench.key("gsm8k_problems")) as draft:
        write_problem_set(draft.path / "problems.json", problems)
        draft.config = {"gsm8k": bench.experiment.eval.gsm8k}
        draft.summary = {
            "name": problems.name,
            "source": problems.source,
            "problems": len(problems.problems),
            "rejected": len(problems.rejected),
        }
    for note in problems.notes:
        context.log.warning(note)
    context.log.info("%d problems: %s", len(problems.problems), problems.source)
    steps = [problem.steps for problem in problems.problems]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(draft.stored.sha256),
        metadata={
            "name": problems.name,
            "source": problems.source,
            "problems": len(problems.problems),
            "rejected_lines": metadata.table(
                ["line", "reason"], [[r.line, r.reason] for r in problems.rejected]
            ),
            "annotated_steps": metadata.table(
                ["steps", "problems"], [[n, steps.count(n)] for n in sorted(set(steps))]
            ),
            "notes": "\n".join(problems.notes) or "none",
            **metadata.of_artifact(draft.stored),
        },
    )
