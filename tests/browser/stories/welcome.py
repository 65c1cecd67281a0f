"""A link with a one-time code, at the drivers' port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, Request, expect

from tests.browser.chromium import seen
from tests.browser.site import Site, bare_site
from tests.integration.browsing import OF_DRIVERS

FORM: Final = "/do/post/me/password"


@contextmanager
def open_site(folder: Path) -> Iterator[Site]:
    with bare_site(folder, "--drivers-port", "0") as site:
        site.ask("POST", "admin", "accounts", name="Flat 7")
        site.ask("POST", "admin", "users", name="ben", role="driver", account=1)
        yield site


@seen()
def the_code_of_a_link_leaves_the_address_and_is_sent_only_by_its_form(
    page: Page, site: Site
) -> None:
    url, code = _url(site), _code(site)
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))  # noqa: PLW0108 - Playwright cannot wrap a method
    page.goto(f"{url}/welcome?next={FORM}#{code}")
    expect(page.get_by_label("One-time code or PIN")).to_have_value(code)
    expect(page).to_have_url(f"{url}/welcome?next={FORM}")
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(f"{url}{FORM}")
    told = [one for one in asked if code in one.url or code in (one.headers.get("referer") or "")]
    assert (len(asked) > 3, told) == (True, [])


@seen()
def a_second_link_in_the_same_tab_is_taken_too(page: Page, site: Site) -> None:
    url, code = _url(site), _code(site)
    page.goto(f"{url}/welcome")
    page.evaluate("location.hash = 'invite_1_old'")
    expect(page.get_by_label("One-time code or PIN")).to_have_value("invite_1_old")
    page.evaluate("code => { location.hash = code; }", code)
    expect(page.get_by_label("One-time code or PIN")).to_have_value(code)
    expect(page).to_have_url(f"{url}/welcome")


@seen(java_script_enabled=False)
def without_javascript_it_is_typed(page: Page, site: Site) -> None:
    url, code = _url(site), _code(site)
    page.goto(f"{url}/login?next={FORM}")
    page.get_by_label("One-time code or PIN").fill(code)
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(f"{url}{FORM}")


def _url(site: Site) -> str:
    return str(site.server.wait_line(OF_DRIVERS)["address"]).rstrip("/")


def _code(site: Site) -> str:
    return str(site.ask("POST", "admin", "users", "1", "invitations", kind="link")["code"])
