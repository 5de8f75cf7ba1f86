"""Which tests one worker runs: those that look at the same runs, which take a minute to make."""

from __future__ import annotations

from typing import Any

from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/pipeline/", "tests/modeling/test_resume.py")
"""Beginnings of paths. Not marks of xdist: its ``loadgroup`` has no effect with pytest 9.2."""


class Together(LoadScopeScheduling):
    """Each test by itself, but for those that belong together."""

    def _split_scope(self, nodeid: str) -> str:
        return next((path for path in TOGETHER if nodeid.startswith(path)), nodeid)


def pytest_xdist_make_scheduler(config: Any, log: Any) -> Together:
    return Together(config, log)
