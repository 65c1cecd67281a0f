"""One budget for what a connector is told, chargers that answer in their own way, and our clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import trio

from levity_trio.events import LimitIgnored
from levity_trio.store.reads.load.load import load_now, says_to_driver
from tests.charger.parts import InlineWriter
from tests.load.block import InlineReader
from tests.load.foreign.charge_point import ChargePoint, Make
from tests.load.foreign.evening import HOUR, MINUTE, Evening, open_evening
from tests.load.foreign.kinds import HONEST, Kind
from tests.sizes import size

pytestmark = pytest.mark.night  # evenings of the feeder
VIRTUAL_TIME = True


def told(point: ChargePoint) -> list[dict[str, Any]]:
    """The profiles that a charge point was told."""
    return [payload for _, action, payload, _ in point.calls if action == "SetChargingProfile"]


def restarts_when_told(point: ChargePoint, nursery: trio.Nursery) -> None:
    """Let a charge point take each profile, and restart for half a minute then."""
    take = point._on_SetChargingProfile

    def restart(payload: dict[str, Any]) -> dict[str, Any]:
        answer = take(payload)
        nursery.start_soon(point.reboot)
        return answer

    point._on_SetChargingProfile = restart  # type: ignore[method-assign]


async def test_one_that_restarts_when_it_is_told_gets_one_fixed_limit(
    writer: InlineWriter,
) -> None:
    """It forgets nothing, so its fixed limit is booked for it once its readings show that."""
    async with open_evening(writer, [HONEST] * 3, 25.0) as evening:
        restarts_when_told(evening.points[0], evening.nursery)
        await evening.manage()
        for number in range(3):
            evening.arrive(number)
        await trio.sleep(15 * MINUTE)
        before = len(told(evening.points[0]))
        assert before <= 10
        await trio.sleep(size(60, 20) * MINUTE)
        assert len(told(evening.points[0])) == before, "it is left alone"
        assert writer.rows("SELECT cp_id FROM load_charger WHERE restarts_since IS NOT NULL") == [
            ("CP-0",)
        ]
        assert evening.current(0) == 0, "its safe limit"
        assert [evening.current(1), evening.current(2)] == [13, 12]
        assert evening.facts(LimitIgnored) == []
        now = await InlineReader(writer).run(load_now)
        assert now is not None
        assert [car.why_fixed for car in now.cars] == ["restarts", "", ""]


async def test_one_that_restarts_and_forgets_is_booked_with_its_maximum(
    writer: InlineWriter,
) -> None:
    async with open_evening(writer, [Kind(Make(forgets=True)), HONEST], 25.0) as evening:
        restarts_when_told(evening.points[0], evening.nursery)
        await evening.manage()
        evening.arrive(0)
        await trio.sleep(15 * MINUTE)
        evening.arrive(1)
        await trio.sleep(15 * MINUTE)
        assert [evening.current(0), evening.current(1)] == [16, 9]


async def test_a_charger_that_answers_late_is_told_no_more_often_than_others(
    writer: InlineWriter,
) -> None:
    async with open_evening(writer, [Kind(Make(answers_after=45.0)), HONEST], 25.0) as evening:
        await evening.manage()
        await trio.sleep(10 * MINUTE)
        evening.arrive(0)
        evening.arrive(1)
        await trio.sleep(size(60, 20) * MINUTE)
        assert len(told(evening.points[0])) <= len(told(evening.points[1])) + 3
        assert [evening.current(0), evening.current(1)] == [13, 12]


async def test_a_used_up_budget_is_said_and_nobody_stands_at_0_a_until_midnight(
    writer: InlineWriter,
) -> None:
    """The house comes and goes, so there is much to tell. Each gets its least by turns."""
    house = [0.0]
    async with open_evening(writer, [HONEST] * 2, 25.0, house=lambda _: (house[0],) * 3) as evening:
        document = evening.document() + "[options]\nwrites_a_day = 5\n"
        evening.document = lambda: document  # type: ignore[method-assign]
        await evening.manage()
        cars = [evening.arrive(number) for number in range(2)]
        for _ in range(8):
            await trio.sleep(6 * MINUTE)
            house[0] = 20.0 - house[0]
        house[0] = 0.0
        await trio.sleep(2 * HOUR)
        reader, got = InlineReader(writer), [car.got_wh for car in cars]
        words = await reader.run(says_to_driver)
        assert len(words) == 2
        assert all("told too often" in one for one in words.values())
        await trio.sleep(4 * HOUR)
        for before, car in zip(got, cars, strict=True):
            assert car.got_wh - before > 1.5 * 6 * 3 * 230
        now = await reader.run(load_now)
        assert now is not None
        assert {car.bound for car in now.cars} == {"budget"}
        assert "it was told too often today" in now.cars[0].says
        rest = "FROM load_car_quarter WHERE quarter = (SELECT max(quarter) FROM load_car_quarter)"
        assert writer.rows(f"SELECT DISTINCT bound {rest}") == [("budget",)]


def set_our_clock(evening: Evening, seconds: float) -> None:
    """Set the clock of our server, and of nobody else."""
    central, before = evening.central, evening.central.clock
    moved = lambda: before() + timedelta(seconds=seconds)  # noqa: E731 - a clock
    central.clock = moved
    evening.load._clock = evening.load._sender._clock = moved


@pytest.mark.parametrize("seconds", [HOUR, -HOUR, 600.0, -600.0, 40.0, -40.0][:: size(1, 2)])
async def test_our_clock_is_set(writer: InlineWriter, seconds: float) -> None:
    """All charge on, nothing is exceeded, and there are two profiles more at most."""
    minutes = size(60, 30)
    counts: list[int] = []
    async with open_evening(writer, [HONEST] * 3, 32.0) as evening:
        await evening.manage()
        cars = [evening.arrive(number) for number in range(3)]
        await trio.sleep(5 * MINUTE)
        before = [len(told(point)) for point in evening.points]
        got = [car.got_wh for car in cars]
        set_our_clock(evening, seconds)
        await trio.sleep(minutes * MINUTE)
        counts = [
            len(told(point)) - count for point, count in zip(evening.points, before, strict=True)
        ]
        assert evening.longest_above(1.13) == 0
        share = 10 * 3 * 230 * minutes / 60
        assert all(car.got_wh - had > 0.8 * share for car, had in zip(cars, got, strict=True))
    renewals = minutes // 20
    assert max(counts) <= renewals + 2


async def test_an_open_session_goes_on_when_load_management_begins(writer: InlineWriter) -> None:
    async with open_evening(writer, [HONEST] * 2, 63.0) as evening:
        for number in range(2):
            evening.arrive(number)
        await trio.sleep(2 * MINUTE)
        began = trio.current_time()
        await evening.manage()
        await trio.sleep(5 * MINUTE)
        lowest = [min(one.points) for one in evening.seconds if one.at >= began]
        assert min(lowest) >= 6, "no car pauses"
        assert [evening.current(0), evening.current(1)] == [16, 16]


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({"ChargeProfileMaxStackLevel": "5"}, lambda one: one["stackLevel"] <= 4),
        ({"ChargeProfileMaxStackLevel": "5"}, lambda one: one["stackLevel"] == 0),
        ({"ChargeProfileMaxStackLevel": "5"}, lambda one: one["stackLevel"] == 5),
        ({}, lambda one: one["chargingSchedule"]["chargingRateUnit"] == "W"),
        (
            {"ChargingScheduleMaxPeriods": "1"},
            lambda one: "duration" not in one["chargingSchedule"],
        ),
        (
            {"ChargingScheduleMaxPeriods": "2"},
            lambda one: len(one["chargingSchedule"]["chargingSchedulePeriod"]) == 1,
        ),
    ],
    ids=["0 to 4 of 5", "level 0", "the highest", "only W", "no duration", "one of two periods"],
)
async def test_what_a_charger_takes_is_found_out(
    writer: InlineWriter, changes: dict[str, str], fits: Any
) -> None:
    """Beside an honest one, which gets its share."""
    async with open_evening(writer, [HONEST] * 2, 25.0) as evening:
        point = evening.points[0]
        point._configuration.update(changes)
        takes = point._takes
        point._takes = lambda number, one: fits(one) and takes(number, one)  # type: ignore[assignment, method-assign]
        await evening.manage()
        for number in range(2):
            evening.arrive(number)
        await trio.sleep(10 * MINUTE)
        refused = [one for one in point.calls if one[3] == "Rejected"]
        assert len(refused) <= 8
        assert [evening.current(0), evening.current(1)] == [13, 12]
        point.unplug()
        evening.points[1].unplug()
        await trio.sleep(2 * MINUTE)
        before = len(point.calls)
        evening.arrive(0)
        await trio.sleep(MINUTE)
        assert evening.current(0) == 16
        assert len([one for one in point.calls[before:] if one[3] == "Rejected"]) <= 2


async def test_who_refuses_each_limit_is_booked_with_the_default_that_it_keeps(
    writer: InlineWriter,
) -> None:
    """Its default was accepted, and 0 A are drawn: so the others have all the rest."""
    async with open_evening(writer, [HONEST] * 2, 20.0) as evening:
        await evening.manage()
        point = evening.points[0]
        point.make = replace(point.make, purposes=())
        evening.arrive(0)
        evening.arrive(1)
        await trio.sleep(10 * MINUTE)
        assert [evening.current(0), evening.current(1)] == [0, 16]


async def test_what_is_kept_in_case_this_server_fails_is_said(writer: InlineWriter) -> None:
    """The house took 12 A within the hour, and a breaker holds 28 A without us."""
    house = [12.0]
    async with open_evening(writer, [HONEST] * 2, 25.0, house=lambda _: (house[0],) * 3) as evening:
        await evening.manage()
        evening.arrive(0)
        evening.arrive(1)
        await trio.sleep(2 * MINUTE)
        house[0] = 0.0
        await trio.sleep(25 * MINUTE)
        assert evening.current(0) + evening.current(1) in (15, 16)
        now = await InlineReader(writer).run(load_now)
        assert now is not None
        assert "A are kept free in case this server fails" in now.cars[0].says
        assert {round(line.reserve_a) for line in now.lines} == {9}


async def test_while_chargers_are_prepared_it_is_not_said_that_nothing_is_sent(
    writer: InlineWriter,
) -> None:
    """Their meter has not shown anything yet, so nothing is decided."""
    async with open_evening(writer, [HONEST] * 2, 25.0) as evening:
        await evening.enter()
        await trio.sleep(30)
        reader = InlineReader(writer)
        before = await reader.run(load_now)
        assert before is not None
        assert (before.is_shadow, before.preparing) == (True, 0)
        evening.load.measured = lambda *_: True  # type: ignore[method-assign]
        writer.is_unavailable = False
        await evening.load.manage(["CP-0", "CP-1"], by="anna")
        now = await reader.run(load_now)
        assert now is not None
        assert (now.is_shadow, now.preparing) == (False, 2)


async def test_one_that_was_seen_to_obey_is_booked_with_its_lease_while_it_is_away(
    writer: InlineWriter,
) -> None:
    """It has passed no trial, and stands at 6 A."""
    async with open_evening(writer, [HONEST] * 2, 32.0) as evening:
        await evening.manage()
        evening.arrive(0)
        await trio.sleep(2 * MINUTE)
        await evening.load.limit_by_hand(("CP-0", 1), 6, reason="", by="anna")
        await trio.sleep(2 * MINUTE)
        evening.points[0].is_down = True
        await evening.points[0].cut()
        await trio.sleep(10 * MINUTE)
        assert evening.load.now is not None
        assert [car.limit_a for car in evening.load.now.cars] == [6]
        await trio.sleep(25 * MINUTE)
        assert [car.limit_a for car in evening.load.now.cars] == [16]


async def test_a_safe_limit_in_w_is_for_one_line(writer: InlineWriter) -> None:
    """A car on one line draws no more than the safe limit of its connector without us."""
    on_one = Kind(Make(units=("W",), lines_of_watts=1), lines=1)
    async with open_evening(writer, [on_one] * 3, 20.0) as evening:
        document = evening.document().replace("safe = 0", "safe = 6")
        evening.document = lambda: document  # type: ignore[method-assign]
        await evening.manage()
        for number in range(3):
            evening.arrive(number)
        await trio.sleep(3 * MINUTE)
        for point in evening.points:
            point.is_down = True
            await point.cut()
        await trio.sleep(HOUR)
        assert max(evening.flowing()) <= 20
        assert evening.current(0) == 6
