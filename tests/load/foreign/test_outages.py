"""What a restart and the death of the server do to cars at foreign charge points that nobody has
tried."""

from __future__ import annotations

import pytest
import trio

from levity_trio.events import LimitIgnored
from tests.charger.parts import InlineWriter
from tests.load.foreign.evening import HOUR, MINUTE, open_evening
from tests.load.foreign.kinds import HONEST, KINDS
from tests.sizes import size

VIRTUAL_TIME = True
ODD = (
    "current of L1, and register",
    "begins at 8 A",
    "sum of currents",
    "follows after 90 s",
    "answers after 45 s",
    "level 0 only",
    "forgets its highest level",
    "W, lines unknown",
)


async def test_a_restart_pauses_no_car(writer: InlineWriter) -> None:
    count = size(20, 6)
    async with open_evening(writer, [HONEST] * count, 7.0 * count) as evening:
        await evening.manage()
        for number in range(count):
            evening.arrive(number)
        await trio.sleep(20 * MINUTE)
        assert all(evening.current(number) >= 6 for number in range(count))
        began = trio.current_time()
        await evening.die(seconds=10)
        await trio.sleep(10 * MINUTE)
        lowest = [
            min(second.points[number] for second in evening.seconds if second.at > began)
            for number in range(count)
        ]
        assert min(lowest) >= 6
        assert evening.longest_above(1.0, began) == 0
        assert evening.facts(LimitIgnored) == []


@pytest.mark.night
async def test_a_server_that_dies_each_minute_holds_the_feeder(writer: InlineWriter) -> None:
    async with open_evening(writer, [HONEST] * 8, 40.0) as evening:
        await evening.manage()
        for number in range(8):
            evening.arrive(number)
        await trio.sleep(5 * MINUTE)
        began = trio.current_time()
        while trio.current_time() < began + size(60, 12) * MINUTE:
            await evening.die(seconds=3)
            await trio.sleep(57)
        assert evening.longest_above(1.0, began) == 0


@pytest.mark.night
async def test_a_server_that_dies_each_minute_holds_the_feeder_with_odd_ones(
    writer: InlineWriter,
) -> None:
    async with open_evening(writer, [KINDS[name] for name in ODD], 40.0) as evening:
        await evening.manage()
        began = trio.current_time()
        for number in range(len(ODD)):
            evening.arrive(number)
        await trio.sleep(5 * MINUTE)
        while trio.current_time() < began + size(65, 10) * MINUTE:
            await evening.die(seconds=3)
            await trio.sleep(57)
        assert evening.longest_above(1.13, began) == 0


async def test_a_link_that_is_lost_for_15_seconds_lowers_nobody(writer: InlineWriter) -> None:
    async with open_evening(writer, [HONEST] * 4, 32.0) as evening:
        await evening.manage()
        for number in range(3):
            evening.arrive(number)
        await trio.sleep(20 * MINUTE)
        before = [evening.current(number) for number in range(3)]
        began = trio.current_time()
        evening.points[3].is_down = True
        await evening.points[3].cut()
        await trio.sleep(15)
        evening.points[3].is_down = False
        await trio.sleep(3 * MINUTE)
        lowest = [
            min(second.points[number] for second in evening.seconds if second.at > began)
            for number in range(3)
        ]
        assert lowest == before


async def test_an_untested_charger_that_stays_away_is_booked_with_its_maximum(
    writer: InlineWriter,
) -> None:
    async with open_evening(writer, [HONEST] * 2, 32.0) as evening:
        await evening.manage()
        evening.arrive(0)
        await trio.sleep(2 * MINUTE)
        assert evening.current(0) == 16
        evening.points[1].is_down = True
        await evening.points[1].cut()
        await trio.sleep(HOUR / 2)
        assert evening.load.now is not None
        (line, *_) = evening.load.now.lines
        assert line.permitted_a == 32


async def test_what_is_kept_for_chargers_without_power_is_told_and_ends_when_they_are_taken_out(
    writer: InlineWriter,
) -> None:
    """One of them charged when it lost its power, the other was free: both may draw 16 A without a
    link."""
    async with open_evening(writer, [HONEST] * 4, 35.0) as evening:
        await evening.manage()
        evening.arrive(2)
        await trio.sleep(5 * MINUTE)
        for point in evening.points[2:]:
            point.is_down = True
            await point.cut()
        evening.points[2].unplug()
        await trio.sleep(2 * MINUTE)
        evening.arrive(0)
        evening.arrive(1)
        await trio.sleep(20 * MINUTE)
        assert evening.load.now is not None
        assert [(one.charger, one.amperes, one.is_managed) for one in evening.load.now.kept] == [
            ("CP-2", 16, True),
            ("CP-3", 16, True),
        ]
        waiting = [one for one in evening.load.now.cars if one.bound == "waits"]
        assert [one.says for one in waiting] == [
            "waits, because 32 A are kept for chargers that are away"
        ] * 2
        assert [one.waits_about_seconds for one in waiting] == [None, None]
        await evening.load.let_go(["CP-2", "CP-3"], by="anna")
        await trio.sleep(10 * MINUTE)
        assert [evening.current(0), evening.current(1)] == [16, 16]
        await evening.die()
        await trio.sleep(10 * MINUTE)
        assert [evening.current(0), evening.current(1)] == [16, 16]
        assert evening.load.now.kept == []
        evening.points[3].is_down = False
        await trio.sleep(5 * MINUTE)
        assert writer.rows("SELECT cp_id FROM load_charger WHERE state = 'leaving'") == [("CP-2",)]


async def test_a_charger_that_loses_its_link_while_it_is_let_go_is_booked(
    writer: InlineWriter,
) -> None:
    """Nobody said that it is gone, and it may well charge."""
    async with open_evening(writer, [HONEST] * 2, 32.0) as evening:
        await evening.manage()
        evening.arrive(1)
        await trio.sleep(5 * MINUTE)
        evening.points[1].is_down = True
        await evening.load.let_go(["CP-1"], by="anna")
        await evening.points[1].cut()
        evening.arrive(0)
        await trio.sleep(10 * MINUTE)
        assert writer.rows("SELECT cp_id FROM load_charger WHERE state = 'leaving'") == [("CP-1",)]
        assert evening.current(0) == 16
        assert evening.load.now is not None
        assert [one.amperes for one in evening.load.now.kept] == [16]


async def test_what_one_draws_that_forgot_its_limit_is_not_taken_for_the_house(
    writer: InlineWriter,
) -> None:
    """It boots, and draws 16 A for seconds. Its neighbour is not kept from charging for a quarter
    of an hour because of that."""
    async with open_evening(writer, [KINDS["forgets at reboot"], HONEST], 13.0) as evening:
        await evening.manage()
        for number in range(2):
            evening.arrive(number)
        await trio.sleep(15 * MINUTE)
        began = trio.current_time()
        await evening.points[0].reboot()
        await trio.sleep(10 * MINUTE)
        waited = [second for second in evening.seconds if second.at > began + 2 * MINUTE]
        assert min(second.points[1] for second in waited) >= 6


async def test_one_that_boots_soon_after_it_was_taken_over_is_told_again(
    writer: InlineWriter,
) -> None:
    async with open_evening(writer, [KINDS["forgets at reboot"]], 6.0) as evening:
        evening.arrive(0)
        await trio.sleep(MINUTE)
        await evening.manage()
        await trio.sleep(2 * MINUTE)
        assert evening.current(0) == 6
        began = trio.current_time()
        await evening.points[0].reboot()
        await trio.sleep(5 * MINUTE)
        assert evening.current(0) == 6
        assert evening.longest_above(1.0, began) < 30


async def test_who_begins_is_asked_at_once_what_he_draws(writer: InlineWriter) -> None:
    """One that ignores its limit, at a feeder without a meter: others give way within seconds."""
    ignoring = KINDS["39.8 A, entered with 20"]
    async with open_evening(writer, [ignoring, HONEST], 25.0, meter=None) as evening:
        await evening.manage()
        evening.arrive(1)
        await trio.sleep(5 * MINUTE)
        evening.arrive(0)
        await trio.sleep(MINUTE)
        begins = next(second.at for second in evening.seconds if second.points[0])
        beside = [second for second in evening.seconds if second.points[0] and second.points[1]]
        assert all(second.at <= begins + 2 for second in beside)
