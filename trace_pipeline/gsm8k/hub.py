"""GSM-8K from the Hugging Face hub, or a prompt refusal.

A hub client without network retries for minutes. So the hub is first asked for
the dataset's page with a hard deadline; only if it answers (or the dataset is in
the local cache) does ``datasets`` load it, in a process that can be stopped.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path

import msgspec

HUB_ID = "openai/gsm8k"
CONFIGURATION = "main"

PROBE_SECONDS = 3.5
"""Longest wait for the hub's first answer."""

DOWNLOAD_SECONDS = 300.0
"""Longest download once the hub has answered; the two splits are under 3 MB."""

_WORKER = """
import json, sys
import datasets
datasets.disable_progress_bars()
rows = datasets.load_dataset(sys.argv[1], sys.argv[2], split=sys.argv[3])
with open(sys.argv[4], "w", encoding="utf-8") as file:
    json.dump([dict(row) for row in rows], file)
"""


class HubUnavailableError(RuntimeError):
    """The hub or its dataset cannot be had; the message says why."""


def fetch_from_hub(split: str) -> list[object]:
    """The records ``{question, answer}`` of one split.

    Raises:
        HubUnavailableError: within ``PROBE_SECONDS`` if the hub does not answer and the dataset
            is not cached, else when the download fails or outlasts ``DOWNLOAD_SECONDS``.
    """
    environment = dict(os.environ)
    refusal = _refusal(PROBE_SECONDS)
    if refusal:
        if not _is_cached():
            raise HubUnavailableError(refusal)
        environment |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "records.json"
        command = [sys.executable, "-c", _WORKER, HUB_ID, CONFIGURATION, split, str(target)]
        try:
            done = subprocess.run(
                command, env=environment, timeout=DOWNLOAD_SECONDS, capture_output=True, text=True
            )
        except subprocess.TimeoutExpired:
            raise HubUnavailableError(
                f"{HUB_ID} did not arrive within {DOWNLOAD_SECONDS:.0f} seconds"
            ) from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise HubUnavailableError(f"{HUB_ID} could not be loaded: {last:.200}")
        records: list[object] = msgspec.json.decode(target.read_bytes())
    return records


def _refusal(seconds: float) -> str:
    """Why the hub cannot be used right now; empty if it answered within ``seconds``."""
    for variable in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        if os.environ.get(variable, "").upper() in ("1", "ON", "YES", "TRUE"):
            return f"{variable} is set"
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    host = endpoint.rpartition("://")[2]
    outcome: list[str] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(f"{endpoint}/api/datasets/{HUB_ID}", timeout=seconds):
                outcome.append("")
        except urllib.error.HTTPError as error:
            outcome.append(f"{host} answers {error.code} for {HUB_ID}")
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)).strip()
            outcome.append(f"{host} cannot be reached ({reason})")

    # A name lookup ignores socket timeouts, so the deadline is kept from outside.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return outcome[0] if outcome else f"{host} did not answer within {seconds:g} seconds"


def _is_cached() -> bool:
    """Whether ``datasets`` has it; where it looks is as in its own ``config.py``."""
    caches = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.path.expanduser(os.environ.get("HF_HOME", os.path.join(caches, "huggingface")))
    cache = Path(os.environ.get("HF_DATASETS_CACHE", os.path.join(home, "datasets")))
    return (cache / HUB_ID.replace("/", "___") / CONFIGURATION).is_dir()
