"""The completions of an evaluation as a small file of its own."""

from __future__ import annotations

from pathlib import Path

from trace_pipeline.evaluation import Header, write_outputs
from trace_pipeline.pipeline.judging import stored_evaluation
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.provenance import git_state


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
