"""The MLflow UI: two runs side by side, the registered model with its card."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Page, expect

from tests.browser.servers import free_port, script, serving
from tests.pipeline.conftest import FinishedRun
from trace_pipeline.pipeline.journal import Journal, open_journals
from trace_pipeline.pipeline.tracking import Tracking

SLOW = 60_000


@pytest.fixture(scope="module")
def runs(_finished: FinishedRun) -> tuple[str, ...]:
    """Ids of the finished experiment's parent run and of a second experiment's."""
    uri = f"sqlite:///{_finished.folder}/mlruns/mlflow.db"
    journal = Journal(_finished.folder / "artifacts" / "second" / "tracking", "second", "f" * 64)
    tracking = Tracking(uri, _finished.folder / "mlruns")
    with tracking.stage(journal, "gsm8k_eval", {"stage": "gsm8k_eval"}, {"seed": "1"}) as stage:
        stage.finals({"gsm8k.accuracy": 0.25, "gsm8k.valid": 0.5, "synthetic.accuracy": 0.75})
    client = MlflowClient(tracking_uri=uri)
    (experiment,) = client.search_experiments(filter_string="name = 'trace_pipeline'")
    parents = client.search_runs([experiment.experiment_id], "tags.stage = 'experiment'")
    return tuple(run.info.run_id for run in parents)


@pytest.fixture(scope="module")
def address(
    _finished: FinishedRun,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    port = free_port()
    store = ["--backend-store-uri", "sqlite:///mlruns/mlflow.db"]
    command = [script("mlflow"), "ui", *store, "--host", "127.0.0.1", "--workers", "1"]
    log: Path = tmp_path_factory.mktemp("logs") / "mlflow.log"
    with serving([*command, "--port", str(port)], _finished.folder, port, "/health", log) as found:
        yield found


def test_runs_are_compared_with_a_chart(page: Page, address: str, runs: tuple[str, ...]) -> None:
    assert len(runs) == 2
    chosen, experiments = quote(json.dumps(runs)), quote(json.dumps(["1"]))
    page.goto(f"{address}/#/compare-runs?runs={chosen}&experiments={experiments}")
    expect(page.get_by_text("gsm8k.accuracy").first).to_be_visible(timeout=SLOW)
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=SLOW)


@pytest.fixture
def evaluated(_finished: FinishedRun) -> str:
    """Id of the run of ``gsm8k_eval``."""
    (journal,) = open_journals(_finished.folder / "artifacts" / "tiny" / "tracking")
    runs = journal.sent().runs
    return next(run for stage, run in runs.items() if stage.startswith("gsm8k_eval"))


def test_the_run_says_what_came_out_and_what_tracking_cost(
    page: Page, address: str, evaluated: str
) -> None:
    page.goto(f"{address}/#/experiments/1/runs/{evaluated}")
    for metric in ("gsm8k.accuracy", "tracking.share"):
        # The list shows some of its rows at a time.
        page.get_by_placeholder("Search metrics").fill(metric, timeout=SLOW)
        expect(page.get_by_text(metric, exact=True).first).to_be_visible(timeout=SLOW)


def test_the_report_is_read_and_filtered_among_the_runs_files(
    page: Page, address: str, evaluated: str
) -> None:
    page.goto(f"{address}/#/experiments/1/runs/{evaluated}/artifacts/report/report.html")
    report = page.frame_locator("iframe.mlflow-html-iframe")
    expect(report.locator("#shown")).to_have_text("8 of 8 predictions", timeout=SLOW)
    choice = report.locator("#facet-verdict option").nth(1)
    (count,) = re.findall(r"\((\d+)\)$", choice.inner_text())
    report.locator("#facet-verdict").select_option(choice.get_attribute("value"))
    expect(report.locator("#shown")).to_have_text(f"{count} of 8 predictions")


def test_the_model_is_registered_with_its_card(page: Page, address: str) -> None:
    page.goto(f"{address}/#/models/tiny/versions/1")
    expect(page.get_by_text("trace-pipeline export --experiment tiny").first).to_be_visible(
        timeout=SLOW
    )
