"""RL on the tiny model, run by ``torchrun``: folders of a base, a checkpoint and the result."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from tests.modeling.tiny import experiment, problems
from trace_pipeline.modeling import train_rl
from trace_pipeline.modeling.base.base_models import resolve_base
from trace_pipeline.modeling.distributed import joined

METHODS = {
    "policy_gradient": {"estimator": "rloo", "resample": 1, "updates": 2, "select": "best"},
    "constrained": {"estimator": "rloo", "max_tokens": 160, "kl_coefficient": 0.1},
    "expert_iteration": {"method": "expert_iteration", "keep_rollouts_every": 1},
}


def main(base: Path, sft: Path, out: Path) -> None:
    """Every method, into a folder of its name.

    Fine-tuning in several processes takes as many batches a step as one does that accumulates.
    """
    accumulate = 2 // int(os.environ.get("WORLD_SIZE", "1"))
    torch.set_num_threads(1)
    # Joined once: torch.distributed may hang when a process joins a second time.
    with joined():
        for method, settings in METHODS.items():
            rl = {
                "iterations": 2, "prompts": 3, "samples": 2, "temperature": 1.1, "max_tokens": 24,
                "evaluate_problems": 3, "evaluate_every": 1, "learning_rate": 1e-3,
                "rewards": {"parse_fail": 0.0, "invalid_trace": 0.2},
            }  # fmt: skip
            sft_settings = {"trainable": "all", "accumulate": accumulate}
            decoding = {"max_tokens": 20, "constrained": method == "constrained"}
            whole = experiment(rl=rl | settings, sft=sft_settings, decoding=decoding)
            train_rl(whole, sft, problems(4), problems(3), out / method, resolve_base(str(base)))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
