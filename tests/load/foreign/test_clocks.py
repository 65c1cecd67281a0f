"""The server's clock is set ahead or back in an evening with foreign charge points."""

from __future__ import annotations

import tempfile
from functools import cache, partial
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.charger.parts import InlineWriter
from tests.load.foreign.charge_point import Make
from tests.load.foreign.evening import HOUR, MINUTE, evening_house, open_evening
from tests.load.foreign.kinds import HONEST, Kind
from tests.sizes import size
from tests.store.template import only_new
from tests.tools.load.fleets import ARRIVE, HOUSE_A

pytestmark = pytest.mark.night

VIRTUAL_TIME = True
LEAPS = (-HOUR, 600.0, -40.0, HOUR, -600.0, 40.0)[: size(6, 1)]
WRITE = "SetChargingProfile"
MOST_MORE = 2
"""So many writes more than without a leap may come to a connector."""


@cache
def lived(leap: float) -> tuple[list[int], list[float], float]:
    """Let four cars charge, and the server's clock leap after 20 minutes. Return for each charge
    point what was written since, and the Wh of its car; and the longest time above 1.13 × the
    feeder."""
    with tempfile.TemporaryDirectory() as folder:
        clock = trio.testing.MockClock(autojump_threshold=0)
        return trio.run(partial(_live, leap, Path(folder)), clock=clock)


async def _live(leap: float, folder: Path) -> tuple[list[int], list[float], float]:
    with only_new(folder / "levity.db") as connection:
        house = evening_house(1, HOUSE_A)
        async with open_evening(
            InlineWriter(connection), [HONEST] * 4, 25.0, house=house
        ) as evening:
            await evening.manage()
            began = trio.current_time()
            cars = []
            for number, arrives in enumerate(sorted(ARRIVE)):
                await trio.sleep_until(began + arrives)
                cars.append(evening.arrive(number))
            leaps_at = began + 20 * MINUTE
            await trio.sleep_until(leaps_at)
            evening.clock_ahead += leap
            before = [car.got_wh for car in cars]
            await trio.sleep(35 * MINUTE)
            writes = [
                sum(at > leaps_at for at, action, *_ in point.calls if action == WRITE)
                for point in evening.points
            ]
            got = [car.got_wh - earlier for car, earlier in zip(cars, before, strict=True)]
            return writes, got, evening.longest_above(1.13, began)


@pytest.mark.parametrize("leap", LEAPS)
def test_a_leap_of_the_servers_clock_costs_two_writes_and_no_car_its_turn(leap: float) -> None:
    usual, _, _ = lived(0.0)
    writes, got, above = lived(leap)
    more = [after - before for after, before in zip(writes, usual, strict=True)]
    assert max(more) <= MOST_MORE, (writes, usual)
    assert min(got) > 0
    assert above == 0


@pytest.mark.parametrize("leap", [0.0, -HOUR])
async def test_one_that_forgets_at_a_boot_gets_its_default_after_the_clock_was_set_back(
    writer: InlineWriter, leap: float
) -> None:
    async with open_evening(writer, [Kind(Make(forgets=True)), HONEST], 20.0) as evening:
        await evening.manage()
        evening.arrive(1)
        await trio.sleep(10 * MINUTE)
        evening.clock_ahead += leap
        await trio.sleep(5 * MINUTE)
        await evening.points[0].reboot()
        await trio.sleep(2 * MINUTE)
        evening.points[0].is_down = True
        await evening.points[0].cut()
        evening.arrive(0)
        await trio.sleep(5 * MINUTE)
        assert evening.current(0) == 0, "its safe limit is 0 A"
