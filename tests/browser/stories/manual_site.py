"""The manual as a site, opened from a disk: what strangers type, on a screen and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.chromium import WIDE, seen
from tests.tools import site as tool

NARROW: Final[ViewportSize] = {"width": 360, "height": 740}
TYPED: Final = {
    "raspberry": "Install it on a Raspberry Pi",
    "lost card": "My card, my log-in, something is wrong",
    "how do I add a household": "Add a household, a card, a car",
    "invoice": "Close a month",
    "docker": "Install it on a Raspberry Pi",
    "RFID": "Cards: who may charge",
    "night tarif": "A night tariff",
    "--max-connections": "Settings",
    "postgres": "Larger sites: PostgreSQL, several servers",
    "SteVe": "levity-trio",
    "wallbox": "Chargers V to Z",
    "Home Assistant": "Home Assistant in five minutes",
    "solar": "Prices by the quarter-hour, own sun",
}
"""What is typed, and a page that is among the first five."""
IN_GERMAN: Final = {
    "karte verloren": "Meine Karte, meine Anmeldung, etwas stimmt nicht",
    "Rechnung": "Was ich zahle und warum",
    "backup": "Back up and restore",
}
FIRST_FOUND: Final = """typed => {
  search(typed);
  const found = [...document.querySelectorAll(".found li > a:first-child")].slice(0, 5);
  return found.map(one => one.textContent.split(" › ")[0]);
}"""
WIDER: Final = "document.documentElement.scrollWidth > innerWidth"


@contextmanager
def open_site(folder: Path) -> Iterator[Path]:
    tool.build(folder / "manual", None)
    yield folder / "manual"


@seen(again=True)
def strangers_find_what_they_look_for(page: Page, site: Path) -> None:
    for start, language in (("tasks/feeder.html", TYPED), ("de/index.html", IN_GERMAN)):
        page.goto((site / start).as_uri())
        page.keyboard.press("/")
        page.keyboard.insert_text("backup")
        expect(page.locator(".found")).to_be_visible()
        for typed, title in language.items():
            titles = page.evaluate(FIRST_FOUND, typed)
            assert title in titles, (typed, titles)
    own, *_others = page.evaluate(FIRST_FOUND, "Tarif")
    assert own == "Was ich zahle und warum", "what is in the language of the page comes first"
    page.evaluate(FIRST_FOUND, "backup")
    expect(page.locator(".found li > span").first).to_have_text("English")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Back up and restore", level=1)).to_be_visible()


@seen(again=True)
def a_search_that_is_sent_has_an_address(page: Page, site: Path) -> None:
    page.goto((site / "tasks" / "cards.html").as_uri())
    page.get_by_role("searchbox").fill("lost card")
    page.get_by_role("link", name="Cards: who may charge › One card").click()
    expect(page.get_by_role("heading", name="One card")).to_be_in_viewport()
    page.get_by_role("searchbox").fill("lost card")
    page.keyboard.press("Enter")
    page.wait_for_url("**/manual.html?q=lost+card")
    expect(page.locator(".found mark").first).to_be_visible()
    expect(page.get_by_role("heading", name="The manual")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="The manual")).to_be_visible()
    page.get_by_role("searchbox").fill("zzzz")
    expect(page.get_by_role("heading", name="Nothing found. Try another word.")).to_be_visible()


@seen(again=True)
def it_fits_a_phone(page: Page, site: Path) -> None:
    for name in ("index", "manual", "tasks/feeder", "reference/settings", "de/drivers/what-i-pay"):
        page.set_viewport_size(NARROW)
        page.goto((site / f"{name}.html").as_uri())
        assert not page.evaluate(WIDER), name
    page.get_by_text("Auf dieser Seite").click()
    page.get_by_role("link", name="Andere Gebühren").click()
    expect(page.get_by_role("heading", name="Andere Gebühren")).to_be_in_viewport()
    page.get_by_role("button", name="Dunkel").click()
    page.set_viewport_size(WIDE)
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("link", name="What I pay, and why")).to_have_attribute(
        "aria-current", "page"
    )
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.get_by_role("button", name="Auto").click()


@seen(java_script_enabled=False)
def without_scripts_a_search_leads_to_the_contents(page: Page, site: Path) -> None:
    page.goto((site / "tasks" / "cards.html").as_uri())
    page.get_by_role("searchbox").fill("lost card")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Cards: who may charge")).to_be_visible()
