"""An owner lets a price move with a price series, by forms alone."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.site import Site, bare_site

PRICES = "\n".join(
    ["time;price", *(f"2026-03-01 {hour:02}:00;{9 + hour},54" for hour in range(24)), ""]
)
"""Of a day, in cents."""


def open_site(folder: Path) -> AbstractContextManager[Site]:
    return bare_site(folder, "--time-zone", "Europe/Berlin")


def a_price_moves_with_a_series_of_a_file(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/tariffs/new")
    page.get_by_role("link", name="Add a price series").click()
    page.get_by_role("link", name="Add a price series").click()
    page.get_by_label("Name", exact=True).fill("Market")
    page.locator("main form button.strong").click()
    expect(page.get_by_text("No price yet")).to_be_visible()

    page.get_by_role("link", name="From a file, or of this day").click()
    file = {"name": "prices.csv", "mimeType": "text/csv", "buffer": PRICES.encode()}
    page.get_by_label("File (CSV or JSON)").set_input_files(file)  # type: ignore[arg-type]
    page.get_by_label("Unit").fill("ct/kWh")
    page.get_by_role("button", name="Read this file").click()
    expect(page.get_by_role("heading", name="96 quarter-hours have a new price")).to_be_visible()
    page.goto(f"{site.url}/series/1?day=2026-03-01")
    expect(page.get_by_text("0.0954 EUR")).to_be_visible()

    page.goto(f"{site.url}/tariffs/new")
    series = page.get_by_label("Price series", exact=True)
    expect(series).to_be_hidden()
    page.get_by_label("It moves with a price series").check()
    expect(page.get_by_label("Price (EUR a kWh)", exact=True)).to_be_hidden()
    series.select_option("Market")
    page.get_by_label("Plus the markup").fill("0,12")
    page.get_by_label("Fallback price").fill("0,35")
    page.get_by_role("button", name="What would last month have cost?").click()
    expect(page.get_by_text("nobody calibrates them")).to_be_visible()
    page.get_by_role("link", name="Take the mean of the month instead").click()
    expect(page.get_by_text("nobody calibrates them")).to_have_count(0)
    expect(page.get_by_label("The mean of the month counts")).to_be_checked()
    page.get_by_role("button", name="Set this price").click()
    words = "the month's mean of price series Market + 0.12 EUR; 0.35 EUR where"
    expect(page.get_by_text(words).first).to_be_visible()
    expect(page.get_by_role("row", name="The whole site")).to_be_visible()
