"""Chains that did not come to their end: the next one takes over what they have trained.

When such a chain began is kept beside the experiment's artifacts rather than asked of Dagster's
history, which may be on another host, or emptied.
"""

from __future__ import annotations

from contextlib import suppress

import msgspec
from msgspec import Struct

from trace_pipeline.provenance import utc_now
from trace_pipeline.store import ArtifactError, ArtifactStore, write_json

FILE = "unfinished.json"


class _Begun(Struct):
    began: str
    """UTC, ISO 8601."""


def begin(store: ArtifactStore, experiment: str, retrain: bool) -> str:
    """Note that a chain begins; since when what was trained is taken over (UTC, ISO 8601).

    That is since the first of those that did not come to their end; since now, which is nothing,
    if there is none or ``retrain`` says so.
    """
    # A folder that cannot be written is refused by the first asset, with its name.
    with suppress(ArtifactError, OSError):
        path = store.local_folder(experiment) / FILE
        if not retrain and path.is_file():
            with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                return msgspec.json.decode(path.read_bytes(), type=_Begun).began
        begun = _Begun(utc_now())
        write_json(path, begun)
        return begun.began
    return ""


def end(store: ArtifactStore, experiment: str) -> None:
    """Note that the chain has come to its end: the next one trains anew."""
    (store.local_folder(experiment) / FILE).unlink(missing_ok=True)
