"""A question asked on the local page, of a tiny model that knows four problems by heart."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.knowing_project import make_knowing_project
from tests.modeling.tiny import problems
from trace_pipeline.pipeline.ask_page.serving import command

SECONDS = 240
"""Upper bound of any wait: the first question loads torch, on a machine that may be busy."""


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one trained experiment, ``tiny``, and one that never ran, ``untrained``."""
    settings = "decoding: {max_tokens: 200}"
    experiments = {"tiny": settings, "untrained": settings}
    return make_knowing_project(tmp_path_factory.mktemp("asked"), experiments, {"untrained"})


def serving(folder: Path, name: str) -> Iterator[str]:
    """The address of the page of the project in ``folder``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "TRACE_PIPELINE_HOME": str(folder)}
    environment.pop("TRACE_PIPELINE_ARTIFACTS", None)
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            command(name, port), env=environment, cwd=folder, stdout=log, stderr=log
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until_healthy(f"{address}/_stcore/health", folder / "server.log")
            yield address
        finally:
            server.terminate()
            server.wait(60)


def wait_until_healthy(address: str, log: Path) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(address, timeout=1).close()
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the page does not answer:\n{log.read_text()}")


@pytest.fixture(scope="session")
def address(project: Path) -> Iterator[str]:
    yield from serving(project, "tiny")


@pytest.fixture
def opened(page: Page, address: str) -> Page:
    page.set_default_timeout(SECONDS * 1000)
    expect.set_options(timeout=SECONDS * 1000)
    page.goto(address)
    expect(page.get_by_role("heading", name="Ask the model")).to_be_visible()
    return page


def ask(page: Page, problem: str) -> None:
    page.get_by_label("Problem").fill(problem)
    page.get_by_role("button", name="Solve").click()


def test_a_problem_is_answered_with_trace_and_steps(
    opened: Page, console_errors: list[str]
) -> None:
    ask(opened, problems(1)[0].question)  # 7 eggs, 2 eaten
    expect(opened.get_by_text("Answer: 5")).to_be_visible()
    main = opened.get_by_test_id("stMain")
    expect(main).to_contain_text("{op: init, var: eggs, value: 7}")
    expect(main).to_contain_text("result = eggs - eaten = 7 - 2 = 5")
    assert console_errors == []


def test_a_trace_that_cannot_be_executed_says_why(opened: Page) -> None:
    ask(opened, "Sing me a song.")
    expect(opened.get_by_text("tokens in")).to_be_visible()
    expect(opened.get_by_test_id("stAlert")).to_contain_text("swer")


def test_an_empty_problem_is_refused(opened: Page) -> None:
    ask(opened, "  ")
    expect(opened.get_by_test_id("stAlert")).to_contain_text("the problem is empty")


def test_an_example_is_put_into_the_field(opened: Page) -> None:
    example = opened.get_by_test_id("stExpander").get_by_role("button").nth(0)
    text = example.inner_text()
    assert len(text) > 30
    example.click()
    expect(opened.get_by_label("Problem")).to_have_value(text)


def test_only_models_that_were_trained_are_offered(opened: Page) -> None:
    sidebar = opened.get_by_test_id("stSidebar")
    expect(sidebar).to_contain_text("Version 0001")
    sidebar.get_by_role("combobox").first.click()
    expect(opened.get_by_role("option")).to_have_text(["tiny"])
    opened.keyboard.press("Escape")
    sidebar.get_by_role("combobox").nth(1).click()
    expect(opened.get_by_role("option")).to_have_text(["reinforced (rl)", "fine-tuned (sft)"])


def test_without_a_model_the_page_names_the_command(page: Page, tmp_path: Path) -> None:
    for name in ("schemas", "experiments"):
        (tmp_path / name).mkdir()
    for address in serving(tmp_path, "quickstart"):
        page.goto(address)
        main = page.get_by_test_id("stMain")
        expect(main).to_contain_text("No model has been trained here yet", timeout=SECONDS * 1000)
        expect(main).to_contain_text("trace-pipeline run --experiment quickstart")


def test_only_this_machine_is_served(address: str) -> None:
    port = address.rpartition(":")[2]
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    hosts = {
        line.split()[1].partition(":")[0]
        for line in listening.splitlines()[1:]
        if line.split()[1].endswith(f":{int(port):04X}") and line.split()[3] == "0A"
    }
    assert hosts == {"0100007F"}
