"""Days of a block with the real server and simulated chargers, in virtual time: `just load-days 25
5`.

What is measured: moments above the limit, profiles written, how the database grows with load
management and without, and whether anybody who only waited would pay for blocking.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import trio
import trio.testing

from levity_trio.billing.pricing import counted
from levity_trio.billing.tariff import Blocking
from levity_trio.simulator.feeder import Breaker
from levity_trio.simulator.physics import Vehicle
from levity_trio.store.billing.evidence import Billed, Needs, evidence_of
from levity_trio.store.engine.frame_log import FrameRow
from levity_trio.wire.times import parse_time
from tests.billing.cases import BERLIN
from tests.charger.parts import InlineWriter, make_central
from tests.load.block import Block, open_block, site
from tests.store.template import only_new
from tests.tools.load.nights import CARS, DAY, HOUR, VOLTS, Battery, House, Stay, fleet, stays

TERMS: Final = Blocking(price=Decimal("0.10"), grace_minutes=30, is_until_available=True)
NEEDED: Final = Needs(course=False, stay=True)
STEP: Final = 300.0
NOON: Final = 12 * HOUR
FULL_WH: Final = 300
"""A car that lacks less has ended by itself."""


@dataclass
class Found:
    """What some days came to."""

    days: int
    moments: int
    over: int
    far_over: int
    trips: int
    writes: list[int]
    bytes_a_day: float
    met: float
    waited: int
    """Sessions that got less than they wanted."""
    paid: int
    """Of these, those that would pay for blocking."""
    held: int
    """Sessions with spans in which load management held the car back."""


def vehicle(car: Battery, wanted_wh: float) -> Vehicle:
    return Vehicle(
        name="car",
        battery_wh=car.wh,
        max_ac_w=car.lines * car.most * VOLTS,
        ac_phases=car.lines,
        soc=max(0.0, 1 - wanted_wh / car.wh),
        follow_seconds=3.0,
    )


async def live(
    amperes: float, days: int, seed: int, folder: Path, *, is_limited: bool, house: float
) -> Found:
    """Let cars come and go for some days, which begin at noon."""
    with only_new(folder / f"{is_limited}.db") as connection:
        writer = _Writer(connection)
        central = make_central(writer)
        chance = random.Random(seed * 1000 + 7)
        cars = fleet(chance)
        coming = [stay for night in range(days) for stay in stays(chance, night)]
        async with open_block(central, writer, CARS) as block:
            other = House(seed * 77 + 1, house)
            drawn = other.draw(NOON)
            block.house = lambda: drawn.now
            if is_limited:
                await block.manage(site(amperes, CARS))
            began, size = trio.current_time(), _size(writer)
            counter = _Watch(block, amperes)
            block.nursery.start_soon(counter.run)
            async with trio.open_nursery() as visits:
                for stay in coming:
                    visits.start_soon(_visit, block, stay, cars[stay.number], began)
                for step in range(int(days * DAY / STEP)):
                    drawn = other.draw(NOON + step * STEP)
                    await trio.sleep(STEP)
                visits.cancel_scope.deadline = trio.current_time() + 12 * HOUR
            grown = (_size(writer) - size) / days
            return replace(counter.found(days), bytes_a_day=grown, **_money(writer, coming, cars))


async def _visit(block: Block, stay: Stay, car: Battery, began: float) -> None:
    await trio.sleep_until(began + stay.arrival - NOON)
    block.arrive(stay.number, vehicle(car, stay.wanted_wh))
    await trio.sleep_until(began + stay.departure - NOON)
    block.leave(stay.number)


class _Writer(InlineWriter):
    def log_frame(self, row: FrameRow) -> None:
        """Keep no frame: their log has a size of its own."""


class _Watch:
    """Adds up what flows each second, and which profiles were written on each day."""

    def __init__(self, block: Block, amperes: float) -> None:
        self._block, self._amperes = block, amperes
        self._breakers = [Breaker() for _ in range(3)]
        self._moments = self._over = self._far_over = self._trips = 0
        self._writes: dict[tuple[int, int], int] = defaultdict(int)

    async def run(self) -> None:
        while True:
            await trio.sleep(1)
            moments, self._block.moments = self._block.moments, []
            for one in moments:
                self._moments += 1
                self._over += one.highest > self._amperes + 0.01
                self._far_over += one.highest > 1.13 * self._amperes
                for breaker, amperes in zip(self._breakers, one.drawn, strict=True):
                    self._trips += breaker.carry(amperes / self._amperes, 1)
            for number, living in enumerate(self._block.chargers):
                while living.frames:
                    _, direction, text = living.frames.popleft()
                    if direction == "recv" and "SetChargingProfile" in text:
                        self._writes[number, int(trio.current_time() // DAY)] += 1

    def found(self, days: int) -> Found:
        writes = [self._writes[number, day] for day in range(days) for number in range(CARS)]
        return Found(
            days, self._moments, self._over, self._far_over, self._trips, writes, 0.0, 0.0, 0, 0, 0
        )


def _size(writer: InlineWriter) -> int:
    ((pages,),), ((size,),) = writer.rows("PRAGMA page_count"), writer.rows("PRAGMA page_size")
    return int(pages) * int(size)


def _money(writer: InlineWriter, coming: list[Stay], cars: list[Battery]) -> dict[str, Any]:
    """Return what was met of what was wanted, and who would pay for blocking."""
    wanted = dict[int, Iterator[float]]()
    for number in range(CARS):
        wanted[number] = iter(
            [
                stay.wanted_wh
                for stay in sorted(coming, key=lambda one: one.arrival)
                if stay.number == number
            ]
        )
    told = (
        "SELECT id, cp_id, start_time, stop_time, energy_delivered "
        "FROM tx WHERE status = 'Completed' ORDER BY id"
    )
    got = asked = 0.0
    waited = paid = held = 0

    def rows(sql: str, values: Any) -> list[tuple[Any, ...]]:
        return writer.rows(sql, *values)

    for number, charger, since, until, wh in writer.rows(told):
        want = next(wanted[int(charger.removeprefix("CP-"))])
        want = min(want, cars[int(charger.removeprefix("CP-"))].wh)
        asked, got = asked + want, got + min(wh, want)
        since_at, until_at = parse_time(since), parse_time(until)
        assert since_at is not None
        assert until_at is not None
        stay = evidence_of(rows, Billed(number, since_at, until_at, wh), NEEDED).stay
        assert stay is not None
        held += bool(stay.held)
        if wh < want - FULL_WH:
            waited += 1
            paid += counted(stay, TERMS, BERLIN).minutes > 0
    return {"met": got / max(asked, 1.0), "waited": waited, "paid": paid, "held": held}


def run(
    amperes: float, days: int, seed: int, *, is_limited: bool = True, house: float = 1.0
) -> Found:
    with tempfile.TemporaryDirectory() as folder:
        test = partial(live, amperes, days, seed, Path(folder), is_limited=is_limited, house=house)
        return trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0))


def main() -> None:
    """Print what days at a limit come to."""
    amperes, days = float(sys.argv[1]), int(sys.argv[2])
    limited, free = run(amperes, days, 1), run(amperes, days, 1, is_limited=False)
    print(f"{amperes:g} A, {days} days, 20 chargers, the house of `just feeder`, the real server")
    for name, one in (("above the limit", limited), ("without limits", free)):
        print(
            f"{name:18} {one.over} of {one.moments} s; above 1.13 × {one.far_over}; trips "
            f"{one.trips}"
        )
    print(
        f"profiles           median {median(limited.writes):g}, at most {max(limited.writes)} a "
        "day and charger"
    )
    print(
        f"database           {limited.bytes_a_day / 1e6:.2f} MB a day, "
        f"{free.bytes_a_day / 1e6:.2f} without limits"
    )
    print(f"energy             {100 * limited.met:.1f} % of what was wanted")
    print(
        f"blocking           {limited.waited} got less than they wanted, {limited.paid} of them "
        "would pay a fee;"
    )
    print(f"                   {limited.held} sessions were held back")


if __name__ == "__main__":
    main()
