"""Chains that did not come to their end: the next one goes on with what they trained and decoded.

When such a chain began is noted in the experiment's local folder, where the snapshots and the
completions of unfinished work are too: with a remote store, on the host that it ran on. Dagster's
history would not do, since it may be another one, or emptied.
"""

from __future__ import annotations

import shutil
from contextlib import suppress

import msgspec
from msgspec import Struct

from trace_pipeline.pipeline.locking import LOCKS, alone
from trace_pipeline.provenance import utc_now
from trace_pipeline.store import WORKSPACE, ArtifactError, ArtifactStore, write_json
from trace_pipeline.validation import InvalidInputError

FILE = "unfinished.json"

_KEPT = ("sft_checkpoint", "rl_checkpoint", "synthetic_eval", "gsm8k_eval")
"""Assets that keep what they have done of their work."""


class _Begun(Struct):
    began: str
    """UTC, ISO 8601."""


def begin(store: ArtifactStore, experiment: str, retrain: bool) -> None:
    """Note that a chain begins, unless one did before that did not come to its end.

    With ``retrain``, what that one has left is discarded.

    Raises:
        InvalidInputError: it cannot be, or another process is at work on it.
    """
    for asset in _KEPT if retrain else ():
        _discard(store, experiment, asset)
    # A folder that cannot be written is refused by the first asset, with its name.
    with suppress(ArtifactError, OSError):
        if retrain or not began(store, experiment):
            write_json(store.local_folder(experiment) / FILE, _Begun(utc_now()))


def began(store: ArtifactStore, experiment: str) -> str:
    """When the chain began that has not come to its end (UTC, ISO 8601); empty if there is none."""
    path = store.local_folder(experiment) / FILE
    with suppress(FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
        return msgspec.json.decode(path.read_bytes(), type=_Begun).began
    return ""


def end(store: ArtifactStore, experiment: str) -> None:
    """Note that the chain has come to its end: the next one trains and decodes anew."""
    for asset in _KEPT[2:]:
        # What stays is in the way of nobody: no other chain looks for it.
        with suppress(InvalidInputError):
            _discard(store, experiment, asset)
    (store.local_folder(experiment) / FILE).unlink(missing_ok=True)


def _discard(store: ArtifactStore, experiment: str, asset: str) -> None:
    key = f"{experiment}/{asset}"
    with alone(store.local_folder(f"{experiment}/{LOCKS}") / asset, key):
        for folder in store.local_folder(key).glob(f"{WORKSPACE}*"):
            try:
                shutil.rmtree(folder)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise InvalidInputError(f"{folder}: cannot be removed, {reason}") from error
