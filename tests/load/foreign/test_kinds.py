"""Each kind of charge point beside three honest ones, at a feeder that is too small for all."""

from __future__ import annotations

import pytest
import trio

from levity_trio.events import LimitIgnored
from tests.charger.parts import InlineWriter
from tests.load.foreign.evening import MINUTE, open_evening
from tests.load.foreign.fleets import LEAST_SHARE, LONGEST
from tests.load.foreign.kinds import HONEST, KINDS
from tests.sizes import size

VIRTUAL_TIME = True
MINUTES = size(60, 25)
FAIR_WH = 8 * 3 * 230 * (MINUTES - 3) / 60
"""What each of four cars on three lines gets of 32 A, but for a little at the beginning."""


@pytest.mark.parametrize("name", KINDS)
async def test_a_kind_beside_three_honest_ones(writer: InlineWriter, name: str) -> None:
    kind = KINDS[name]
    async with open_evening(writer, [kind, HONEST, HONEST, HONEST], 32.0) as evening:
        await evening.manage()
        began = trio.current_time()
        cars = [evening.arrive(number) for number in range(4)]
        await trio.sleep(MINUTES * MINUTE)
        for factor, longest in LONGEST.items():
            assert evening.longest_above(factor, began) <= longest
        if kind.obeys:
            assert evening.facts(LimitIgnored) == []
        assert all(car.got_wh > 0 for car in cars)
        if name in FAIR:
            assert all(car.got_wh > LEAST_SHARE * FAIR_WH * car.lines / 3 for car in cars)


UNFAIR = ("+5 %", "clock set back", "answers after 25 s", "wakes after 4 min", "W on one line")
"""With these, a few minutes are lost, or a few amperes."""
FAIR = [name for name, kind in KINDS.items() if kind.obeys and name not in UNFAIR]
