from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.modeling.tiny import experiment, make_tiny_model, problems
from trace_pipeline.modeling.base.base_models import BaseModel, resolve_base
from trace_pipeline.modeling.sft.finetuning import train_sft
from trace_pipeline.modeling.storage.checkpoints import Policy, load_base_policy


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # tests may run side by side


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    return resolve_base(str(make_tiny_model(tmp_path_factory.mktemp("base") / "tiny")))


@pytest.fixture
def policy(base: BaseModel) -> Policy:
    return load_base_policy(base, experiment().prompt, "float32", "cpu")


@pytest.fixture(scope="session")
def sft_folder(base: BaseModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that writes the traces of ``problems(4)``."""
    folder = tmp_path_factory.mktemp("sft")
    train_sft(experiment(sft={"epochs": 60, "trainable": "all"}), base, problems(4), folder)
    return folder
