"""``trace-pipeline``: the command line.

Each command imports what it needs when it runs, so that ``solve`` answers at once
and does not wait for the machine-learning libraries.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from trace_pipeline import __version__
from trace_pipeline.commands import (
    comparison,
    data,
    experiments,
    language,
    models,
    outputs,
    problems,
)


class Refused(click.ClickException):
    """An error for a person: the message alone, without a traceback."""

    def format_message(self) -> str:
        """The message."""
        return self.message


class Stopped(Refused):
    """The person stopped it; the message says how to go on."""

    exit_code = 130


def told(error: Exception) -> str:
    """What ``error`` says; what the system refused as ``path: reason``, without its number."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        named = error.filename if error.filename2 is None else error.filename2  # of a renaming
        return f"{named}: {error.strerror.lower()}"
    return str(error)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="trace-pipeline")
def cli() -> None:
    """Small language models write traces; a deterministic solver computes them."""


def _refusing(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        from trace_pipeline.commands import expected_errors

        try:
            return function(*arguments, **options)
        except expected_errors() as error:
            kind = Stopped if getattr(error, "stopped", False) else Refused
            raise kind(told(error)) from None
        except KeyboardInterrupt:
            raise Stopped("interrupted") from None

    return run


for _module in (language, data, problems, models, experiments, comparison, outputs):
    for _command in _module.COMMANDS:
        _command.callback = _refusing(_command.callback)
        cli.add_command(_command)


def main() -> None:
    """Run the command line."""
    cli(prog_name="trace-pipeline")


if __name__ == "__main__":
    main()
