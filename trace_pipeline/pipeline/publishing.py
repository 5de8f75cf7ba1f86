"""The completions of an evaluation as a small file of its own."""

from __future__ import annotations

from pathlib import Path

from trace_pipeline.evaluation import Header, publish_completions, real_benchmark, write_outputs
from trace_pipeline.gsm8k import load_problems
from trace_pipeline.pipeline.judging import stored_evaluation
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.provenance import git_state
from trace_pipeline.solver import Solver


def publish_outputs(bench: Workbench, target: Path) -> str:
    """Write the completions of ``gsm8k_eval`` to ``target``; what was written, in a sentence.

    Raises:
        MissingUpstreamError: the experiment was not evaluated yet.
    """
    stored = bench.require("gsm8k_eval")
    evaluation = stored_evaluation(stored.path)
    header = Header(
        model=f"{bench.experiment.name}, {evaluation.model}",
        benchmark=evaluation.benchmark,
        problems=evaluation.total,
        fingerprint=evaluation.fingerprint,
        checkpoint=stored.manifest.parents[bench.key("rl_checkpoint")],
        revision=git_state().describe(),
    )
    write_outputs(target, evaluation, header)
    return f"{target}: {evaluation.total} completions, {target.stat().st_size / 1000:.0f} kB"


def publish_decoded(name: str, completions: Path, checkpoint: Path, target: Path) -> str:
    """Judge what the bare command ``decode`` wrote, and write it to ``target``.

    Args:
        name: of the experiment, for the file's header.
        completions: the command's output.
        checkpoint: folder of the model that wrote it.
        target: the file to write.

    Raises:
        InvalidInputError: no checkpoint, or completions of other problems than the test set's.
    """
    from trace_pipeline.modeling.checkpoints import read_info

    info = read_info(checkpoint)
    header = Header(
        model=f"{name}, {info.stage}",
        benchmark="",
        problems=0,
        fingerprint="",
        checkpoint=info.weights_sha256,
        revision=git_state().describe(),
    )
    benchmark = real_benchmark(load_problems("auto", "test"))
    found = publish_completions(target, completions, benchmark, Solver(), header)
    return f"{target}: {found.correct}, {target.stat().st_size / 1000:.0f} kB"
