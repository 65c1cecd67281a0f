"""Names that people give, however long: pages stay as wide as the screen, and no amount is
broken."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from playwright.sync_api import Page

from tests.browser.checks import WIDER
from tests.browser.site import Site, bare_site

LONG: Final = "W" * 200
WIDTHS: Final = (320, 640, 1000)
PATHS: Final = (
    "/payments",
    "/accounts",
    "/accounts/1",
    "/tags",
    "/tariffs",
    "/chargers",
    "/history?of=account",
)
BROKEN: Final = """() => [...document.querySelectorAll("main :is(td.number, time)")].filter(one => {
  const text = document.createRange();
  text.selectNodeContents(one);
  const tops = new Set([...text.getClientRects()].map(line => Math.round(line.bottom / 8)));
  return one.checkVisibility() && tops.size > 1;
}).map(one => one.outerHTML)"""


def open_site(folder: Path) -> AbstractContextManager[Site]:
    return bare_site(folder)


def long_names_leave_room(page: Page, site: Site) -> None:
    _furnish(site)
    for path in PATHS:
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(site.url + path)
            assert not (found := page.evaluate(WIDER, width)), (path, width, found)
            assert not (found := page.evaluate(BROKEN)), (path, width, found)


def _furnish(site: Site) -> None:
    site.ask("POST", "admin", "accounts", name=LONG, since="2026-01-01", contact=LONG)
    site.ask(
        "POST",
        "admin",
        "accounts",
        name="Anna Becker",
        since="2026-01-01",
        contact="anna@example.org",
    )
    site.ask("POST", "admin", "tariff-prices", price="0.32", since="2026-01-01", site=True)
    site.ask("POST", "admin", "wallets", "2", "payment", amount=123_450, reason="here")
    site.ask("POST", "admin", "id-tags", id_tag="04A2B3C4", name=LONG)
    site.ask("POST", "admin", "accounts", "1", "give", tag="04A2B3C4", since="2026-01-01")
    site.ask("POST", "admin", "chargers", id="CP-1", name=LONG[:100])
