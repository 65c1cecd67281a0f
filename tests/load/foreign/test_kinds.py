"""Each kind of charge point beside three honest ones, an hour at a feeder that is too small for all."""

from __future__ import annotations

import pytest
import trio

from levity_trio.events import LimitIgnored
from tests.charger.parts import InlineWriter
from tests.load.foreign.evening import HOUR, exact, open_evening
from tests.load.foreign.kinds import HONEST, KINDS

VIRTUAL_TIME = True


@pytest.mark.parametrize("name", KINDS)
async def test_a_kind_beside_three_honest_ones(writer: InlineWriter, name: str) -> None:
    kind = KINDS[name]
    async with open_evening(writer, [kind, HONEST, HONEST, HONEST], 32.0, meter=exact) as evening:
        await evening.manage()
        began = trio.current_time()
        cars = [evening.arrive(number) for number in range(4)]
        await trio.sleep(HOUR)
        print(
            name,
            [round(car.got_wh) for car in cars],
            evening.longest_above(1.0, began),
            evening.longest_above(1.13, began),
            evening.longest_above(1.45, began),
            len(evening.facts(LimitIgnored)),
        )
        assert evening.longest_above(1.13, began) <= 120
        assert evening.longest_above(1.45, began) <= 60
        if kind.obeys:
            assert [fact.charger for fact in evening.facts(LimitIgnored)] == []
        assert all(car.got_wh > 0 for car in cars)
