"""Plays stories in a real browser: `python -m tests.browser.play STORY [ARGUMENT …]`, such as
`stories.live.plug_in`.

A story is a function of a page and a site below tests/browser, and what it returns is printed as
JSON. Its module may have `open_site`, a context manager of a folder; else it gets a new server.
Without STORY, requests are read line by line, each a JSON array of these words, and each is
answered by a line: one browser plays many stories, and the stories of one module play at one site.

A story fails by an exception, and by an error in the browser's console, a violation of the policy,
or a failed request that it did not announce (chromium.seen). Then its traceback is told, and where
a picture of the page is.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from playwright.sync_api import Browser, Error, Page

from tests.browser.chromium import Setting, Watch, launched, opened, setting_of
from tests.browser.site import Site, bare_site


class Stage:
    """A browser, and the site of the module that was played last."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser = browser
        self._folder = folder
        self._sites = ExitStack()
        self._module: ModuleType | None = None
        self._site: Site | None = None
        self._pages = ExitStack()
        self._seen: Setting | None = None
        self._page: tuple[Page, Watch] | None = None

    def close(self) -> None:
        """Close the page, and stop the site. What its server should not have logged raises here."""
        self._leave()
        self._sites.close()

    def play(self, name: str, *arguments: Any) -> dict[str, Any]:
        """Return what the story told, or its failure."""
        began = time.monotonic()
        try:
            told = {"told": self._play(name, arguments)}
        except Exception:  # noqa: BLE001 - whatever a story raises is its failure; the next one is played all the same
            return {"failure": traceback.format_exc()}
        return {**told, "seconds": round(time.monotonic() - began, 2)}

    def _play(self, name: str, arguments: tuple[Any, ...]) -> object:
        module, _, function = name.rpartition(".")
        story: Callable[..., object] = getattr(
            importlib.import_module(f"tests.browser.{module}"), function
        )
        site, setting = self._site_of(sys.modules[f"tests.browser.{module}"]), setting_of(story)
        with self._opened(setting) as (page, watch):
            with self._pictured(page, name):
                told = story(page, site, *arguments)
                assert not (problems := watch.unexpected(setting.expected)), problems
            return told

    @contextmanager
    def _opened(self, setting: Setting) -> Iterator[tuple[Page, Watch]]:
        """Give a new page, or the one before without its cookies; a context costs a process, and a
        cache."""
        if setting != self._seen or self._page is None:
            self._leave()
            self._seen, self._page = (
                setting,
                self._pages.enter_context(opened(self._browser, setting)),
            )
        page, watch = self._page
        page.context.clear_cookies()
        watch.problems.clear()
        try:
            yield page, watch
        except Exception:
            self._leave()
            raise
        if not setting.again:
            self._leave()

    def _leave(self) -> None:
        self._page = None
        self._pages.close()

    def _site_of(self, module: ModuleType) -> Site:
        if module is not self._module:
            self._leave()
            self._sites.close()
            self._module, self._site = module, None
            folder = Path(tempfile.mkdtemp(dir=self._folder))
            self._site = self._sites.enter_context(getattr(module, "open_site", bare_site)(folder))
        assert self._site is not None, (
            f"the site of {module.__name__} could not be opened for the story before"
        )
        return self._site

    @contextmanager
    def _pictured(self, page: Page, name: str) -> Iterator[None]:
        """Keep a picture of a failure."""
        try:
            yield
        except Exception as failure:
            picture = self._folder / f"{name}.png"
            try:
                page.context.pages[-1].screenshot(path=picture)
            except Error:  # the page is gone
                raise failure from None
            failure.add_note(f"the page: {page.url}, its picture: {picture}")
            raise


def main(words: list[str]) -> int:
    """Play one story, or those that are asked for until the end of standard input."""
    with launched() as browser:
        stage = Stage(browser, Path(tempfile.mkdtemp(prefix="levity-browser-")))
        try:
            if words:
                return _one(stage, words)
            for line in sys.stdin:
                print(json.dumps(stage.play(*json.loads(line))), flush=True)
        finally:
            stage.close()
    return 0


def _one(stage: Stage, words: list[str]) -> int:
    """Play it for a person."""
    told = stage.play(*words)
    print(told.get("failure") or json.dumps(told))
    return int("failure" in told)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
