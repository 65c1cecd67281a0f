"""Transactions over the API: by household, as a file, as a curve, and what a viewer sees of
them."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from levity_trio.locale import speaking
from levity_trio.store.writes.people import tags
from levity_trio.store.writes.people.tags import TagData
from levity_trio.web.api.engine.endpoints import Endpoint, Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.transactions import transactions
from tests.store.books import Station, meter_value
from tests.store.owning import SPACE, House
from tests.store.telling import watts
from tests.web.api.conftest import Site

LIST, ONE, CURVE, EXPLAIN = (
    "/api/admin/transactions",
    "/api/admin/transactions/{id}",
    "/api/admin/transactions/{id}/curve",
    "/api/admin/transactions/{id}/explain",
)
FORMULA = "=HYPERLINK(1)"


def get(path: str) -> Endpoint:
    return next(one for one in transactions.ENDPOINTS if one.path == path)


def charge(station: Station, tag: str = "TAG", connector: int = 1) -> int:
    number = station.start(1000, connector, tag)
    station.books.wait(30)
    station.tell(
        meter_value(station.clock(), 3000, watts(4000)), transaction=number, connector=connector
    )
    station.books.wait(30)
    station.stop(number, 6000)
    station.books.wait(30)
    return number


async def listed(site: Site, role: Role = Role.OPERATOR, **query: str) -> list[Any]:
    found, cursor = list[Any](), dict[str, str]()
    while True:
        page = await site.call(get(LIST), query={**query, **cursor}, role=role)
        found += page["data"]
        if "next_cursor" not in page:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def numbers(site: Site, **query: str) -> list[int]:
    return [one["id"] for one in await listed(site, Role.OPERATOR, **query)]


async def file(site: Site, role: Role = Role.OPERATOR, **query: str) -> list[str]:
    reply = await site.ask(get(LIST), query={**query, "format": "csv"}, role=role)
    assert reply.headers["content-type"].startswith("text/csv")
    return reply.body.decode("utf-8-sig").splitlines()


async def test_the_file_is_one_of_the_country_of_the_reader(site: Site, station: Station) -> None:
    charge(station)
    with speaking("de"):
        head, line = await file(site)
    assert head.split(";")[:2] == ["id", "charger"]
    assert line.split(";")[head.split(";").index("kwh")] == "5,0"


async def test_those_of_a_household(site: Site, station: Station) -> None:
    house = House(site.books)
    house.give(1, "Anna's card")
    house.give(2, SPACE)
    of_tag, of_space, by_hand = (
        charge(station, "Anna's card"),
        charge(station),
        charge(station, connector=2),
    )
    house.give_by_hand(by_hand, 1)
    assert await numbers(site, account="1") == [by_hand, of_tag]
    assert await numbers(site, account="2") == [of_space]
    assert await numbers(site, account="9") == []
    assert await numbers(site, account="1", limit="1", sort="oldest") == [of_tag, by_hand]
    assert await numbers(site, account="1", connector="2") == [by_hand]
    assert await numbers(site, account="1", tag="TAG") == [by_hand]
    assert await numbers(site, account="1", status="Active") == []
    assert await numbers(site, account="1", bill="to be billed") == [by_hand, of_tag]
    assert await numbers(site, account="1", bill="nobody's") == []


async def test_who_and_where_are_names_that_a_viewer_does_not_see(
    site: Site, station: Station
) -> None:
    House(site.books).give(1, "TAG")
    site.books.connection.execute(
        "INSERT INTO space VALUES ('CP-1', 0, 'All of it'), ('CP-1', 1, 'Space 4')"
    )
    first, second = charge(station), charge(station, "Stranger", connector=2)
    shown = {one["id"]: (one["account"], one["who"], one["space"]) for one in await listed(site)}
    assert shown == {first: (1, "Anna", "Space 4"), second: (None, None, "All of it")}
    hidden = [(one["account"], one["who"], one["space"]) for one in await listed(site, Role.VIEWER)]
    assert hidden == [(None, None, None), (1, None, None)]
    one = await site.call(get(ONE), id=str(first), role=Role.VIEWER)
    assert (one["who"], one["bill"]) == (None, "to be billed")
    assert (await site.call(get(ONE), id=str(first)))["who"] == "Anna"


async def test_the_name_of_a_tag_stands_for_nobody(site: Site, station: Station) -> None:
    named = TagData(id_tag="TAG", name="Guest card")
    site.books.run(tags.add, site.books.policy, named, site.books.at, "cleo")
    charge(station)
    assert [one["who"] for one in await listed(site)] == ["Guest card"]


async def test_all_of_them_as_a_file(
    site: Site, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("levity_trio.web.api.transactions.transactions.MOST_ROWS", 2)
    every = [charge(station, FORMULA) for _ in range(5)]
    head, *rows = await file(site)
    assert head == "id,charger,connector,space,who,id_tag,start,stop,kwh,confidence,review,bill"
    assert [row.split(",")[0] for row in rows] == [str(number) for number in reversed(every)]
    assert rows[-1] == (
        f"{every[0]},CP-1,1,,,'{FORMULA},2026-03-01T12:00:00+00:00,2026-03-01T13:00:00+00:00,"
        "5.0,certain,,nobody's"
    )
    assert len(await file(site, tag="other")) == 1


async def test_a_file_for_a_viewer_has_no_names(site: Site, station: Station) -> None:
    House(site.books).give(1, "TAG")
    charge(station)
    assert "Anna" in (await file(site))[1]
    assert "Anna" not in (await file(site, Role.VIEWER))[1]


async def test_a_curve(site: Site, station: Station) -> None:
    number = charge(station)
    found = await site.call(get(CURVE), id=str(number), role=Role.VIEWER)
    assert found["power"] == [[1800.0, 4000.0, 4000.0]]
    assert found["register"] == [[0.0, 1000], [1800.0, 3000], [3600.0, 6000]]


async def test_an_explanation_without_weighing(site: Site, station: Station) -> None:
    number = str(charge(station))
    whole = await site.call(get(EXPLAIN), id=number)
    short = await site.call(get(EXPLAIN), id=number, query={"weighed": "false"})
    weighed = ("candidates", "readings", "today", "lines")
    assert [bool(whole[name]) for name in weighed] == [True] * 4
    assert [bool(short[name]) for name in weighed] == [False, False, False, True]
    assert {name: whole[name] for name in whole if name not in weighed} == {
        name: short[name] for name in short if name not in weighed
    }


def test_the_file_tells_the_repeated_hour_apart() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    told = [transactions._local(f"2026-10-25T{hour}:30:00.000Z", berlin) for hour in ("00", "01")]
    assert told == ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]


@pytest.mark.parametrize("query", [{"cursor": "nonsense"}, {"page": "1000000"}])
async def test_there_is_no_such_page_of_its_readings(
    site: Site, station: Station, query: dict[str, str]
) -> None:
    number = charge(station)
    with pytest.raises(Problem) as refused:
        await site.call(get(f"{ONE}/meter-values"), query=query, id=str(number))
    assert (refused.value.status, refused.value.code) == (404, "not_found")
