"""What the owner sees and does on the page that he keeps open, while cars come and go."""

from __future__ import annotations

from typing import Final

from playwright.sync_api import Locator, Page, expect

from tests.browser.chromium import PHONE, seen, send
from tests.browser.site import Site

TAG: Final = "04A2B3C4"
CUT: Final = (
    "net::ERR_CONNECTION_REFUSED",
    "net::ERR_INCOMPLETE_CHUNKED_ENCODING",
    "net::ERR_CONNECTION_RESET",
)
"""What a browser says of a server that went."""


def the_first_charger_appears_by_itself(page: Page, site: Site) -> None:
    _look(page, site)
    expect(page.get_by_role("heading", name="Connect the first charger")).to_be_visible()
    expect(page.get_by_text(f"ws://127.0.0.1:{site.port}/").first).to_be_visible()
    site.charger("FIRST")
    expect(_card(page, "FIRST")).to_contain_text("Available")
    expect(page.get_by_role("heading", name="Connect the first charger")).to_be_hidden()


def a_plug_in_appears_without_reload(page: Page, site: Site) -> None:
    site.charger("PLUG")
    _look(page, site)
    expect(_card(page, "PLUG")).to_contain_text("Available")
    page.evaluate("window.isTheSame = true")
    site.act("PLUG", "plug")
    expect(_card(page, "PLUG")).to_contain_text("Cable in")
    site.act("PLUG", "tag", tag=TAG)
    expect(_card(page, "PLUG")).to_contain_text("Charging")
    expect(_card(page, "PLUG")).to_contain_text(TAG)
    assert page.evaluate("window.isTheSame")


def a_fault_comes_with_its_cause(page: Page, site: Site) -> None:
    site.charger("BROKEN")
    _look(page, site)
    site.act("BROKEN", "fault", error_code="GroundFailure")
    expect(_card(page, "BROKEN")).to_contain_text("Faulted")
    expect(_card(page, "BROKEN")).to_contain_text("GroundFailure")
    site.act("BROKEN", "clear-fault")
    expect(_card(page, "BROKEN")).not_to_contain_text("GroundFailure")


def a_car_is_started_and_stopped(page: Page, site: Site) -> None:
    site.charger("DRIVE")
    site.act("DRIVE", "plug")
    _look(page, site)
    _start_and_stop(page, "DRIVE")
    assert site.server.query("SELECT status, stop_reason FROM tx WHERE cp_id = 'DRIVE'") == [
        ("Completed", "Remote")
    ]


@seen(viewport=PHONE, is_mobile=True, has_touch=True)
def a_state_that_is_a_sentence_breaks_on_a_phone(page: Page, site: Site) -> None:
    """As on the page that tries a charger."""
    _look(page, site)
    words = "No car charges here yet: plug in your car, and start it. " * 2
    sentence = f'<p><span class="state look">{words}</span></p>'
    page.locator("main").evaluate(
        "(main, sentence) => main.insertAdjacentHTML('beforeend', sentence)", sentence
    )
    expect(page.get_by_text(words.strip())).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@seen(viewport=PHONE, is_mobile=True, has_touch=True)
def on_a_phone(page: Page, site: Site) -> None:
    site.charger("PHONE")
    site.act("PHONE", "plug")
    _look(page, site)
    _start_and_stop(page, "PHONE")


@seen(java_script_enabled=False)
def without_javascript(page: Page, site: Site) -> None:
    site.charger("PLAIN")
    site.act("PLAIN", "plug")
    page.goto(f"{site.url}/")
    _expect(page, "PLAIN", "Cable in", reload=True)
    _start_and_stop(page, "PLAIN", reload=True)


@seen(expected=CUT)
def a_restart_of_the_server_is_survived(page: Page, site: Site) -> None:
    """The page says that it is not live, and since when; later it shows what happened meanwhile."""
    page.clock.install()
    site.charger("AGAIN")
    _look(page, site)
    expect(_card(page, "AGAIN")).to_contain_text("Available")
    page.evaluate("window.isTheSame = true")
    with site.stopped():
        expect(page.locator("#link")).to_contain_text("no connection")
        page.clock.fast_forward("03:00")
        expect(page.locator("#link")).to_contain_text("no connection for 3 min")
        # what was so before the server stopped
        expect(_card(page, "AGAIN")).not_to_contain_text("away")
        site.act("AGAIN", "plug")
    expect(page.locator("#link")).to_have_text("live")
    expect(_card(page, "AGAIN")).to_contain_text("Cable in")
    assert page.evaluate("window.isTheSame")


def a_page_is_printed_dark_on_white(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert sum(_colour(page)) > 600
    page.emulate_media(media="print", color_scheme="dark")
    assert sum(_colour(page)) < 150


def _colour(page: Page) -> list[int]:
    """Return red, green and blue of the page's text."""
    return [
        int(part) for part in page.evaluate("getComputedStyle(document.body).color.match(/\\d+/g)")
    ]


def a_hidden_page_closes_its_stream(page: Page, site: Site) -> None:
    """A browser allows six to a server."""
    _look(page, site)
    with page.expect_event("requestfailed", lambda request: "/live/" in request.url):
        _set_hidden(page, is_hidden=True)
    with page.expect_request("**/live/"):
        _set_hidden(page, is_hidden=False)
    expect(page.locator("#link")).to_have_text("live")


def _set_hidden(page: Page, *, is_hidden: bool) -> None:
    """Tell the page what a browser tells one whose tab is left; a headless one shows all of its
    tabs."""
    page.evaluate(
        """is => {
          Object.defineProperty(document, "hidden", {value: is, configurable: true});
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )


def _look(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/")
    expect(page.locator("#link")).to_have_text("live")


def _card(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def _start_and_stop(page: Page, name: str, *, reload: bool = False) -> None:
    """Start from the card with a tag, and stop there. What has no JavaScript is loaded again."""
    _card(page, name).get_by_role("link", name="Start").click()
    page.get_by_label("Card", exact=True).fill(TAG)
    _press(page.get_by_role("button", name="Start a session"), navigates=reload)
    _expect(page, name, "Charging", reload=reload)
    card = _card(page, name)
    card.get_by_text("Stop", exact=True).click()
    _press(card.get_by_role("button", name="Stop"), navigates=reload)
    _expect(page, name, "Finishing", reload=reload)


def _press(button: Locator, *, navigates: bool) -> None:
    if navigates:
        send(button)
    else:
        button.click()


def _expect(page: Page, name: str, words: str, *, reload: bool) -> None:
    for _ in range(40 if reload else 0):
        if words in _card(page, name).inner_text():
            break
        page.wait_for_timeout(500)
        page.reload()
    expect(_card(page, name)).to_contain_text(words)
