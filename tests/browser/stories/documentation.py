"""The documentation of the API, for engineers."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.site import Site


def an_endpoint_is_looked_up(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/api/docs")
    page.get_by_text("GET /api/admin/chargers List chargers").click()
    expect(page.get_by_text("Needs the role viewer.").filter(visible=True)).to_have_count(1)
