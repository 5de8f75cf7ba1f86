"""A trained model as a plain transformers folder, with its card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trace_pipeline.gsm8k import load_problems
from trace_pipeline.pipeline.card import CARD, Trained, front_matter, model_card, origin
from trace_pipeline.pipeline.policies import open_base
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.provenance import git_state
from trace_pipeline.validation import InvalidInputError


def export_model(bench: Workbench, folder: Path) -> str:
    """Write the experiment's trained model to ``folder``; what was written, in a sentence.

    Raises:
        InvalidInputError: ``folder`` exists.
        MissingUpstreamError: the experiment has no trained model yet, or the evaluation of
            this very model failed a blocking check.
    """
    from trace_pipeline.modeling.storage.checkpoints import export_checkpoint

    checkpoint = bench.require("rl_checkpoint")
    card = _card(bench, checkpoint.sha256)
    export_checkpoint(checkpoint.path, folder, open_base(bench))
    if card is None:
        return (
            f"{folder}: a transformers folder, without a card: this checkpoint was not evaluated "
            f"yet; {bench.command('gsm8k_eval')}"
        )
    head = front_matter(bench.experiment.model.reference)
    (folder / "README.md").write_text(head + card.read_text(encoding="utf-8"), encoding="utf-8")
    return f"{folder}: a transformers folder; README.md is its card"


def export_bare(bench: Workbench, checkpoint: Path, folder: Path, outputs: Sequence[Path]) -> str:
    """Write a checkpoint that the bare commands of ``modeling`` made to ``folder``, with a card.

    Args:
        bench: of the experiment that it was trained as.
        checkpoint: the folder of the stage.
        folder: to write.
        outputs: published files of what it wrote on the test set, which the card is to say.

    Raises:
        InvalidInputError: ``folder`` exists, no checkpoint, or outputs of another one.
    """
    from trace_pipeline.evaluation import read_outputs, real_benchmark, rescore
    from trace_pipeline.modeling.storage.checkpoints import export_checkpoint, read_info
    from trace_pipeline.solver import Solver

    experiment = bench.experiment
    info = read_info(checkpoint)
    benchmark = real_benchmark(load_problems("auto", "test")) if outputs else None
    evaluations = []
    for path in outputs:
        header, _ = read_outputs(path)
        if header.checkpoint != info.weights_sha256:
            raise InvalidInputError(
                f"{path}: {header.model} wrote it with the weights {header.checkpoint[:12]}, of "
                f"another checkpoint than {checkpoint} ({info.weights_sha256[:12]})"
            )
        assert benchmark is not None
        evaluations.append(rescore(path, benchmark, Solver(), experiment.eval.answer))
    export_checkpoint(checkpoint, folder)
    trained = Trained(
        experiment,
        f"{git_state().describe()} at the export",
        info.created,
        f"stage {info.stage} of the commands of trace_pipeline.modeling",
        info.parameters_trained,
        info.parameters_total,
        info.base_sha256,
        info.weights_sha256,
        origin(bench.experiment, bench.root / "experiments"),
    )
    card = front_matter(experiment.model.reference) + model_card(trained, evaluations)
    (folder / "README.md").write_text(card, encoding="utf-8")
    return f"{folder}: a transformers folder; README.md is its card"


def _card(bench: Workbench, checkpoint: str) -> Path | None:
    """The card of the evaluation of ``checkpoint``, if that is the last one."""
    key = bench.key("gsm8k_eval")
    if not bench.store.has(key):
        return None
    if bench.store.manifest(key).parents.get(bench.key("rl_checkpoint")) != checkpoint:
        return None  # of another checkpoint, whatever became of that
    path = bench.require("gsm8k_eval").path / CARD
    return path if path.is_file() else None
