"""History: bars and rows that lead to the sessions of which they consist."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest

from levity_trio.locale import speaking
from levity_trio.store.reads.transactions import power
from levity_trio.store.reads.transactions.power import WeekHistory
from levity_trio.store.writes.load.load import keep_energy
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.site import history
from levity_trio.web.dashboard.page import DashboardPage
from levity_trio.web.dashboard.pages import households
from levity_trio.web.dashboard.pages.history import PAGES
from levity_trio.web.dashboard.pages.sessions import PAGES as OF_SESSIONS
from levity_trio.web.dashboard.pictures import week_values
from tests.store.bills import Biller
from tests.store.books import Station
from tests.store.owning import House
from tests.store.reading import reading
from tests.store.telling import charge as during
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening, with_class

(HISTORY,) = PAGES
FOUR_WEEKS = ("2026-02-02T00:00:00.000Z", "2026-03-02T00:00:00.000Z")
OF_HOUSEHOLD = next(page for page in households.PAGES if page.path == "/accounts/{id}")
SESSIONS = OF_SESSIONS[0]


def charge(station: Station, wh: int) -> None:
    number = station.start(1000)
    station.books.wait(60)
    station.stop(number, 1000 + wh)
    station.books.settle()


def rows(shown: Any) -> list[str]:
    return [one for one in shown.links if one.startswith("/sessions?ended_since=")]


async def test_nobody_has_charged(site: Site) -> None:
    assert "Nobody has charged in this period" in (await Opening(site).open(HISTORY)).words


async def test_a_day_leads_to_its_sessions(site: Site, station: Station) -> None:
    charge(station, 5000)
    opening = Opening(site)
    shown = await opening.open(HISTORY)
    assert "The site 5.0 1" in shown.words
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
    assert "costs" not in shown.words
    assert "Nobody has charged" in shown.words


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
async def test_days_that_are_the_wrong_way_round_are_told(
    site: Site, page: DashboardPage, link: str
) -> None:
    shown = await Opening(site).open(page, link)
    assert "The days are the wrong way round: 10 Nov 2026 is after 1 Nov 2026." in shown.words
    assert "Nobody has charged" not in shown.words


async def test_one_day_is_no_wrong_way_round(site: Site, station: Station) -> None:
    charge(station, 5000)
    day = site.books.at[:10]
    assert "5.0 kWh" in (await Opening(site).open(HISTORY, f"?from={day}&to={day}")).words


@pytest.fixture
def charged(site: Site, station: Station) -> None:
    """Anna and Ben charge at two chargers, at 30 cents a kWh."""
    house = House(site.books)
    house.give(1, "A")
    house.give(2, "B")
    Biller(house)
    register = 1000
    for number, (where, tag) in enumerate(
        ((station, "A"), (Station(site.books, "CP-2"), "B"), (station, "A"))
    ):
        transaction = where.start(register, tag=tag)
        register = during(where, transaction, register)
        where.stop(transaction, register)
        site.books.wait(60 * number)
    with reading(site.books) as db:
        found = power.taken(
            db, [number for (number,) in db.execute("SELECT id FROM tx").fetchall()]
        )
    site.books.run(keep_energy, found)


@pytest.mark.usefixtures("charged")
class TestPictures:
    async def test_each_household_has_a_bar_the_longest_first(self, site: Site) -> None:
        shown = await Opening(site).open(HISTORY, "?of=account&by=month")
        first, second = shown.words.index("Anna 14.4 4.32 2"), shown.words.index("Ben 7.2 2.16 1")
        assert first < second
        assert {"/accounts/1", "/accounts/2"} <= set(shown.links)
        assert [given["width"] for given in with_class(shown, "bar")] == ["100.0", "50.0"]
        assert not with_class(shown, "stack")
        viewed = await Opening(site, Role.VIEWER).open(HISTORY, "?of=charger&by=month")
        assert "14.4 2" in viewed.words
        assert "4.32" not in viewed.words

    async def test_the_figures_of_a_table_stand_below_their_names(self, site: Site) -> None:
        third = Station(site.books, "CP-3")
        transaction, register = third.start(1000, tag="B"), 1000
        for _ in range(2):
            register = during(third, transaction, register)
        third.stop(transaction, register)
        shown = await Opening(site).open(HISTORY, "?of=account&by=month")
        names, figures = shown.words.index("Ben Anna"), shown.words.index("21.6 14.4")
        assert names < figures

    async def test_one_household_has_one_colour_everywhere(self, site: Site) -> None:
        for page, link, path in (
            (HISTORY, "?of=account&account=2&by=month", {}),
            (OF_HOUSEHOLD, "", {"id": 2}),
        ):
            shown = await Opening(site).open(page, link, **path)
            assert with_class(shown, "c0")
            assert not with_class(shown, "c2")

    async def test_costs_of_the_site_say_what_is_not_billed_yet(self, site: Site) -> None:
        shown = await Opening(site).open(HISTORY, "?show=cost")
        assert "Not billed yet: 6.48 EUR" in shown.words
        assert "Billed:" not in shown.words

    async def test_one_household_at_one_charger(self, site: Site) -> None:
        shown = await Opening(site).open(HISTORY, "?account=2&charger=CP-2")
        assert "The site 7.2 1" in shown.words
        assert (
            "Nobody has charged"
            in (await Opening(site).open(HISTORY, "?account=2&charger=CP-1")).words
        )

    async def test_the_hours_of_the_week(self, site: Site) -> None:
        shown = await Opening(site).open(HISTORY, "?by=hour")
        assert "When energy flowed, by the hour of the week" in shown.words
        assert "Most is charged" not in shown.words, "one day shows no habit"
        assert "12:00 0.0 0.0 0.0 0.0 0.0 0.0 7.2" in shown.words
        assert (
            "Nothing was measured"
            in (await Opening(site).open(HISTORY, "?by=hour&to=2026-02-01")).words
        )

    async def test_weeks_say_when_most_is_charged(self) -> None:
        hours = [0] * 168
        for day in range(4):
            hours[24 * day + 18] = 1000 + day
        week = WeekHistory(
            time_zone="UTC",
            since=FOUR_WEEKS[0],
            before=FOUR_WEEKS[1],
            hours=hours,
            energy_wh=sum(hours),
            unknown_wh=0,
        )
        assert week_values(week)["is_habit"]
        assert week_values(week)["busiest"] == ("Thu", "18:00", "19:00")
        a_day = replace(week, hours=[0] * 18 + [1000] + [0] * 149)
        assert not week_values(a_day)["is_habit"]
        assert not week_values(replace(week, since=FOUR_WEEKS[1]))["is_habit"]

    async def test_a_household_has_its_months_with_what_is_not_billed_yet(self, site: Site) -> None:
        shown = await Opening(site).open(OF_HOUSEHOLD, id=1)
        assert "Mar 2026 14.4 2 4.32 4.32" in shown.words
        assert "Not billed yet: 4.32 EUR" in shown.words
        assert "/history?account=1&show=both" in shown.links

    @pytest.mark.parametrize(
        "link", ["?of=charger&show=both", "?by=hour&account=1", "?from=2026-03-01&to=2026-03-02"]
    )
    async def test_what_is_seen_is_a_file(self, site: Site, link: str) -> None:
        (file,) = [
            one
            for one in (await Opening(site).open(HISTORY, link)).links
            if one.startswith("/get/")
        ]
        path, _, query = file.removeprefix("/get").partition("?")
        (endpoint,) = [one for one in history.ENDPOINTS if one.path == f"/api{path}"]
        asked = dict(parse_qsl(query))
        answer = await site.ask(endpoint, query=asked)
        head, *lines = answer.body.decode().splitlines()
        assert head.split(",")[-1] in ("currency", "kwh")
        with speaking("de"):
            answer = await site.ask(endpoint, query=asked)
        assert re.search(r";[0-9]+,[0-9]{3}(;|\n)", answer.body.decode())
        assert len(lines) == (168 if "hour" in link else 2 if "of=" in link else 1)
