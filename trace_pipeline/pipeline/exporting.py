"""A trained model as a plain transformers folder, with its card."""

from __future__ import annotations

from pathlib import Path

from trace_pipeline.pipeline.card import CARD, front_matter
from trace_pipeline.pipeline.policies import open_base
from trace_pipeline.pipeline.workbench import Workbench
from trace_pipeline.store import MissingArtifactError


def export_model(bench: Workbench, folder: Path) -> str:
    """Write the experiment's trained model to ``folder``; what was written, in a sentence.

    Raises:
        InvalidInputError: ``folder`` exists.
        MissingUpstreamError: the experiment has no trained model yet.
    """
    from trace_pipeline.modeling.checkpoints import export_checkpoint

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


def _card(bench: Workbench, checkpoint: str) -> Path | None:
    """The card of the evaluation of ``checkpoint``, if that is the last one."""
    try:
        found = bench.store.read(bench.key("gsm8k_eval"))
    except MissingArtifactError:
        return None
    same = found.manifest.parents.get(bench.key("rl_checkpoint")) == checkpoint
    path = found.path / CARD
    return path if same and path.is_file() else None
