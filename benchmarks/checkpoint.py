"""A checkpoint that writes traces, for benchmarks of decoding: trained once, then cached.

``python -m benchmarks.checkpoint`` trains it ahead (two minutes on two cores; resumes).
"""

from __future__ import annotations

import logging
from pathlib import Path

from msgspec.structs import replace

from trace_pipeline.experiment import load_experiment
from trace_pipeline.generation import Catalog, Example, Generator
from trace_pipeline.modeling.base.base_models import resolve_base
from trace_pipeline.modeling.sft.finetuning import train_sft
from trace_pipeline.modeling.storage.checkpoints import INFO
from trace_pipeline.store import default_cache

EXPERIMENT = "quickstart"
TRAIN = 96
"""Training examples: enough to write traces that end, not more."""
ROOT = Path(__file__).parent.parent


def trained_folder() -> Path:
    """The folder of an SFT checkpoint by the quickstart experiment; trains it where needed."""
    folder = default_cache() / "benchmarks" / f"{EXPERIMENT}-{TRAIN}"
    if not (folder / INFO).is_file():
        experiment = load_experiment(EXPERIMENT, ROOT / "experiments")
        experiment = replace(experiment, sft=replace(experiment.sft, save_every=6))
        base = resolve_base(experiment.model.reference)
        train_sft(experiment, base, examples(TRAIN, "train"), folder)
    return folder


def examples(count: int, split: str) -> list[Example]:
    """``count`` examples of the quickstart experiment's data."""
    experiment = load_experiment(EXPERIMENT, ROOT / "experiments")
    data = experiment.data
    catalog = Catalog.load(ROOT / "schemas", ROOT / "vocab")
    generator = Generator(catalog, experiment.seed, schemas=data.schemas)
    return list(generator.sample(count, data.mix, split))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    print(trained_folder())
