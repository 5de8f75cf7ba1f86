"""A project whose tiny model knows four problems by heart, so that it can be asked."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from tests.modeling.tiny import experiment, make_tiny_model, problems
from trace_pipeline.modeling.base.base_models import resolve_base
from trace_pipeline.modeling.sft.finetuning import train_sft
from trace_pipeline.store import ArtifactStore

ROOT = Path(__file__).parents[1]
EXPERIMENT = """\
description: A tiny model that knows four problems.
model: {{reference: {base}, dtype: float32, device: cpu}}
prompt: {{system: none, template: plain}}
{settings}
"""


def make_knowing_project(
    folder: Path, experiments: Mapping[str, str], untrained: Collection[str] = ()
) -> Path:
    """Experiments by name with their further settings; all but ``untrained`` have the model."""
    base = resolve_base(str(make_tiny_model(folder / "base")))
    trained = folder / "trained"
    train_sft(experiment(sft={"epochs": 60, "trainable": "all"}), base, problems(4), trained)
    (folder / "experiments").mkdir()
    for name in ("schemas", "vocab"):
        (folder / name).symlink_to(ROOT / name)
    store = ArtifactStore(str(folder / "artifacts"))
    for name, settings in experiments.items():
        text = EXPERIMENT.format(base=base.folder, settings=settings)
        (folder / "experiments" / f"{name}.yaml").write_text(text)
        if name in untrained:
            continue
        with store.write(f"{name}/base_model") as draft:
            draft.summary = {"sha256": base.sha256}
        for stage in ("sft", "rl"):
            with store.write(f"{name}/{stage}_checkpoint") as draft:
                shutil.copytree(trained, draft.path, dirs_exist_ok=True)
    return folder
