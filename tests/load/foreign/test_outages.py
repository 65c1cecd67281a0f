"""What a restart and the death of the server do to cars at foreign charge points that nobody has tried."""

from __future__ import annotations

import trio

from levity_trio.events import LimitIgnored
from tests.charger.parts import InlineWriter
from tests.load.foreign.evening import HOUR, MINUTE, open_evening
from tests.load.foreign.kinds import HONEST
from tests.sizes import size

VIRTUAL_TIME = True


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
            min(second.points[number] for second in evening.seconds if second.at > began) for number in range(count)
        ]
        assert min(lowest) >= 6
        assert evening.longest_above(1.0, began) == 0
        assert evening.facts(LimitIgnored) == []


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
        lowest = [min(second.points[number] for second in evening.seconds if second.at > began) for number in range(3)]
        assert lowest == before


async def test_an_untested_charger_that_stays_away_is_booked_with_its_maximum(writer: InlineWriter) -> None:
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
