"""Starting the page: Streamlit on the loopback address, without telemetry."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from trace_pipeline.experiment import load_experiment
from trace_pipeline.paths import project_root
from trace_pipeline.validation import InvalidInputError

ADDRESS = "127.0.0.1"
DEFAULT_PORT = 8501

SETTINGS = {
    "server.address": ADDRESS,
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "browser.serverAddress": ADDRESS,
    "client.toolbarMode": "minimal",
    "client.showErrorLinks": "false",
    "runner.magicEnabled": "false",
}
"""Of Streamlit: nothing leaves the machine, no browser is opened, no development tools."""


def command(experiment: str, port: int) -> list[str]:
    """The command line that serves the page."""
    settings = SETTINGS | {"server.port": str(port)}
    options = [f"--{name}={value}" for name, value in settings.items()]
    app = Path(__file__).with_name("app.py")
    return [sys.executable, "-m", "streamlit", "run", str(app), *options, "--", experiment]


def serve(experiment: str, port: int = DEFAULT_PORT) -> None:
    """Serve the page until interrupted, ``experiment`` chosen first; does not return.

    Raises:
        InvalidInputError: no such experiment, or something listens on ``port`` already.
    """
    load_experiment(experiment, project_root() / "experiments")
    with socket.socket() as probe:
        if probe.connect_ex((ADDRESS, port)) == 0:
            raise InvalidInputError(
                f"port {port} of {ADDRESS} is taken; give another one with --port"
            )
    line = command(experiment, port)
    os.execv(line[0], line)
