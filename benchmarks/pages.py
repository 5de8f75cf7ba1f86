"""How long a person waits for pages: the code location, the report over GSM-8K's size.

``python -m benchmarks.pages`` prints medians of fresh processes and fresh browser contexts and
fails where a bound is missed. The report is over made-up predictions
(``tests/evaluation/sample.py``). Waiting is wall time, so leave the machine alone meanwhile;
``--part load`` needs no Chromium, and its processor seconds hold on a busy machine too.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import table

LOAD_SECONDS, OPEN_SECONDS, MEGABYTES = 4.0, 2.0, 5.0
"""Bounds: the code location loads, the report opens, the report weighs."""
PROBLEMS = 1319
LOAD = "from trace_pipeline.definitions import defs; defs.resolve_asset_graph()"


def load_seconds() -> tuple[float, float]:
    """Wall and processor seconds of a fresh Python that loads the definitions."""
    before, began = _processor(), time.perf_counter()
    subprocess.run([sys.executable, "-c", LOAD], check=True)
    return time.perf_counter() - began, _processor() - before


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def open_seconds(page: Path, rounds: int) -> list[float]:
    """Seconds from the start of the navigation until the list of predictions stands."""
    from playwright.sync_api import sync_playwright

    from tests.browser.chromium import ARGUMENTS, MISSING, find_chromium

    executable = find_chromium()
    if executable is None:
        sys.exit(MISSING)
    seconds = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        for _ in range(rounds):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            opened = context.new_page()
            opened.goto(page.as_uri())
            opened.locator("#rows .row").first.wait_for()
            seconds.append(opened.evaluate("performance.now()") / 1000)
            context.close()
        browser.close()
    return seconds


def measure_load(rounds: int) -> list[tuple[str, float, float | None]]:
    """Name, figure and bound of each row."""
    wall, processor = zip(*(load_seconds() for _ in range(rounds)), strict=True)
    return [
        ("code location loads, s", statistics.median(wall), LOAD_SECONDS),
        ("the same, processor s", statistics.median(processor), None),
    ]


def measure_report(rounds: int) -> list[tuple[str, float, float | None]]:
    """Name, figure and bound of each row."""
    from tests.evaluation import sample
    from trace_pipeline.evaluation import write_report

    with tempfile.TemporaryDirectory() as folder:
        _, page = write_report(Path(folder), sample.report(PROBLEMS))
        return [
            (f"report over {PROBLEMS:,} problems, MB", page.stat().st_size / 1e6, MEGABYTES),
            ("the same opens, s", statistics.median(open_seconds(page, rounds)), OPEN_SECONDS),
        ]


def main() -> None:
    """Measure, print, and fail where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", choices=["load", "report"], help="one part alone")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rows: list[tuple[str, float, float | None]] = []
    if options.part != "report":
        rows += measure_load(options.rounds)
    if options.part != "load":
        rows += measure_report(options.rounds)
    shown = [(name, f"{seen:.2f}", f"{bound:g}" if bound else "") for name, seen, bound in rows]
    print(table(("", "median", "bound"), shown))
    missed = [
        f"missed: {name}: {seen:.2f}, bound {bound:g}"
        for name, seen, bound in rows
        if bound and seen > bound
    ]
    if missed:
        sys.exit("\n".join(missed))


if __name__ == "__main__":
    main()
