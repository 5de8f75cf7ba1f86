"""Rewards: what each kind of verdict is worth to reinforcement learning."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from trace_pipeline.experiment import RewardConfig
from trace_pipeline.validation import unknown_name

RewardTable = RewardConfig
"""The five rewards, by kind of verdict; an experiment file writes the same struct."""

GRADED = RewardTable()
"""0.0, 0.3, 0.5, 0.7, 1.0: credit for format, routing and structure (NOTEBOOK, finding 5)."""

BINARY = RewardTable(
    parse_fail=0.0, wrong_expert=0.0, invalid_trace=0.0, wrong_answer=0.0, correct=1.0
)
"""1 for a correct answer, else 0."""

Rewards = Literal["graded", "binary"] | RewardConfig


class VerdictKind(StrEnum):
    """What became of a text, in the order in which it is decided."""

    PARSE_FAIL = "parse_fail"
    WRONG_EXPERT = "wrong_expert"
    INVALID_TRACE = "invalid_trace"
    WRONG_ANSWER = "wrong_answer"
    CORRECT = "correct"


def reward_table(rewards: Rewards) -> RewardTable:
    """The table that ``rewards`` names, or is.

    Raises:
        ValueError: an unknown name.
    """
    if isinstance(rewards, RewardTable):
        return rewards
    named = {"graded": GRADED, "binary": BINARY}
    if rewards not in named:
        raise ValueError(unknown_name("reward table", str(rewards), list(named)))
    return named[rewards]
