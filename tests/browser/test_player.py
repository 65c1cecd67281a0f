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
ON_A_PHONE = {"/wide": "wider than the screen", "/small": "small target", "/jumping": "layout shift"}


def test_a_sound_page_passes_everything(browser: Player, axe: Path) -> None:
    browser.play("faulty.opens", "/sound")
    browser.play("faulty.fits_a_phone", "/sound")
    browser.play("faulty.reads_without_javascript", "/sound")
    browser.play("faulty.accessible", "/sound", str(axe))


@pytest.mark.parametrize(("path", "words"), OPENED.items())
def test_what_goes_wrong_in_a_page_fails_its_story(browser: Player, path: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words) as failed:
        browser.play("faulty.opens", path)
    picture = Path(str(failed.value).rpartition("its picture: ")[2].strip())
    assert picture.stat().st_size > 0


def test_a_story_may_announce_what_goes_wrong(browser: Player) -> None:
    browser.play("faulty.opens_as_expected", "/logs")


@pytest.mark.parametrize(("path", "words"), ON_A_PHONE.items())
def test_what_does_not_fit_a_phone_is_found(browser: Player, path: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        browser.play("faulty.fits_a_phone", path)


def test_what_needs_javascript_is_found(browser: Player) -> None:
    with pytest.raises(AssertionError, match="More"):
        browser.play("faulty.reads_without_javascript", "/scripted")


def test_grey_on_white_is_found(browser: Player, axe: Path) -> None:
    with pytest.raises(AssertionError, match="color-contrast"):
        browser.play("faulty.accessible", "/grey", str(axe))


def test_playwright_is_not_imported_here(browser: Player) -> None:
    browser.play("faulty.opens", "/sound")
    assert not {name for name in sys.modules if name.partition(".")[0] == "playwright"}


def test_without_chromium_the_tests_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player, "NAMES", ("no-such-browser",))
    with pytest.raises(LookupError, match=r"\.ci/run installs"):
        browser_path()
