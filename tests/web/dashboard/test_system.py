"""The page System: what it says of chargers and plugins."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from levity_trio.config.settings import InForce
from levity_trio.plugins.base import PluginState
from levity_trio.store.writes.site import receivers
from levity_trio.web.dashboard.pages import system
from tests.store.books import Station
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening

SYSTEM = system.PAGES[0]
shown = partial(InForce, is_secret=False, help="")


@pytest.fixture
def api(site: Site) -> Any:
    api: Any = site.api  # of which this page wants more
    api.config.in_force = ()
    return api


async def test_chargers_that_are_away_are_known(site: Site, api: Any) -> None:
    for name in ("CP-1", "CP-2", "CP-3"):
        Station(site.books, name)
    api.chargers.connected = lambda: {"CP-1"}
    assert "1 connected, 3 known" in (await Opening(site).open(SYSTEM)).words


async def test_a_setting_that_was_not_given_is_none_that_is_unknown(site: Site, api: Any) -> None:
    api.config.in_force = (shown(name="no-api", group="API", text=None, origin="default"),)
    assert "no-api not set default" in (await Opening(site).open(SYSTEM)).words


async def test_the_broker_of_mqtt_with_what_waits_for_it(site: Site, api: Any) -> None:
    assert "MQTT" not in (await Opening(site).open(SYSTEM)).words
    given = shown(name="mqtt", group="MQTT", text="mqtt://house", is_secret=True, origin="flag")
    api.config.in_force = (given,)
    books = site.books
    books.run(receivers.note_broker_link, False, books.at, "house:1883", "Connection refused")
    page = await Opening(site).open(SYSTEM)
    assert "MQTT house:1883 ✕ cannot be reached since" in page.words
    assert "Connection refused 0 facts wait for the broker. Send facts again…" in page.words
    books.run(receivers.note_broker_link, True, books.at, "house:1883", None)
    assert "MQTT house:1883 ● connected since" in (await Opening(site).open(SYSTEM)).words


@pytest.mark.parametrize(
    ("state", "failures", "words"),
    [
        ("running", 0, "notes ● running"),
        ("running", 1, "notes ● running failed once since the start"),
        ("slow", 12, "notes ▲ slow failed 12 times since the start"),
        ("ended", 0, "notes ✕ ended"),
    ],
)
async def test_a_plugin(site: Site, api: Any, state: str, failures: int, words: str) -> None:
    api.plugins = lambda: [PluginState(name="notes", state=state, failures=failures)]
    shown = (await Opening(site).open(SYSTEM)).words
    assert f"Plugins {words} Webhooks" in shown
