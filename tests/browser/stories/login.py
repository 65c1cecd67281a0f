"""Logging in and out, where users exist."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, expect

from tests.browser.chromium import seen
from tests.browser.site import Site, bare_site

NAME, PASSWORD = "anna", "correct horse battery staple"
WRONG: Final = "correct horse battery stable"
LOADED: Final = """async path => {
  const image = new Image();
  image.src = path;
  await image.decode();
  return `${image.naturalWidth}x${image.naturalHeight}`;
}"""
REFUSED: Final = ("answer: 401", "answer: 403", "answer: 422")


@contextmanager
def open_site(folder: Path) -> Iterator[Site]:
    with bare_site(folder) as site:
        site.ask("POST", "admin", "users", name=NAME, role="admin", password=PASSWORD)
        site.charger("CP-1")
        yield site


@seen(expected=REFUSED)
def only_the_right_password_opens_a_page(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/bills")
    _log_in(page, WRONG)
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("navigation")).to_be_hidden()
    assert not page.evaluate("document.cookie"), "scripts can read the cookie"
    _log_in(page, PASSWORD)
    expect(page).to_have_url(f"{site.url}/bills")
    expect(page.get_by_text(NAME)).to_be_visible()


@seen(expected=REFUSED)
def logging_out_ends_the_stream_in_another_tab(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/")
    _log_in(page, PASSWORD)
    expect(page.locator("#link")).to_have_text("live")
    other = page.context.new_page()
    other.goto(f"{site.url}/")
    expect(other.locator("#link")).to_have_text("live")
    page.locator(".who summary").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    site.act("CP-1", "plug")
    expect(other.get_by_role("heading", name="Log in")).to_be_visible()
    page.goto(f"{site.url}/")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


@seen()
def it_can_be_put_on_a_home_screen_before_anybody_logs_in(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/login")
    asking = page.context.new_cdp_session(page)
    found = asking.send("Page.getAppManifest")
    assert (found["url"], found["errors"]) == (f"{site.url}/manifest.webmanifest", [])
    told = json.loads(found["data"])
    assert (told["start_url"], told["scope"], told["display"]) == ("/", "/", "standalone")
    apples = page.locator("link[rel=apple-touch-icon]").get_attribute("href")
    sizes = {str(apples): "192x192", **{one["src"]: one["sizes"] for one in told["icons"]}}
    assert {one["purpose"] for one in told["icons"]} == {"any", "maskable"}
    for path, size in sizes.items():
        assert page.evaluate(LOADED, path) == size, path
    assert asking.send("Page.getInstallabilityErrors")["installabilityErrors"] == []


@seen(java_script_enabled=False)
def without_javascript(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/")
    _log_in(page, PASSWORD)
    expect(page.get_by_text("CP-1").first).to_be_visible()


def _log_in(page: Page, password: str) -> None:
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in").click()
