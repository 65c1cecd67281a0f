"""What a driver finds later: the statement of the month before, and what a session was."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, expect

from tests.browser.chromium import seen
from tests.browser.furnished import peopled_site
from tests.browser.past import HOUSEHOLDS
from tests.browser.site import Site

NARROW: Final = {"width": 360, "height": 740}


def open_site(folder: Path) -> AbstractContextManager[Site]:
    return peopled_site(folder)


@seen(viewport=NARROW)
def a_statement_is_read(page: Page, site: Site) -> None:
    page.context.add_cookies(site.cookies["driver"])
    page.goto(f"{site.url}/d/statements")
    expect(page.get_by_role("link", name="PDF")).to_have_count(1)
    paper = page.get_by_role("link", name="PDF").get_attribute("href")
    assert page.request.get(f"{site.url}{paper}").body().startswith(b"%PDF-")
    for other in range(1, len(HOUSEHOLDS) + 1):
        answer = page.request.get(f"{site.url}/get/me/statements/{other}")
        assert (HOUSEHOLDS[0].name in answer.text()) == (answer.status == 200)
        assert not [one for one in HOUSEHOLDS[1:] if one.name in answer.text()]
    page.locator("main h2 a").click()
    expect(page.get_by_text(HOUSEHOLDS[0].name).first).to_be_visible()


@seen(viewport=NARROW)
def a_session_is_looked_up(page: Page, site: Site) -> None:
    page.context.add_cookies(site.cookies["driver"])
    page.goto(f"{site.url}/d/sessions")
    page.locator("table.list a").nth(1).click()
    expect(page.get_by_text("kWh").first).to_be_visible()
    expect(page.locator("svg.chart")).to_have_count(2)
