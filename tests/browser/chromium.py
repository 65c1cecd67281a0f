"""Chromium and its pages. What goes wrong in a page is noted: errors of the console, of its policy,
of its requests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Response,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.browser.player import browser_path

PATIENCE_MS: Final = 60_000
"""For a busy machine; what a page shows is there in a tenth of a second."""
GIVEN_UP: Final = "net::ERR_ABORTED"
"""A page that is left gives up its stream."""
LEAST_ERROR: Final = 400
ANSWERED: Final = "Failed to load resource: the server responded with"
"""The console says so later than the answer comes."""
WIDE: Final[ViewportSize] = {"width": 1280, "height": 800}
PHONE: Final = {"width": 390, "height": 844}
CONTEXT: Final[Mapping[str, Any]] = {
    "viewport": WIDE,
    "locale": "en-GB",
    "timezone_id": "Europe/Berlin",
}

Story = TypeVar("Story", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Setting:
    """How a story is seen: options of Playwright's new_context, and the problems that belong to it
    (parts of them).

    If that is `again`, it is seen in the page of the story before, if that was seen alike, with all
    that was cached.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    expected: tuple[str, ...] = ()
    again: bool = False


def seen(
    *, expected: tuple[str, ...] = (), again: bool = False, **options: Any
) -> Callable[[Story], Story]:
    """Play a story in this setting."""

    def put(story: Story) -> Story:
        vars(story)["setting"] = Setting(options, expected, again)
        return story

    return put


def setting_of(story: Callable[..., object]) -> Setting:
    found: Setting = vars(story).get("setting", Setting())
    return found


@contextmanager
def launched() -> Iterator[Browser]:
    """Start the Chromium that is installed; its sandbox cannot work for root."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path(), chromium_sandbox=os.geteuid() != 0
        )
        try:
            yield browser
        finally:
            browser.close()


def send(button: Locator) -> None:
    """Press the button of a form, and wait for the page that answers it: a reload would cut the
    request off."""
    with button.page.expect_navigation():
        button.click()


class Watch:
    """The problems of all pages of a context, in words."""

    def __init__(self, context: BrowserContext) -> None:
        self.problems: list[str] = []
        context.on("console", self._console)
        context.on("weberror", lambda error: self.problems.append(f"uncaught: {error.error}"))
        context.on("requestfailed", self._failed)
        context.on("response", self._answered)

    def unexpected(self, expected: tuple[str, ...]) -> list[str]:
        return [
            problem for problem in self.problems if not any(part in problem for part in expected)
        ]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(ANSWERED):
            self.problems.append(f"console: {message.text} ({message.location['url']})")

    def _answered(self, response: Response) -> None:
        if response.status >= LEAST_ERROR:
            self.problems.append(f"answer: {response.status} {response.url}")

    def _failed(self, request: Request) -> None:
        if request.failure != GIVEN_UP:
            self.problems.append(f"request: {request.failure} {request.url}")


@contextmanager
def opened(browser: Browser, setting: Setting) -> Iterator[tuple[Page, Watch]]:
    """A page in a new context: no cookies, nothing cached."""
    context = browser.new_context(**{**CONTEXT, **setting.options})
    context.set_default_timeout(PATIENCE_MS)
    watch = Watch(context)
    try:
        yield context.new_page(), watch
    finally:
        context.close()
