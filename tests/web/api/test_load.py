"""Load management over the API: what holds now, and a day."""

from __future__ import annotations

import pytest
import trio

from levity_trio.store.writes.load import load as writes
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.load import feeder, load
from tests.store import loads
from tests.store.books import Station
from tests.store.owning import House
from tests.web.api.conftest import Site

NOW, DAY, WHY = load.ENDPOINTS[:3]
SITE_SHOWN, *_ = feeder.ENDPOINTS
(ROTATION,) = (one for one in feeder.ENDPOINTS if one.path.endswith("/rotations"))


async def test_a_site_without_load_management_has_no_decision(site: Site) -> None:
    with pytest.raises(Problem) as refused:
        await site.call(NOW)
    assert refused.value.code == "not_found"


async def test_the_decision_says_in_words_what_each_car_gets(site: Site) -> None:
    loads.decide(site.books, loads.car(), loads.waiting("CP-2"))
    told = await site.call(NOW, role=Role.VIEWER)
    assert (told["is_shadow"], told["lines"][1]["phase"], told["lines"][1]["free_a"]) == (
        True,
        "L2",
        22.0,
    )
    assert [one["says"] for one in told["cars"]] == [
        "would get 8 A of 16: Feeder L2",
        "would wait, about 20 min, fourth of 6",
    ]


async def test_a_day_says_who_waited_and_was_bound_and_for_how_long(
    site: Site, station: Station
) -> None:
    House(site.books).give(1, "TAG")
    number = station.start(1000)
    site.books.run(
        writes.depart,
        ("CP-1", 1),
        number,
        ("2026-03-02T06:00:00.000Z", 9000),
        site.books.at,
        "anna",
    )
    Station(site.books, "CP-2")
    for since, bound in (
        ("13:00", "waits"),
        ("13:15", "waits"),
        ("13:30", "circuit"),
        ("13:45", "most"),
    ):
        loads.quarter(
            site.books, f"2026-03-01T{since}:00Z", ("CP-1", number, bound), ("CP-2", None, "most")
        )
    station.stop(number, 5000)
    told = await site.call(DAY, role=Role.OPERATOR)
    first, second = told["sessions"]
    assert (first["charger"], first["who"], first["waited_seconds"]) == ("CP-1", "Anna", 1800)
    assert first["bound"] == [{"circuit": "Feeder", "seconds": 900}]
    assert (first["wanted_kwh"], first["given_kwh"]) == (9, 4)
    assert (second["charger"], second["transaction"], second["bound"], second["given_kwh"]) == (
        "CP-2",
        None,
        [],
        None,
    )
    assert (len(told["lines"]), told["lines"][0]["cars_a"][52:57]) == (
        3,
        [32.0, 32.0, 32.0, 32.0, None],
    )
    (seen, _) = (await site.call(DAY, role=Role.VIEWER))["sessions"]
    assert seen["who"] is None
    assert (await site.call(DAY, query={"day": "2026-02-28"}))["sessions"] == []


async def test_a_car_that_waited_for_six_minutes_waited_for_six_minutes(
    site: Site, station: Station
) -> None:
    """In each quarter it was bound by something else for longer. What lasts is counted until now,
    or until its stop."""
    books = site.books
    numbers = [station.start(1000), Station(books, "CP-2").start(1000)]
    books.wait(1)
    for number in numbers:
        books.run(writes.begin_span, number, "waited", books.at)
    books.wait(6)
    books.run(writes.end_span, numbers[0], books.at)
    station.stop(numbers[0], 5000)
    loads.quarter(
        books,
        "2026-03-01T12:00:00Z",
        ("CP-1", numbers[0], "circuit"),
        ("CP-2", numbers[1], "circuit"),
    )
    books.wait(4)
    told = await site.call(DAY)
    assert {one["charger"]: one["waited_seconds"] for one in told["sessions"]} == {
        "CP-1": 360,
        "CP-2": 600,
    }
    assert (await site.call(DAY, query={"day": "2026-03-02"}))["sessions"] == []


SITE = """
[[circuit]]
name = "Feeder"
amperes = 63

[[circuit]]
name = "Garage"
amperes = 25
parent = "Feeder"

[[charger]]
id = "CP-2"
circuit = "Garage"
"""


async def test_why_a_car_gets_what_it_gets_is_explained_by_the_phase_that_binds_it(
    site: Site,
) -> None:
    site.books.run(writes.set_site, SITE, site.books.at, "anna")
    lines = [loads.line(phase, permitted=40.0, outage=20.0) for phase in range(3)] + [
        loads.line(1, "Garage", 25.0)
    ]
    meter = {"name": "M", "circuit": "Feeder", "at": None, "amperes": None, "is_stale": False}
    cars = loads.car(is_outage=True), loads.car("CP-2", circuit="Garage"), loads.waiting("CP-3")
    loads.decide(site.books, *cars, lines=lines, meters=[meter])
    ((first,), (second,)) = [
        (await site.call(WHY, charger=one))["data"] for one in ("CP-1", "CP-2")
    ]
    assert (first["circuit"], first["phase"], first["again_at"]) == ("Feeder", "L2", None)
    assert first["now"] == {"house_a": 9.0, "cars_a": 32.0, "limit_a": 63.0}
    assert first["outage"] == {"house_a": 20.0, "cars_a": 40.0, "limit_a": 71.2}
    assert [one["charger"] for one in first["others"]] == ["CP-2", "CP-3"]
    assert first["words"] == [
        "This car would get 8 A of 16: Feeder L2.",
        "At Feeder L2, 9 A are drawn by the house and 32 A by cars, of 63 A.",
        "The house counts with its highest value of the last 15 minutes.",
        "If nobody decided any more, the house might come to 20 A and the cars to 40 A.",
        "Its breaker holds 71 A for an hour.",
        "It is this second sum that has no more room.",
        "By both sums, 22 A are left for cars.",
        "Other cars at Feeder L2: 2, of which wait: 1.",
        "It is decided anew at each change, and every 10 seconds at the latest.",
    ]
    assert (second["circuit"], second["others"], second["outage"]["limit_a"]) == (
        "Garage",
        [],
        28.2,
    )
    assert "No other car is at Garage L2." in second["words"]
    kept = "At Garage L2, 9 A are kept for the house and 32 A are drawn by cars, of 25 A."
    assert kept in second["words"], "nothing measures this circuit"


async def test_a_car_on_one_phase_is_explained_by_that_phase_only(site: Site) -> None:
    """L3 has less left, but it is not on L3; CP-3 is."""
    site.books.run(writes.set_site, SITE, site.books.at, "anna")
    lines = [loads.line(0, cars=16.0), loads.line(1, cars=50.0), loads.line(2, cars=54.0)]
    here = loads.car("CP-4", phases=["L1", "L2", "L3"]), loads.car("CP-3", phases=["L3"])
    alone = loads.car(bound="most", circuit="", phase="", limit_a=16, phases=["L1"])
    loads.decide(site.books, alone, *here, lines=lines)
    (found,) = (await site.call(WHY, charger="CP-1"))["data"]
    assert (found["phase"], [one["charger"] for one in found["others"]]) == ("L1", ["CP-4"])
    assert "Other cars at Feeder L1: 1." in found["words"]
    assert not [words for words in found["words"] if "L2" in words or "L3" in words]


async def test_what_is_kept_for_the_house_of_a_silent_meter_is_not_said_to_be_drawn(
    site: Site,
) -> None:
    meter = loads.silent_meter("M", "2026-03-01T11:48:00.000Z", [4, 4, 4])
    loads.decide(site.books, loads.car(is_silent=True), meters=[meter])
    (found,) = (await site.call(WHY, charger="CP-1"))["data"]
    assert found["words"][:3] == [
        "This car would get 8 A of 16: the meter of Feeder is silent.",
        "At Feeder L2, 9 A are kept for the house and 32 A are drawn by cars, of 63 A.",
        "The meter M is silent since 11:48, so the highest value of seven days is kept.",
    ]


async def test_who_waits_is_told_when_turns_end(site: Site) -> None:
    loads.decide(site.books, loads.waiting())
    (waits,) = (await site.call(WHY, charger="CP-1"))["data"]
    assert waits["again_at"] == "2026-03-01T12:15:00.000Z"
    assert (
        waits["words"][-1]
        == "It is decided anew at each change; by the clock, at 12:15 at the latest."
    )


async def test_a_car_that_nothing_binds_is_shown_the_phase_with_the_least_left(site: Site) -> None:
    loads.decide(
        site.books,
        loads.car(bound="most", circuit="", phase="", limit_a=16),
        lines=[loads.line(0), loads.line(1, cars=50.0), loads.line(2)],
    )
    (found,) = (await site.call(WHY, charger="CP-1"))["data"]
    assert (found["phase"], found["words"][0]) == ("L2", "This car would get all 16 A.")
    assert (await site.call(WHY, charger="CP-9"))["data"] == []


async def test_rotations_that_are_entered_at_once_are_all_there_unless_they_were_refused(
    site: Site,
) -> None:
    """Each is written into the whole document, and none may write another one away."""
    site.books.run(writes.set_site, SITE, site.books.at, "anna")
    names, entered = [f"CP-{number}" for number in range(8)], set[str]()
    codes = set[int]()
    for name in names:
        Station(site.books, name).status("Available")

    async def enter(name: str) -> None:
        try:
            await site.call(ROTATION, body={"charger": name, "rotation": "STR"})
        except Problem as refused:
            codes.add(refused.status)
        else:
            entered.add(name)

    async with trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(enter, name)
    shown = await site.call(SITE_SHOWN)
    assert {one["charger"] for one in shown["chargers"] if one["rotation"] == "STR"} == entered
    assert entered
    assert codes <= {409}


async def test_a_decision_that_comes_after_the_end_of_its_site_is_not_shown(site: Site) -> None:
    site.books.run(writes.set_site, SITE, site.books.at, "anna")
    loads.decide(site.books, loads.car())
    site.books.run(writes.set_site, "", site.books.at, "anna")
    loads.decide(site.books, loads.car())
    with pytest.raises(Problem) as refused:
        await site.call(NOW)
    assert refused.value.code == "not_found"
