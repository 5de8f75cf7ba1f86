"""The Dagster UI of a project in which the whole chain ran: look, check, launch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, Response, expect

from tests.browser.servers import free_port, script, serving
from tests.pipeline.conftest import FinishedRun

SLOW = 60_000
"""Milliseconds; the UI loads its code and its data piece by piece."""


@pytest.fixture(scope="module")
def address(
    _finished: FinishedRun,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    port = free_port()
    command = [script("dagster"), "dev", "-w", "workspace.yaml", "-h", "127.0.0.1"]
    log = tmp_path_factory.mktemp("logs") / "dagster.log"
    with serving([*command, "-p", str(port)], _finished.folder, port, "/server_info", log) as found:
        yield found


def test_the_lineage_leads_from_the_schemas_to_the_evaluation(page: Page, address: str) -> None:
    page.goto(f"{address}/assets/gsm8k_eval?view=lineage&lineageScope=upstream&lineageDepth=10")
    for name in ("schema_validation", "synthetic_dataset", "rl_checkpoint", "gsm8k_eval"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible(timeout=SLOW)


def test_an_asset_shows_owner_columns_and_report(page: Page, address: str) -> None:
    page.goto(f"{address}/assets/gsm8k_eval")
    expect(page.get_by_text("what the model wrote")).to_be_visible(timeout=SLOW)
    expect(page.get_by_text("Owners")).to_be_visible()
    expect(page.get_by_text("report.html").first).to_be_visible()


@pytest.mark.parametrize(
    ("asset", "tables"),
    [
        ("schema_validation", ("schemas_by_expert", "audit", "tokens")),
        (
            "synthetic_dataset",
            ("question_forms", "query_targets", "chain_lengths", "composition_classes"),
        ),
        ("gsm8k_train_traces", ("yield", "parts", "first_failures", "confidence", "samples")),
        ("gsm8k_coverage", ("coverage", "gaps", "chain_lengths", "uncovered_shapes")),
        ("gsm8k_eval", ("failures", "failure_categories", "failure_examples", "failures_plot")),
    ],
)
def test_an_assets_page_names_its_tables(
    page: Page, address: str, asset: str, tables: tuple[str, ...]
) -> None:
    page.goto(f"{address}/assets/{asset}")
    for name in tables:
        expect(page.get_by_text(name, exact=True).first).to_be_visible(timeout=SLOW)


def test_check_results_say_why(page: Page, address: str) -> None:
    page.goto(f"{address}/assets/gsm8k_eval?view=checks&checkDetail=enough_problems")
    expect(page.get_by_text("Only 8 problems were evaluated").first).to_be_visible(timeout=SLOW)


def _answers(operation: str, containing: str = "") -> Callable[[Response], bool]:
    """Whether a response answers the GraphQL ``operation``, asked with ``containing`` in it."""

    def answers(response: Response) -> bool:
        asked = response.request.post_data or ""
        return f'"operationName":"{operation}"' in asked and containing in asked

    return answers


def test_a_run_is_launched_from_the_launchpad(page: Page, address: str) -> None:
    page.goto(f"{address}/locations/trace_pipeline/jobs/data_only/playground")
    expect(page.get_by_text("experiment:").first).to_be_visible(timeout=SLOW)
    page.get_by_placeholder("Partition").click()
    # Choosing a partition asks for its configuration, and the answer replaces what the editor has.
    with page.expect_response(_answers("ConfigPartitionSelectionQuery"), timeout=SLOW):
        page.get_by_text("comparison", exact=True).first.click()
    editor = page.locator(".CodeMirror").first
    expect(editor).to_contain_text("name: 'quickstart'", timeout=SLOW)
    with page.expect_response(_answers("PreviewConfigQuery", "name: tiny"), timeout=SLOW):
        editor.evaluate(
            "(e, text) => e.CodeMirror.setValue(text)",
            "resources:\n  experiment:\n    config:\n      name: tiny\n",
        )
    launch = page.get_by_role("button", name="Launch Run")
    expect(launch).to_be_enabled(timeout=SLOW)
    launch.click()
    page.wait_for_url(re.compile("/runs/"), timeout=SLOW)
    expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=2 * SLOW)
