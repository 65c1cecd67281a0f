"""A driver: invited by an operator, at the place of a printed code, on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, ViewportSize, expect

from levity_trio.web.api.chargers.chargers import PLACE
from tests.browser.chromium import PATIENCE_MS, seen, send
from tests.browser.site import Site, bare_site, wait_until

NARROW: Final[ViewportSize] = {"width": 360, "height": 740}
PASSWORD, TAG, OTHER_TAG = "correct horse battery staple", "04A2B3C4", "04F1D022"
MOST_RELOADS: Final = 40


@contextmanager
def open_site(folder: Path) -> Iterator[Site]:
    """A house of two households, one of which has charged at the only charger."""
    with bare_site(folder, is_named=True) as site:
        site.ask("POST", "admin", "users", name="Cleo", role="admin", password=PASSWORD)
        for name, tag in (("Anna Becker", TAG), ("Familie Weber", OTHER_TAG)):
            account = str(
                site.ask("POST", "admin", "accounts", name=name, since="2026-01-01")["id"]
            )
            site.ask("POST", "admin", "accounts", account, "give", tag=tag, since="2026-01-01")
        site.charger("SPACE-4")
        site.ask("PUT", "admin", "chargers", "SPACE-4", name="Space 4")
        _charge(site, OTHER_TAG)
        yield site


def _charge(site: Site, tag: str) -> None:
    site.act("SPACE-4", "plug")
    site.act("SPACE-4", "tag", tag=tag)
    wait_until(lambda: site.server.query("SELECT 1 FROM tx WHERE id_tag = ?", tag))
    site.act("SPACE-4", "stop")
    site.act("SPACE-4", "unplug")
    wait_until(
        lambda: site.server.query("SELECT 1 FROM tx WHERE id_tag = ? AND status = 'Completed'", tag)
    )


@seen(viewport=NARROW, is_mobile=True, has_touch=True)
def an_invited_driver_charges(page: Page, site: Site) -> None:
    link = _invite(page, site, "Anna")
    with _phone(page) as phone:
        phone.goto(link)
        expect(phone).to_have_url(f"{site.url}/welcome")
        phone.get_by_role("button", name="Continue").click()
        expect(phone.get_by_role("heading", name="Charge", exact=True)).to_be_visible()
        phone.goto(_code(site))
        place = phone.get_by_role("region", name="Space 4")
        expect(place).to_contain_text("Free")
        site.act("SPACE-4", "plug")
        expect(place).to_contain_text("Plugged in")
        place.get_by_role("button", name="Start").click()
        expect(place).to_contain_text("Charging")
        expect(place).to_contain_text(re.compile(r"0\.\d*[1-9]\d* kWh"))
        place.get_by_text("Stop", exact=True).click()
        place.get_by_role("button", name="Stop my session").click()
        expect(phone.get_by_role("status").filter(has_text="stopped")).to_be_visible()
        _sees_only_his_own(phone, site)
    site.act("SPACE-4", "unplug")


def _invite(page: Page, site: Site, name: str) -> str:
    """Invite a driver as the operator does; return the link."""
    page.goto(f"{site.url}/accounts/1")
    page.get_by_label("Name", exact=True).fill("Cleo")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Name of a driver").fill(name)
    page.get_by_role("button", name="Invite by link").click()
    expect(page.get_by_role("img", name="The link as a QR code")).to_be_visible()
    return page.locator(".handed code").inner_text()


@contextmanager
def _phone(page: Page) -> Iterator[Page]:
    """The driver's own: none of the operator's cookies."""
    browser = page.context.browser
    assert isinstance(browser, Browser)
    with browser.new_context(
        viewport=NARROW, is_mobile=True, has_touch=True, locale="en-GB"
    ) as context:
        context.set_default_timeout(PATIENCE_MS)
        yield context.new_page()


def _code(site: Site) -> str:
    """Return where the label of the charger leads; with an address of this machine alone, none is
    printed."""
    return f"{site.url}{PLACE}/SPACE-4"


def _sees_only_his_own(phone: Page, site: Site) -> None:
    phone.get_by_role("navigation").get_by_role("link", name="Sessions").click()
    expect(phone.get_by_role("row")).to_have_count(2)  # its head, and one session
    ((other,),) = site.server.query("SELECT id FROM tx WHERE id_tag = ?", OTHER_TAG)
    assert phone.request.get(f"{site.url}/d/sessions/{other}").status == 404
    for path in ("/", "/accounts/1", f"/sessions/{other}", "/chargers"):
        assert "Familie" not in phone.request.get(f"{site.url}{path}").text()


@seen(viewport=NARROW, java_script_enabled=False, expected=("answer: 401",))
def without_javascript(page: Page, site: Site) -> None:
    """With a PIN, which leads to the place whose code was scanned; its course is there after each
    reload."""
    made = site.ask("POST", "admin", "users", name="Ada", role="driver", account=1, invite="pin")
    site.act("SPACE-4", "plug")
    page.goto(f"{site.url}/d/at/SPACE-4")
    page.get_by_label("One-time code or PIN").fill(made["invitation"]["code"])
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(f"{site.url}/d/at/SPACE-4")
    send(page.get_by_role("button", name="Start"))
    _reload_until(page, "Charging")
    page.get_by_text("Stop", exact=True).click()
    send(page.get_by_role("button", name="Stop my session"))
    _reload_until(page, "stopped")
    site.act("SPACE-4", "unplug")


def _reload_until(page: Page, words: str) -> None:
    for _ in range(MOST_RELOADS):
        if words in page.locator("main").inner_text():
            break
        page.wait_for_timeout(500)
        page.reload()
    expect(page.locator("main")).to_contain_text(words)
