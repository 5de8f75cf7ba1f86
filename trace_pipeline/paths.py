"""Where the project's own folders are, whatever the working directory."""

from __future__ import annotations

import os
from pathlib import Path


def project_root() -> Path:
    """The folder that holds ``schemas/``, ``vocab/`` and ``experiments/``.

    ``TRACE_PIPELINE_HOME`` if set, else the working directory if it is a project,
    else the checkout that this package was installed from.

    Raises:
        FileNotFoundError: none of them is a project.
    """
    given = os.environ.get("TRACE_PIPELINE_HOME")
    candidates = [Path(given)] if given else [Path.cwd(), Path(__file__).resolve().parents[1]]
    for folder in candidates:
        if (folder / "schemas").is_dir() and (folder / "experiments").is_dir():
            return folder
    raise FileNotFoundError(
        f"no project here: {' and '.join(str(c) for c in candidates)} lack schemas/ and "
        "experiments/; change into a checkout or set TRACE_PIPELINE_HOME to one"
    )
