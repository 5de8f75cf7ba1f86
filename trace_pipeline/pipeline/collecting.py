"""Small results of finished experiments, for docs/results/claims."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, convert

from trace_pipeline.evaluation import real_benchmark, synthetic_benchmark
from trace_pipeline.evaluation.results import Outcomes, Result, RolloutCount, outcomes_of
from trace_pipeline.experiment import EXPERTS
from trace_pipeline.gsm8k import load_problems
from trace_pipeline.pipeline.comparing import settings_of
from trace_pipeline.pipeline.judging import BASELINE, stored_evaluation
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.solver import Solver, VerdictKind
from trace_pipeline.store import Artifact, ArtifactStore, object_sha256
from trace_pipeline.traces import Reason


class _Rolled(Struct, frozen=True):
    """What is counted of a kept rollout."""

    iteration: int
    text: str
    kind: str


def collect(store: ArtifactStore, names: Iterable[str]) -> list[Result]:
    """The results of those experiments of ``names`` whose evaluations are stored and complete.

    Both evaluations must be of the RL checkpoint in force and have failed no blocking check; others
    are left out.
    """
    found = []
    for name in names:
        keys = [f"{name}/{a}" for a in ("rl_checkpoint", "synthetic_eval", "gsm8k_eval")]
        if not all(store.has(key) for key in keys):
            continue
        checkpoint, synthetic, real = (store.read(key) for key in keys)
        made_from = {e.manifest.parents.get(keys[0]) for e in (synthetic, real)}
        if made_from == {checkpoint.sha256} and not real.manifest.failed:
            found.append(_result(store, name, checkpoint, synthetic, real))
    return found


def asks_other_problems(bench: Workbench, result: Result) -> bool:
    """Whether the experiment's problems are others now than those of ``result``.

    Schemas and words change; results on the problems of then pair with each other only. Real
    problems are others where the built-in sample stood in for GSM-8K, which is at hand now.
    """
    data = bench.experiment.data
    examples = [
        example
        for expert in EXPERTS
        for example in bench.test_generator.sample(
            data.test, data.of_test().mix, "test", expert=expert
        )
    ]
    now = synthetic_benchmark(examples).fingerprint
    if result.evaluations["synthetic"].problems_sha256 != now:
        return True
    problems = load_problems(bench.experiment.eval.gsm8k, "test")
    scored = result.evaluations["gsm8k"]
    real = real_benchmark(problems).first(len(scored.correct))
    return problems.is_gsm8k and scored.problems_sha256 != real.fingerprint


def _result(
    store: ArtifactStore, name: str, checkpoint: Artifact, synthetic: Artifact, real: Artifact
) -> Result:
    settings = settings_of(store, name)
    evaluations = {"synthetic": _outcomes(synthetic), "gsm8k": _outcomes(real)}
    if (real.path / BASELINE).is_dir():
        evaluations["gsm8k_base"] = outcomes_of(stored_evaluation(real.path / BASELINE))
    parents = checkpoint.manifest.parents
    dataset = {key: sha for key, sha in parents.items() if "/synthetic_dataset/" in key}
    return Result(
        experiment=name,
        settings=settings,
        settings_sha256=object_sha256(settings),
        base_sha256=str(store.manifest(f"{name}/base_model").summary["sha256"]),
        dataset_sha256=object_sha256(sorted(dataset.values())),
        checkpoint_sha256=checkpoint.sha256,
        git=real.manifest.git.revision + (" (changed)" if real.manifest.git.dirty else ""),
        created=real.manifest.created,
        evaluations=evaluations,
        rollouts=count_short_circuits(checkpoint),
    )


def _outcomes(artifact: Artifact) -> Outcomes:
    return outcomes_of(stored_evaluation(artifact.path))


def count_short_circuits(checkpoint: Artifact) -> list[RolloutCount]:
    """Short circuits by iteration, by today's rules even where the run accepted them."""
    from trace_pipeline.modeling.rl.kept_rollouts import read_rollouts

    solver = Solver()
    counted: dict[int, list[tuple[bool, bool]]] = {}
    for record in read_rollouts(checkpoint.path):
        rollout = convert(record, _Rolled)
        short = solver.verify(rollout.text, 0).reason is Reason.SHORT_CIRCUIT
        correct = rollout.kind == VerdictKind.CORRECT
        counted.setdefault(rollout.iteration, []).append((correct, short))
    return [
        RolloutCount(
            iteration=iteration,
            rollouts=len(pairs),
            correct=sum(correct for correct, _ in pairs),
            short_circuits=sum(short for _, short in pairs),
        )
        for iteration, pairs in sorted(counted.items())
    ]
