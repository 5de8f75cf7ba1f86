"""The browser itself works, so that another test's failure is about its page."""

from playwright.sync_api import Page


def test_a_page_shows_what_it_was_given(page: Page, console_errors: list[str]) -> None:
    page.set_content("<title>hello</title><p></p><script>document.body.append(6 * 7)</script>")
    assert page.title() == "hello"
    assert page.inner_text("body") == "42"
    assert console_errors == []


def test_what_a_script_raises_is_noticed(page: Page, console_errors: list[str]) -> None:
    page.set_content("<script>console.error('one'); throw new Error('two')</script>")
    assert console_errors == ["one", "two"]
