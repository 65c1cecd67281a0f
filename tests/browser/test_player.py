"""The tests of pages would notice: each fault of a page fails what is to find it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.browser import player
from tests.browser.player import Player, browser_path

OPENED = {
    "/logs": "console: it went wrong",
    "/throws": "uncaught: nothing is not defined",
    "/foreign": "net::ERR_NAME_NOT_RESOLVED",
    "/missing": "answer: 404",
    "/policy": "Content Security Policy",
}
FOUND = {
    "/wide": "wider than the screen",
    "/small": "small target",
    "/jumping": "layout shift",
    "/scripted": "More.*with JavaScript",
    "/unwritten": "no text without JavaScript",
    "/hidden-tab": "the current tab is not seen",
    "/scrolling": "the keyboard does not reach it",
    "/nameless": "button-name",
    "/grey": "color-contrast",
}


def test_a_sound_page_passes_everything(browser: Player, axe: Path) -> None:
    browser.play("faulty.opens", "/sound")
    browser.play("faulty.is_for_everybody", "/sound", str(axe))


@pytest.mark.parametrize(("path", "words"), OPENED.items())
def test_what_goes_wrong_in_a_page_fails_its_story(browser: Player, path: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words) as failed:
        browser.play("faulty.opens", path)
    picture = Path(str(failed.value).rpartition("its picture: ")[2].strip())
    assert picture.stat().st_size > 0


def test_a_story_may_announce_what_goes_wrong(browser: Player) -> None:
    browser.play("faulty.opens_as_expected", "/logs")


@pytest.mark.parametrize(("path", "words"), FOUND.items())
def test_what_is_not_for_everybody_is_found(
    browser: Player, axe: Path, path: str, words: str
) -> None:
    with pytest.raises(AssertionError, match=words):
        browser.play("faulty.is_for_everybody", path, str(axe))


def test_playwright_is_not_imported_here(browser: Player) -> None:
    browser.play("faulty.opens", "/sound")
    assert not {name for name in sys.modules if name.partition(".")[0] == "playwright"}


def test_without_chromium_the_tests_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player, "NAMES", ("no-such-browser",))
    with pytest.raises(LookupError, match=r"\.ci/run installs"):
        browser_path()
