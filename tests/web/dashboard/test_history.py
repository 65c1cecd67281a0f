"""History: bars and rows that lead to the sessions of which they consist."""

from __future__ import annotations

from typing import Any

import pytest

from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.page import Page
from levity_trio.web.dashboard.pages.history import PAGES
from levity_trio.web.dashboard.pages.sessions import PAGES as OF_SESSIONS
from tests.store.books import Station
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening

(HISTORY,) = PAGES
(SESSIONS,) = OF_SESSIONS


def charge(station: Station, wh: int) -> None:
    number = station.start(1000)
    station.books.wait(60)
    station.stop(number, 1000 + wh)
    station.books.settle()


def rows(shown: Any) -> list[str]:
    return [one for one in shown.links if one.startswith("/sessions?ended_since=")]


async def test_nobody_has_charged(site: Site) -> None:
    assert "Nothing in this period" in (await Opening(site).open(HISTORY)).words


async def test_a_day_leads_to_its_sessions(site: Site, station: Station) -> None:
    charge(station, 5000)
    opening = Opening(site)
    shown = await opening.open(HISTORY)
    assert "5.0 kWh in 1 session" in shown.words
    listed = await opening.open(SESSIONS, rows(shown)[-1])
    assert "5.00" in listed.words


async def test_a_month_leads_to_its_sessions(site: Site, station: Station) -> None:
    charge(station, 5000)
    opening = Opening(site)
    shown = await opening.open(HISTORY, "?by=month")
    listed = await opening.open(SESSIONS, rows(shown)[-1])
    assert "5.00" in listed.words


async def test_a_viewer_sees_no_households(site: Site) -> None:
    shown = await Opening(site, Role.VIEWER).open(HISTORY, "?of=account")
    assert "each household" not in shown.words
    assert "The site" in shown.words


async def test_a_day_that_is_none_is_told(site: Site) -> None:
    shown = await Opening(site).open(HISTORY, "?from=soon")
    assert "from" in shown.words
    assert any(given.get("role") == "alert" for _, given in shown.tags)


async def test_the_last_day_is_included(site: Site, station: Station) -> None:
    charge(station, 5000)
    day = site.books.at[:10]
    assert "5.0 kWh" in (await Opening(site).open(HISTORY, f"?from={day}&to={day}")).words


@pytest.mark.parametrize(
    ("page", "link"),
    [
        (HISTORY, "?from=2026-11-10&to=2026-11-01"),
        (SESSIONS, "?from=2026-11-10&to=2026-11-01"),
        (SESSIONS, "?ended_since=2026-11-10&ended_before=2026-11-01"),
    ],
)
async def test_days_that_are_the_wrong_way_round_are_told(site: Site, page: Page, link: str) -> None:
    shown = await Opening(site).open(page, link)
    assert "The days are the wrong way round: 10 Nov 2026 is after 1 Nov 2026." in shown.words
    assert "Nobody has charged" not in shown.words


async def test_one_day_is_no_wrong_way_round(site: Site, station: Station) -> None:
    charge(station, 5000)
    day = site.books.at[:10]
    assert "5.0 kWh" in (await Opening(site).open(HISTORY, f"?from={day}&to={day}")).words
