"""Recognises a policy that has collapsed, so that training stops and says why."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from trace_pipeline.experiment import CollapseConfig

log = logging.getLogger(__name__)

_ADVICE = {
    "parsed": "train longer in SFT (sft.epochs, sft.learning_rate), or lower rl.temperature",
    "entropy": "lower rl.learning_rate, or raise rl.kl_coefficient or rl.temperature",
}
_WHAT = {
    "parsed": "{value:.1%} of the completions are YAML traces (rl.collapse.parsed: {bound:g})",
    "entropy": "the entropy is {value:.4f} nats per token (rl.collapse.entropy: {bound:g})",
}


class CollapseWatch:
    """Counts iterations in a row below the thresholds of ``rl.collapse``."""

    def __init__(self, config: CollapseConfig, below: Mapping[str, int] | None = None) -> None:
        """``below`` goes on from what a snapshot kept."""
        self._config = config
        self.below = {"parsed": 0, "entropy": 0, **(below or {})}
        """Iterations in a row below each threshold."""

    def reason(self, iteration: int, metrics: Mapping[str, float]) -> str:
        """Why to stop after ``iteration`` (from 1) with these ``metrics``; empty to go on."""
        values = {"parsed": metrics["parsed"] / metrics["rollouts"]}
        if "entropy" in metrics:
            values["entropy"] = metrics["entropy"]
        if iteration == 1 and not metrics["parsed"]:
            log.warning(
                "no completion of the first iteration is a YAML trace, so there is little to "
                "learn from; %s",
                _ADVICE["parsed"],
            )
        for name, value in values.items():
            bound = float(getattr(self._config, name))
            self.below[name] = self.below[name] + 1 if value < bound else 0
            if self.below[name] >= self._config.patience:
                what = _WHAT[name].format(value=value, bound=bound)
                return (
                    f"the policy has collapsed: {what} in iteration {iteration}, below the bound "
                    f"for {self.below[name]} iterations in a row; {_ADVICE[name]}"
                )
        return ""
