"""Load management over the API: what holds now, and a day."""

from __future__ import annotations

import pytest

from levity_trio.store.writes import load as writes
from levity_trio.web.api import load
from levity_trio.web.api.endpoints import Role
from levity_trio.web.api.problems import Problem
from tests.store import loads
from tests.store.books import Station
from tests.store.owning import House
from tests.web.api.conftest import Site

NOW, DAY = load.ENDPOINTS


async def test_a_site_without_load_management_has_no_decision(site: Site) -> None:
    with pytest.raises(Problem) as refused:
        await site.call(NOW)
    assert refused.value.code == "not_found"


async def test_the_decision_says_in_words_what_each_car_gets(site: Site) -> None:
    loads.decide(site.books, loads.car(), loads.waiting("CP-2"))
    told = await site.call(NOW, role=Role.VIEWER)
    assert (told["is_shadow"], told["lines"][1]["phase"], told["lines"][1]["free_a"]) == (True, "L2", 22.0)
    assert [one["says"] for one in told["cars"]] == [
        "would get 8 A of 16: Feeder L2",
        "would wait, about 20 min, fourth of 6",
    ]


async def test_a_day_says_who_waited_and_was_bound_and_for_how_long(site: Site, station: Station) -> None:
    House(site.books).give(1, "TAG")
    number = station.start(1000)
    site.books.run(writes.depart, ("CP-1", 1), number, ("2026-03-02T06:00:00.000Z", 9000), site.books.at, "anna")
    Station(site.books, "CP-2")
    for since, bound in (("13:00", "waits"), ("13:15", "waits"), ("13:30", "circuit"), ("13:45", "most")):
        loads.quarter(site.books, f"2026-03-01T{since}:00Z", ("CP-1", number, bound), ("CP-2", None, "most"))
    station.stop(number, 5000)
    told = await site.call(DAY, role=Role.OPERATOR)
    first, second = told["sessions"]
    assert (first["charger"], first["who"], first["waited_seconds"]) == ("CP-1", "Anna", 1800)
    assert first["bound"] == [{"circuit": "Feeder", "seconds": 900}]
    assert (first["wanted_kwh"], first["given_kwh"]) == (9, 4)
    assert (second["charger"], second["transaction"], second["bound"], second["given_kwh"]) == ("CP-2", None, [], None)
    assert (len(told["lines"]), told["lines"][0]["cars_a"][52:57]) == (3, [32.0, 32.0, 32.0, 32.0, None])
    (seen, _) = (await site.call(DAY, role=Role.VIEWER))["sessions"]
    assert seen["who"] is None
    assert (await site.call(DAY, query={"day": "2026-02-28"}))["sessions"] == []
