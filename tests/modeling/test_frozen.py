"""What frozen layers give is computed once, and nothing comes out otherwise for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch

from tests.modeling.tiny import experiment, problems
from trace_pipeline.modeling.base.base_models import BaseModel
from trace_pipeline.modeling.network import frozen
from trace_pipeline.modeling.network.batching import collate, tokenise
from trace_pipeline.modeling.network.frozen import keep_frozen_states, size_of_states
from trace_pipeline.modeling.network.objective import completion_logprobs
from trace_pipeline.modeling.network.trainable import select_trainable
from trace_pipeline.modeling.sft.finetuning import train_sft
from trace_pipeline.modeling.storage import snapshots
from trace_pipeline.modeling.storage.checkpoints import CheckpointInfo, Policy
from trace_pipeline.modeling.storage.records import read_records


def test_kept_states_are_those_of_any_batch(policy: Policy, tmp_path: Path) -> None:
    """Also where an epoch groups the sequences in another way than the first one did."""
    select_trainable(policy.model, "last_layers", 1)
    sequences = tokenise(policy.prompt, problems(5), 1024)
    kept = keep_frozen_states(policy.model, sequences, [[0, 1], [2, 3, 4]], tmp_path)
    assert kept is not None
    for indices in ([0, 1], [4, 0, 2], [3], [1, 2, 3, 4]):
        batch = collate([sequences[i] for i in indices])
        with_kept, _ = completion_logprobs(policy.model, batch, lower=kept.of(indices, batch))
        without, _ = completion_logprobs(policy.model, batch)
        torch.testing.assert_close(with_kept, without, rtol=1e-5, atol=1e-5)
    assert not list(tmp_path.iterdir())  # nothing that a kill could leave behind


def test_states_are_not_kept_without_room(
    policy: Policy, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    select_trainable(policy.model, "last_layers", 1)
    sequences = tokenise(policy.prompt, problems(5), 1024)
    with patch("trace_pipeline.modeling.network.frozen.DISK_SHARE", 0):
        assert keep_frozen_states(policy.model, sequences, [[0, 1, 2, 3, 4]], tmp_path) is None
    assert "computed anew each time" in caplog.text


def test_all_files_together_keep_to_the_share_of_the_disk(policy: Policy, tmp_path: Path) -> None:
    """None of them is filled when the others are made, so the disk does not tell of them."""
    select_trainable(policy.model, "last_layers", 1)
    sequences = tokenise(policy.prompt, problems(5), 1024)
    size = size_of_states(policy.model, sequences)
    usage = type("Usage", (), {"free": 4 * size})  # half of which is for two files
    with patch("shutil.disk_usage", lambda _: usage):
        for fits, more in (
            (True, {}),
            (True, {"processes": 2}),
            (False, {"processes": 3}),
            (True, {"taken": size}),
            (False, {"taken": size + 1}),
        ):
            kept = keep_frozen_states(policy.model, sequences, [[0, 1, 2, 3, 4]], tmp_path, **more)
            assert (kept is not None) is fits, more


SETTINGS = {
    "layers": 1, "batch_tokens": 300, "learning_rate": 0.1, "schedule": "constant",
    "evaluate_every": 1, "select": "best", "save_every": 1,
}  # fmt: skip
"""One epoch, so that all that is kept is kept of the validation examples."""
TRAINED, HELD_OUT = problems(10)[:6], problems(10)[6:]


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sequences of each batch that went through the frozen layers alone."""
    calls: list[int] = []
    run = frozen.lower_states

    def noting(model: Any, batch: Any, kernels: Any) -> torch.Tensor:
        calls.append(len(batch.paths))
        return run(model, batch, kernels)

    monkeypatch.setattr(frozen, "lower_states", noting)
    return calls


Figures = list[tuple[float, float]]


def trained(
    base: BaseModel, folder: Path, stop: Callable[[int, Any], None] | None = None, **sft: Any
) -> tuple[CheckpointInfo, Figures]:
    info = train_sft(
        experiment(sft=SETTINGS | sft), base, TRAINED, folder, stop, validation=HELD_OUT
    )
    records = read_records(folder / "metrics.jsonl")
    return info, [(record["loss"], record["val_loss"]) for record in records]


def test_evaluations_compute_frozen_layers_once_to_the_same_bits(
    base: BaseModel, tmp_path: Path, computed: list[int]
) -> None:
    info, figures = trained(base, tmp_path / "kept")
    assert sum(computed) == len(HELD_OUT)
    assert len(figures) > 3
    computed.clear()
    anew, figures_anew = trained(base, tmp_path / "anew", reuse_frozen=False)
    assert not computed
    assert figures == figures_anew
    assert (info.selected, info.weights_sha256) == (anew.selected, anew.weights_sha256)
    assert 1 < (info.selected or 0) < len(figures)  # a choice that rests on the losses


def test_a_run_that_goes_on_evaluates_to_the_same_bits(
    base: BaseModel, tmp_path: Path, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MOST", 1.0)

    def stop(step: int, _: object) -> None:
        if step == 3:
            raise KeyboardInterrupt

    calm = trained(base, tmp_path / "calm")
    with pytest.raises(KeyboardInterrupt):
        trained(base, tmp_path / "stopped", stop)
    computed.clear()
    info, figures = trained(base, tmp_path / "stopped")
    assert sum(computed) == len(HELD_OUT)
    assert figures == calm[1]
    assert info.weights_sha256 == calm[0].weights_sha256
