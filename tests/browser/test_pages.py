"""What every page must be: accessible in both colour schemes, fit for a phone, and readable without JavaScript."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.pages import PAGES
from tests.browser.player import Player


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_serious(browser: Player, axe: Path, path: str) -> None:
    browser.play("checks.accessible", path, str(axe))


@pytest.mark.parametrize("path", PAGES)
def test_it_fits_a_phone(browser: Player, path: str) -> None:
    browser.play("checks.fits_a_phone", path)


@pytest.mark.parametrize("path", PAGES)
def test_it_reads_without_javascript(browser: Player, path: str) -> None:
    browser.play("checks.reads_without_javascript", path)
