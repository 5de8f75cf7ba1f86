"""A headless Chromium; every test of this folder has the marker ``browser``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chromium import ARGUMENTS, MISSING, find_chromium

# One finished project for all modules: imported by each of them it would run once in each.
from tests.pipeline.conftest import FinishedRun, _finished, tiny_base

__all__ = ["FinishedRun", "_finished", "tiny_base"]

HERE = Path(__file__).parent
NAVIGATION = 120_000
"""Milliseconds for a page's first load: the UIs bring megabytes of script to a busy machine."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = find_chromium()
    if executable is None:
        pytest.fail(MISSING, pytrace=False)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, console_errors: list[str]) -> Iterator[Page]:
    """A page without history, 1280 x 900; what goes wrong in it is in ``console_errors``."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.set_default_navigation_timeout(NAVIGATION)
    opened.on(
        "console", lambda said: console_errors.append(said.text) if said.type == "error" else None
    )
    opened.on("pageerror", lambda error: console_errors.append(str(error)))
    yield opened
    context.close()


@pytest.fixture
def console_errors() -> list[str]:
    """Errors that the page's console showed, and exceptions that its scripts raised."""
    return []
