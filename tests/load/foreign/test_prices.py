"""Cars that wait for a lower price at a feeder that is too small for all of them."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio

from tests.charger.parts import InlineWriter
from tests.load.foreign.evening import HOUR, MINUTE, evening_house, open_evening
from tests.load.foreign.kinds import HONEST
from tests.load.test_price_waits import enter, wish
from tests.sizes import size
from tests.tools.load.fleets import ARRIVE, HOUSE_A

pytestmark = pytest.mark.night

VIRTUAL_TIME = True
HOURS = size(4, 2)
DEAR, LOW = "0.30", "0.05"
LEAST_OF_MOST = 0.7
"""Of what the car with the most gets, each other one gets at least so much."""


@pytest.mark.parametrize("away", [None, 3][: size(2, 1)])
async def test_dear_and_low_quarters_by_turns_leave_each_car_its_share(
    writer: InlineWriter, away: int | None
) -> None:
    """Also if one is away when it becomes cheap."""
    async with open_evening(writer, [HONEST] * 4, 25.0, house=evening_house(1, HOUSE_A)) as evening:
        site = cast(Any, evening)
        enter(site, {quarter: LOW if quarter % 2 else DEAR for quarter in range(4 * HOURS + 2)})
        await evening.manage()
        began = trio.current_time()
        cars = []
        for number, arrives in enumerate(sorted(ARRIVE)):
            await trio.sleep_until(began + arrives)
            cars.append(evening.arrive(number))
            await trio.sleep(20)
            await wish(site, number, "0.20")
        if away is not None:
            await trio.sleep_until(began + 14 * MINUTE)
            evening.points[away].is_down = True
            await evening.points[away].cut()
            await trio.sleep(3 * MINUTE)
            evening.points[away].is_down = False
        await trio.sleep_until(began + HOURS * HOUR)
        got = [round(car.got_wh) for car in cars]
        assert min(got) >= LEAST_OF_MOST * max(got), got
        assert evening.longest_above(1.0, began) == 0
