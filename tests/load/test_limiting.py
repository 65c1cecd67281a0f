"""Limits reach chargers: real messages to simulated chargers, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from levity_trio.charger.central import Central
from tests.both_stores import new_file
from tests.charger.conftest import addresses, stretching
from tests.charger.parts import InlineWriter, make_central
from tests.load.block import ONE, THREE, Block, open_block, site

__all__ = ["addresses", "stretching"]
VIRTUAL_TIME = True
MINUTE = 60.0
FOLLOWED = 5.0


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[InlineWriter]:
    with new_file(tmp_path / "levity.db") as connection:
        yield InlineWriter(connection)


@pytest.fixture
def central(writer: InlineWriter) -> Central:
    return make_central(writer)


def actions(block: Block, number: int) -> list[str]:
    """What a charger was asked."""
    return [one.removeprefix("<") for one in block.chargers[number].order() if one.startswith("<") and one != "<answer"]


async def test_a_car_alone_gets_its_maximum_and_two_share(central: Central, writer: InlineWriter) -> None:
    async with open_block(central, writer, 2) as block:
        await block.manage(site(20, 2))
        block.arrive(0)
        await trio.sleep(20)
        assert block.current(0) == 16
        block.arrive(1)
        await trio.sleep(30)
        assert (block.current(0), block.current(1)) == (10, 10)
        told = block.load.limited
        assert [(one.charger, one.state) for one in told.chargers] == [("CP-0", "managed"), ("CP-1", "managed")]
        assert [(one.charger, one.connector, one.amperes) for one in told.leases] == [("CP-0", 1, 10), ("CP-1", 1, 10)]
        assert told.writes_a_day == 100
        assert block.over(20) == []
        assert writer.rows("SELECT count(*) FROM charging_profile") == [(0,)]


async def test_a_car_waits_under_its_default_until_it_is_told(central: Central, writer: InlineWriter) -> None:
    async with open_block(central, writer, 1) as block:
        await block.manage(site(20, 1))
        (lease,) = [one for one in block.chargers[0].frames if "TxDefaultProfile" in one[2] and "SetCharging" in one[2]]
        assert '"startPeriod":0' in lease[2].replace(" ", "")
        block.kill()
        block.arrive(0)
        await trio.sleep(60)
        assert block.current(0) == 0


async def test_the_house_takes_more_and_cars_give_way(central: Central, writer: InlineWriter) -> None:
    async with open_block(central, writer, 3) as block:
        house = [2.0]
        block.house = lambda: (house[0],) * 3
        await block.manage(site(40, 3))
        for number in range(3):
            block.arrive(number)
        await trio.sleep(10 * MINUTE)
        assert [block.current(n) for n in range(3)] == [13, 13, 12]
        house[0] = 20.0
        began = trio.current_time()
        await trio.sleep(MINUTE)
        above = block.over(40, began)
        assert above
        assert above[-1].at - began <= 10
        assert all(one.at >= began for one in block.over(40))


async def test_nobody_is_raised_before_another_was_seen_to_obey(central: Central, writer: InlineWriter) -> None:
    async with open_block(central, writer, 2, {0: ["profiles-late"]}) as block:
        await block.manage(site(20, 2))
        block.arrive(0)
        await trio.sleep(2 * MINUTE)
        block.arrive(1)
        await trio.sleep(5 * MINUTE)
        assert block.over(20) == []


JUMP = 30.0


async def test_other_load_jumps_at_a_feeder_of_63_a(central: Central, writer: InlineWriter) -> None:
    """20 chargers on 63 A: the other load jumps by 30 A in a second, and cars follow within 5 s."""
    async with open_block(central, writer, 20) as block:
        house = [5.0]
        block.house = lambda: (house[0],) * 3
        await block.manage(site(63, 20))
        for number in range(20):
            block.arrive(number, replace(ONE if number % 4 == 0 else THREE, follow_seconds=5.0))
            await trio.sleep(20)
        await trio.sleep(10 * MINUTE)
        jumps = []
        for _ in range(3):
            house[0] += JUMP
            jumps.append(trio.current_time())
            await trio.sleep(5 * MINUTE)
            house[0] -= JUMP
            await trio.sleep(20 * MINUTE)
        late = [min(one.at - at for at in jumps if at <= one.at) for one in block.over(63)]
        print(f"at most {max(late):.0f} s above 63 A after a jump, in {len(late)} seconds of {len(block.moments)}")
        assert late
        assert max(late) <= 10
