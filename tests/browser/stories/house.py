"""A month of a house: a doubtful session is corrected, and the month before is closed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from playwright.sync_api import Page, expect

from tests.browser.furnished import furnished_site, month_before
from tests.browser.past import HOUSEHOLDS, TIME_ZONE
from tests.browser.site import Site


def open_site(folder: Path) -> AbstractContextManager[Site]:
    return furnished_site(folder, is_closed=False)


def a_doubtful_session_is_corrected(page: Page, site: Site) -> None:
    """The figure that stands there is as exact as what was typed, and the doubt is gone."""
    number = site.shown["transactions"]
    page.goto(site.url)
    page.keyboard.press("/")
    page.keyboard.type(f"{number}\n")
    page.locator(".found").get_by_role("link").first.click()
    expect(page).to_have_url(f"{site.url}/sessions/{number}")
    expect(page.get_by_text("In doubt:", exact=True)).to_be_visible()
    page.get_by_role("link", name="Correct").click()
    page.get_by_label("Energy (kWh)").fill("3.6")
    page.locator("[name=reason]").fill("The register leapt; the car took 3.6 kWh.")
    page.locator("main form button.strong").click()
    expect(page).to_have_url(f"{site.url}/sessions/{number}")
    expect(page.get_by_text("3.60 kWh").first).to_be_visible()
    expect(page.get_by_text("In doubt:", exact=True)).to_be_hidden()
    stored = site.server.query(
        "SELECT energy_delivered, confidence, review FROM tx WHERE id = ?", number
    )
    assert stored == [(3600, "certain", None)]


def a_month_is_closed(page: Page, site: Site) -> None:
    """From the list of months to a statement as PDF."""
    month = month_before(datetime.now(ZoneInfo(TIME_ZONE)).date())
    page.goto(f"{site.url}/bills")
    page.get_by_role("link", name=f"{month:%B %Y}").click()
    page.get_by_text(f"Close {month:%B %Y}", exact=True).click()
    page.get_by_role("button", name=f"Close {month:%B %Y}").click()
    expect(page.get_by_text("Closed").first).to_be_visible()
    expect(page.get_by_role("link", name=HOUSEHOLDS[0].name)).to_be_visible()
    assert site.server.query("SELECT count(*) FROM statement") == [(len(HOUSEHOLDS),)]
    paper = page.get_by_role("link", name="PDF").first.get_attribute("href")
    assert page.request.get(f"{site.url}{paper}").body().startswith(b"%PDF-")
