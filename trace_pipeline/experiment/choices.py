"""Settings that came later, and what was done before there was a choice."""

from __future__ import annotations

from typing import Any

BEFORE: dict[str, dict[str, Any]] = {
    "sft": {"order": 0, "average": {}, "matmul": "float", "compile": "auto"},
    "decoding": {"sensible": False, "greedy_first": False},
}
"""By section: values under which a result is what it was before the setting was there."""


def as_before_choices(settings: dict[str, Any]) -> dict[str, Any]:
    """``settings`` without those of :data:`BEFORE` that are left as they were.

    What identifies a checkpoint is made of these, so that a new setting changes the identity of
    no result but those that use it.

    Args:
        settings: of a whole experiment, as ``Experiment.to_dict`` gives them; left as they are.
    """
    return {
        name: (
            {key: value for key, value in section.items() if not _unchosen(name, key, value)}
            if name in BEFORE
            else section
        )
        for name, section in settings.items()
    }


def _unchosen(section: str, key: str, value: Any) -> bool:
    return key in BEFORE[section] and value == BEFORE[section][key]
