"""What the benchmark of the dashboard measures in a browser, at a server that it started itself."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

from tests.browser.site import Site
from tests.integration.charger import Charger, now

STATUSES: Final = ("Preparing", "Available")
SHOWN: Final = "Cable in"
"""How the page calls the first of them."""
WATCHING: Final = """([id, words]) => {
  const told = () => document.getElementById(id)?.textContent.includes(words);
  let last = told();
  new MutationObserver(() => {
    if (told() === last) return;
    last = told();
    requestAnimationFrame(() => window.shown.push(performance.timeOrigin + performance.now()));
  }).observe(document.body, {childList: true, subtree: true, characterData: true});
}"""
FIRST: Final = """() => new Promise(found => {
  const look = () => window.shown.length ? found(window.shown[0]) : setTimeout(look, 20);
  look();
})"""


@contextmanager
def open_site(folder: Path) -> Iterator[Site]:
    """No server: the benchmark has one."""
    yield Site(folder)


def first_page(page: Page, _site: Site, url: str) -> list[list[Any]]:
    """Return what a browser with nothing in its cache loads for a page: each address, and its bytes
    with the head."""
    loaded: dict[str, list[Any]] = {}
    devtools = page.context.new_cdp_session(page)
    devtools.on("Network.requestWillBeSent", lambda told: _note(loaded, told))
    devtools.on("Network.loadingFinished", lambda told: _add(loaded, told))
    devtools.send("Network.enable")
    page.goto(url)
    page.wait_for_timeout(1500)  # the icon is loaded last
    return list(loaded.values())


def _note(loaded: dict[str, list[Any]], told: dict[str, Any]) -> None:
    loaded[told["requestId"]] = [told["request"]["url"], 0]


def _add(loaded: dict[str, list[Any]], told: dict[str, Any]) -> None:
    if told["requestId"] in loaded:
        loaded[told["requestId"]][1] = told["encodedDataLength"]


def fact_to_pixel(
    page: Page, _site: Site, url: str, port: int, identity: str, rounds: int
) -> list[float]:
    """Return the seconds from a charger's StatusNotification until the frame that shows it, at a
    page that rests."""
    with Charger(port, identity) as charger:
        charger.call(
            "BootNotification", chargePointVendor="United Chargers", chargePointModel="Grizzl-E"
        )
        _tell(charger, STATUSES[1])
        page.goto(url)
        page.evaluate(WATCHING, [f"charger-{identity}", SHOWN])
        page.wait_for_timeout(2000)
        return [_round(page, charger, STATUSES[number % 2]) for number in range(rounds)]


def _round(page: Page, charger: Charger, status: str) -> float:
    page.wait_for_timeout(700 + random.uniform(0, 300))  # so that the page rests
    page.evaluate("window.shown = []")
    began = time.time()
    _tell(charger, status)
    at: float = page.evaluate(FIRST)
    return at / 1000 - began


def _tell(charger: Charger, status: str) -> None:
    charger.call(
        "StatusNotification", connectorId=1, errorCode="NoError", status=status, timestamp=now()
    )
