"""Blocking checks: what they find is stored with the artifact, before it is in force.

Dagster holds back what comes after a failed check in the same run alone. A later run reads the
manifest and stops there (``Workbench.require``), until the artifact was made anew.
"""

from __future__ import annotations

import dagster as dg


def failed(*results: dg.AssetCheckResult) -> list[str]:
    """Names of those of the blocking checks ``results`` that failed; a warning blocks nothing."""
    return [
        str(result.check_name)
        for result in results
        if not result.passed and result.severity is dg.AssetCheckSeverity.ERROR
    ]
