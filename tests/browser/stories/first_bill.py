"""As a new user: from an empty database to the preview of the first bill, in the browser alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from playwright.sync_api import Page, expect

from tests.browser.site import Site, wait_until

TAG: Final = "04A2B3C4"
FAST: Final = {"power_type": "DC", "max_power_w": 300_000.0}
LEAST_WH: Final = 300
"""Less than 100 Wh are free."""
CLOCK_MS: Final = 4000
"""More than a charger's clock is behind: it sends whole seconds, tolerates one more, and on a busy
machine the time that it was given was old."""


def the_first_bill(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/")
    expect(page.get_by_role("heading", name="Connect the first charger")).to_be_visible()
    site.charger("SPACE-1", **FAST)
    expect(page.get_by_text("SPACE-1 is connected.")).to_be_visible()
    expect(page.get_by_role("link", name="SPACE-1")).to_be_visible()
    page.get_by_role("navigation").get_by_role("link", name="Bills").click()
    _say_who_bills(page)
    _add_a_household(page)
    _set_a_price(page)
    page.get_by_role("button", name="Begin to bill").click()
    expect(page.get_by_role("heading", name="Before the first bill")).to_be_hidden()
    page.wait_for_timeout(CLOCK_MS)  # it must not have begun before the tag was given
    _charge(site)
    page.reload()
    page.get_by_role("link", name=f"{datetime.now(UTC):%B %Y}").click()
    expect(page.get_by_role("row", name="Anna Becker")).to_be_visible()
    total = page.get_by_label("In total")
    expect(total).to_contain_text("1 statement, 1 session")
    expect(total).not_to_contain_text("0.00")


def _say_who_bills(page: Page) -> None:
    page.get_by_role("region", name="Before the first bill").get_by_role(
        "link", name="Sender of the bills"
    ).click()
    page.get_by_label("Name", exact=True).fill("Hausverein Bauhof 12")
    page.get_by_label("How are you taxed?").select_option("no business")
    page.locator("main form button.strong").click()
    expect(page.get_by_text("The statements name their sender.")).to_be_visible()


def _add_a_household(page: Page) -> None:
    page.get_by_role("link", name="Enter households").click()
    page.get_by_label("Name, row 1", exact=True).fill("Anna Becker")
    page.get_by_label("Card, row 1", exact=True).fill(TAG)
    page.locator("main form button.strong").click()
    expect(page.get_by_text("With a card or a space: 1.")).to_be_visible()


def _set_a_price(page: Page) -> None:
    page.get_by_role("link", name="Enter what a kWh costs").click()
    page.get_by_label("Price (EUR a kWh)").fill("0.32")
    page.get_by_role("button", name="What would last month have cost?").click()
    page.get_by_role("button", name="Set this price").click()
    expect(page.get_by_text("A tariff is assigned.")).to_be_visible()


def _charge(site: Site) -> None:
    """Charge until the session is too large to be free."""
    site.vehicle("Fast", battery_wh=90_000, max_dc_w=300_000)
    site.act("SPACE-1", "plug", vehicle="Fast")
    site.act("SPACE-1", "tag", tag=TAG)
    wait_until(lambda: site.server.query("SELECT 1 FROM meter_val WHERE wh > ?", LEAST_WH))
    site.act("SPACE-1", "stop")
    site.act("SPACE-1", "unplug")
    wait_until(lambda: site.server.query("SELECT 1 FROM tx WHERE status = 'Completed'"))
