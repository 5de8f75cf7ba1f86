"""The completions of an evaluation as a small file of its own."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from trace_pipeline.evaluation import (
    Benchmark,
    Header,
    answerer,
    publish_completions,
    real_benchmark,
    write_outputs,
)
from trace_pipeline.generation import read_examples
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
    model, sampled = evaluation.model, evaluation.sampled
    if sampled is not None:
        # The file has the one that was chosen of each problem's samples, as its name must say;
        # what was stored by an earlier version does not.
        answering = stored.manifest.config["eval"].get("answer", "first")
        model = answerer(model, answering, sampled.voters, bool(sampled.greedy))
    header = Header(
        model=f"{bench.experiment.name}, {model}",
        benchmark=evaluation.benchmark,
        problems=evaluation.total,
        fingerprint=evaluation.fingerprint,
        checkpoint=stored.manifest.parents[bench.key("rl_checkpoint")],
        revision=git_state().describe(),
    )
    write_outputs(target, evaluation, header)
    return f"{target}: {evaluation.total} completions, {target.stat().st_size / 1000:.0f} kB"


def publish_decoded(
    name: str,
    completions: Path,
    checkpoint: Path,
    target: Path,
    held_out: Workbench | None = None,
) -> str:
    """Judge what the bare command ``decode`` wrote, and write it to ``target``.

    Args:
        name: of the experiment, for the file's header; it need not be a preset here.
        completions: the command's output.
        checkpoint: folder of the model that wrote it.
        target: the file to write.
        held_out: whose held-out training problems they answer; the test set's by default.

    Raises:
        InvalidInputError: no checkpoint, or completions of other problems.
        MissingUpstreamError: the training problems were not converted yet.
    """
    from trace_pipeline.modeling.storage.checkpoints import read_info

    info = read_info(checkpoint)
    header = Header(
        model=f"{name}, {info.stage}",
        benchmark="",
        problems=0,
        fingerprint="",
        checkpoint=info.weights_sha256,
        revision=git_state().describe(),
    )
    if held_out is None:
        benchmark = real_benchmark(load_problems("auto", "test"))
    else:
        benchmark = _held_out(held_out)
    found = publish_completions(target, completions, benchmark, Solver(), header)
    return f"{target}: {found.correct}, {target.stat().st_size / 1000:.0f} kB"


def _held_out(bench: Workbench) -> Benchmark:
    """The held-out training problems, in the order of their file."""
    traces = bench.require("gsm8k_train_traces")
    everything = real_benchmark(load_problems(bench.experiment.eval.gsm8k, "train"))
    items = {item.index: item for item in everything.items}
    held_out = read_examples(traces.path / "validation.jsonl")
    return replace(everything, items=tuple(items[example.index] for example in held_out))
