"""Houses and meters beside foreign charge points."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
import trio

from levity_trio.charging.quarters import quarter_of
from levity_trio.events import MeterBack, MeterSilent
from levity_trio.store.reads.load.load import LoadQuarter, says_to_driver
from levity_trio.store.writes.load import load
from levity_trio.wire.times import stamp
from tests.charger.parts import START, InlineWriter
from tests.load.block import InlineReader
from tests.load.foreign.charge_point import ChargePoint, Make
from tests.load.foreign.evening import HOUR, MINUTE, Currents, exact, open_evening
from tests.load.foreign.kinds import HONEST, Kind

pytestmark = pytest.mark.night

VIRTUAL_TIME = True
EACH_HOUR = timedelta(hours=1)


async def test_one_reading_of_a_register_of_ones_stops_nobody(writer: InlineWriter) -> None:
    """A 16-bit meter shows 6553.5 A for one reading, in tenths of an ampere."""
    broken = [False]

    def meter(flowing: Currents) -> Currents:
        return (6553.5, 6553.5, 6553.5) if broken[0] else flowing

    async with open_evening(writer, [HONEST] * 2, 32.0, meter=meter) as evening:
        await evening.manage()
        evening.arrive(0)
        evening.arrive(1)
        await trio.sleep(10 * MINUTE)
        assert [evening.current(0), evening.current(1)] == [16, 16]
        began = trio.current_time()
        broken[0] = True
        await trio.sleep(2)
        broken[0] = False
        await trio.sleep(HOUR)
        lowest = [
            min(second.points[number] for second in evening.seconds if second.at > began)
            for number in range(2)
        ]
        assert lowest == [16, 16]
        assert evening.load.now is not None
        assert evening.load.now.lines[0].outage_a < 1


@pytest.mark.parametrize("amperes", [6553.5, -3276.8, math.nan])
async def test_a_meter_that_shows_the_impossible_for_long_is_silent(
    writer: InlineWriter, amperes: float
) -> None:
    async with open_evening(writer, [HONEST], 32.0, meter=lambda _: (amperes, 0.0, 0.0)) as evening:
        await evening.manage()
        await trio.sleep(2 * MINUTE)
        assert [(fact.meter, fact.why) for fact in evening.facts(MeterSilent)] == [
            ("Main", "impossible")
        ]


async def test_a_meter_that_is_frozen_is_silent(writer: InlineWriter) -> None:
    """It goes on to show what it showed when the second car came, and the house then takes more."""
    frozen: list[Currents] = []
    house = [2.037]

    def meter(flowing: Currents) -> Currents:
        return frozen[0] if frozen else flowing

    async with open_evening(
        writer, [HONEST] * 3, 32.0, house=lambda _: (house[0], house[0], house[0]), meter=meter
    ) as evening:
        await evening.manage()
        evening.arrive(0)
        await trio.sleep(10 * MINUTE)
        frozen.append(evening.flowing())
        began = trio.current_time()
        evening.arrive(1)
        await trio.sleep(3 * MINUTE)
        assert [(fact.meter, fact.why) for fact in evening.facts(MeterSilent)] == [
            ("Main", "frozen")
        ]
        assert evening.longest_above(1.0, began) == 0
        assert evening.load.now is not None
        ((_, first),) = [(meter.says, meter.since) for meter in evening.load.now.meters]
        await evening.die()
        await trio.sleep(3 * MINUTE)
        assert evening.load.now is not None
        ((words, since),) = [(meter.says, meter.since) for meter in evening.load.now.meters]
        assert since == first
        assert words.startswith("The meter Main shows nothing of what cars draw more")
        assert evening.facts(MeterBack) == []
        frozen.clear()
        await trio.sleep(MINUTE)
        assert [fact.meter for fact in evening.facts(MeterBack)] == ["Main"]
        assert len(evening.facts(MeterSilent)) == 1


async def test_a_meter_that_stays_frozen_for_an_hour_is_lost(writer: InlineWriter) -> None:
    """It answers each time, and what the house took since then nobody knows."""
    shown: list[Currents] = []

    def meter(flowing: Currents) -> Currents:
        return shown[0] if shown else flowing

    async with open_evening(
        writer, [HONEST] * 2, 40.0, house=lambda _: (3.0, 2.0, 4.0), meter=meter
    ) as evening:
        await evening.manage()
        evening.arrive(0)
        await trio.sleep(5 * MINUTE)
        shown.append(evening.flowing())
        evening.arrive(1)
        await trio.sleep(50 * MINUTE)
        assert evening.current(0) > 6
        await trio.sleep(15 * MINUTE)
        assert evening.load.now is not None
        assert [car.bound for car in evening.load.now.cars] == ["safe", "safe"]
        assert [evening.current(0), evening.current(1)] == [0, 0], "this is their safe limit"


async def test_what_a_car_takes_against_its_limit_is_not_remembered_as_the_house(
    writer: InlineWriter,
) -> None:
    """Its charger tells twenty seconds later what the meter shows at once. The house never takes
    more than 4 A."""
    kinds = [Kind(Make(obeys_seconds=600.0)), HONEST, HONEST]
    async with open_evening(writer, kinds, 32.0, house=lambda _: (4.0, 4.0, 4.0)) as evening:
        await evening.manage()
        for number in range(3):
            evening.arrive(number)
        await trio.sleep(20 * MINUTE)
        assert evening.current(0) == 16
        assert evening.load.now is not None
        assert max(line.outage_a for line in evening.load.now.lines) < 6


async def test_while_a_meter_is_silent_nobody_is_told_that_others_need_the_current(
    writer: InlineWriter,
) -> None:
    """Before, the house took 20 of 32 A for a minute, which is kept again when nobody knows what it
    takes."""
    house = [20.0]
    async with open_evening(writer, [HONEST], 32.0, house=lambda _: (house[0],) * 3) as evening:
        await evening.manage()
        await trio.sleep(MINUTE)
        house[0] = 4.0
        await trio.sleep(20 * MINUTE)
        evening.arrive(0)
        await trio.sleep(5 * MINUTE)
        assert evening.current(0) == 16
        evening.meter = None
        await trio.sleep(5 * MINUTE)
        assert evening.current(0) < 16
        assert evening.load.now is not None
        (car,) = evening.load.now.cars
        assert car.says == f"gets {car.lease_a} A of 16: the meter of Feeder is silent"
        assert [line.free_a for line in evening.load.now.lines] == [0.0, 0.0, 0.0]
        told = await InlineReader(writer).run(says_to_driver)
        assert [words.partition(", ")[2] for words in told.values()] == [
            "because a meter in the house is silent."
        ]


async def test_a_feeder_for_cars_alone_may_show_nothing_all_day(writer: InlineWriter) -> None:
    async with open_evening(writer, [HONEST] * 2, 32.0, meter=exact) as evening:
        await evening.manage()
        await trio.sleep(3 * HOUR)
        assert evening.facts(MeterSilent) == []
        evening.arrive(0)
        await trio.sleep(5 * MINUTE)
        assert evening.current(0) == 16


async def test_seconds_in_which_cars_follow_an_order_are_not_above_the_limit(
    writer: InlineWriter,
) -> None:
    """Seconds before and after that are."""
    house = [0.0]
    async with open_evening(writer, [HONEST] * 2, 32.0, house=lambda _: (house[0],) * 3) as evening:
        await evening.manage()
        evening.arrive(0)
        evening.arrive(1)
        await trio.sleep(10 * MINUTE)
        await evening.load.grid_limit(14, source="a test")
        await trio.sleep(20 * MINUTE)
        assert max(evening.seconds[-1].feeder) <= 14
        told = "SELECT sum(over_seconds) FROM load_quarter"
        assert writer.rows(told) == [(0,)]
        house[0] = 30.0
        await trio.sleep(20 * MINUTE)
        assert writer.rows(told) > [(0,)]


async def test_a_charger_that_tells_another_time_zone_as_utc_is_read(
    writer: InlineWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        ChargePoint,
        "clock",
        lambda _: START + timedelta(seconds=trio.current_time()) - 8 * EACH_HOUR,
    )
    async with open_evening(writer, [HONEST], 32.0) as evening:
        await evening.manage()
        evening.arrive(0)
        await trio.sleep(2 * MINUTE)
        assert evening.load.now is not None
        assert [car.drawn_a for car in evening.load.now.cars] == [16.0]


def remember(writer: InlineWriter, amperes: float) -> None:
    """Store what a meter showed in a quarter of an hour of this morning, as an earlier program or
    two wrong readings did."""
    quarter = quarter_of(START.timestamp()) - 1
    lines = [
        LoadQuarter(
            quarter=quarter,
            circuit="Feeder",
            phase=phase,
            other_mean=amperes,
            other_highest=amperes,
            cars_mean=0.0,
            permitted_highest=0.0,
            limit_a=32.0,
            over_seconds=0,
        )
        for phase in range(3)
    ]
    writer.run_now(load.keep_quarter, lines, [])


async def test_what_is_remembered_and_impossible_stops_nobody(writer: InlineWriter) -> None:
    """An earlier program believed a register of ones."""
    remember(writer, 6553.5)
    async with open_evening(writer, [HONEST] * 2, 32.0, meter=exact) as evening:
        await evening.manage()
        evening.arrive(0)
        await trio.sleep(5 * MINUTE)
        assert evening.current(0) == 16
        assert evening.load.now is not None
        assert evening.load.now.lines[0].outage_a < 1
        evening.meter = None  # and the meter falls silent
        await trio.sleep(10 * MINUTE)
        assert evening.current(0) == 16


async def test_what_is_remembered_of_a_house_is_forgotten_when_a_person_says_so(
    writer: InlineWriter,
) -> None:
    """A meter was wired to the whole street for an hour: 75 A, which two readings confirmed, are
    kept for a week."""
    remember(writer, 75.0)
    async with open_evening(writer, [HONEST] * 2, 32.0, meter=exact) as evening:
        await evening.manage()
        evening.arrive(0)
        await trio.sleep(5 * MINUTE)
        assert evening.current(0) == 0
        await writer.run(load.forget, "Feeder", None, stamp(evening.central.clock()), "anna")
        await trio.sleep(MINUTE)
        assert evening.current(0) == 16
        await evening.die()
        await trio.sleep(5 * MINUTE)
        assert evening.current(0) == 16
        assert (
            writer.rows("SELECT other_highest FROM load_quarter WHERE other_highest > 70")
            == [(75.0,)] * 3
        )
