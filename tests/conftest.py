"""Which tests one worker runs: those that look at the same runs, which take a minute to make."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

GROUPS = {
    "finished": {
        "tests/pipeline/test_card.py",
        "tests/pipeline/test_checks.py",
        "tests/pipeline/test_commands.py",
        "tests/pipeline/test_comparison.py",
        "tests/pipeline/test_elsewhere.py",
        "tests/pipeline/test_interrupted.py",
        "tests/pipeline/test_lineage.py",
        "tests/pipeline/test_policies.py",
        "tests/pipeline/test_presentation.py",
        "tests/pipeline/test_whole_chain.py",
    },
    "resume": {"tests/modeling/test_resume.py"},
}
"""Not marks of xdist: its ``loadgroup`` has no effect with pytest 9.2."""


class Together(LoadScopeScheduling):
    """Each test by itself, but for those of a group."""

    def _split_scope(self, nodeid: str) -> str:
        path = str(PurePosixPath(nodeid.partition("::")[0]))
        return next((name for name, paths in GROUPS.items() if path in paths), nodeid)


@pytest.hookimpl
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    return Together(config, log)
