"""Orders of a grid operator, during evenings with foreign charge points beside a house."""

from __future__ import annotations

import random
from functools import partial
from typing import NamedTuple

import pytest
import trio

from levity_trio.store.reads.load.load import LoadOrder, orders, problems
from tests.charger.parts import InlineWriter
from tests.load.block import InlineReader
from tests.load.foreign.charge_point import Car
from tests.load.foreign.evening import HOUR, MINUTE, Currents, Evening, exact, open_evening
from tests.load.foreign.kinds import HONEST, KINDS, Kind
from tests.sizes import size

VIRTUAL_TIME = True
HELD_SECONDS = 30.0
CHANGE_SECONDS = 150.0
"""So long after an order or a turn, cars may still be on their way to their next limits."""
pytestmark = pytest.mark.night  # evenings of the feeder
QUARTER_SECONDS = 900.0
LEAST_A = 6
VOLTS = 230


class Order(NamedTuple):
    """An order, and when it came and the next one did."""

    amperes: float | None
    kilowatts: float | None
    at: float
    until: float


def house_of_7(seconds: float) -> Currents:
    """A house with 5 to 7 A on each line, by steps of four minutes."""
    chance = random.Random(int(seconds // 240))
    return chance.uniform(5, 7), chance.uniform(5, 7), chance.uniform(5, 7)


async def live(evening: Evening, seed: int, hours: float) -> list[Order]:
    """Let an order come each 6 to 25 minutes."""
    chance, came = random.Random(f"orders {seed}"), list[Order]()
    end = trio.current_time() + hours * HOUR
    while trio.current_time() < end:
        amperes = kilowatts = None
        if chance.random() < 0.5:
            amperes = round(chance.uniform(7, 60), 1)
        else:
            kilowatts = round(chance.uniform(5, 42), 1)
        began = trio.current_time()
        await evening.load.grid_limit(amperes, kilowatts=kilowatts, source="relay")
        await trio.sleep(chance.uniform(6, 25) * MINUTE)
        came.append(Order(amperes, kilowatts, began, trio.current_time()))
    return came


@pytest.mark.parametrize("seed", range(size(12, 1)))
async def test_random_orders_are_held_and_leave_as_many_cars_charging_as_they_allow(
    writer: InlineWriter, seed: int
) -> None:
    async with open_evening(writer, [HONEST] * 6, 63.0, house=house_of_7) as evening:
        await evening.manage()
        cars = [evening.arrive(number, Car(wants_wh=200_000.0)) for number in range(6)]
        await trio.sleep(3 * MINUTE)
        for order in await live(evening, seed, size(4, 2)):
            allowed = order.amperes or (order.kilowatts or 0.0) * 1000 / VOLTS / 3
            for second in evening.seconds:
                if order.at + HELD_SECONDS < second.at < order.until:
                    assert sum(second.points) <= allowed + 0.01, (order, second.at - order.at)
                is_at_rest = min(second.at - order.at, second.at % QUARTER_SECONDS) > CHANGE_SECONDS
                if is_at_rest and second.at < order.until:
                    charging = sum(amperes >= LEAST_A for amperes in second.points)
                    assert charging == min(6, int(allowed // LEAST_A)), (
                        order,
                        second.at - order.at,
                    )
        assert all(car.got_wh > 500 for car in cars)
        assert evening.longest_above(1.0) == 0


@pytest.mark.parametrize(("amperes", "kilowatts"), [(24.4, None), (None, 16.8)])
async def test_with_4200_w_for_each_of_four_cars_none_stands_still(
    writer: InlineWriter, amperes: float | None, kilowatts: float | None
) -> None:
    """The house takes as much as it wants."""
    async with open_evening(writer, [HONEST] * 4, 63.0, house=house_of_7) as evening:
        await evening.manage()
        for number in range(4):
            evening.arrive(number)
        await trio.sleep(5 * MINUTE)
        await evening.load.grid_limit(amperes, kilowatts=kilowatts, source="relay")
        await trio.sleep(HELD_SECONDS)
        began = trio.current_time()
        await trio.sleep(40 * MINUTE)
        assert {
            amperes for second in evening.seconds if second.at > began for amperes in second.points
        } == {6}


async def test_an_order_of_12_a_lets_two_cars_charge_beside_a_house_and_the_others_by_turns(
    writer: InlineWriter,
) -> None:
    async with open_evening(writer, [HONEST] * 4, 32.0, house=house_of_7) as evening:
        await evening.manage()
        cars = [evening.arrive(number) for number in range(4)]
        await trio.sleep(5 * MINUTE)
        await evening.load.grid_limit(12, source="relay")
        await trio.sleep(MINUTE)
        before = [car.got_wh for car in cars]
        await trio.sleep(HOUR)
        assert all(car.got_wh - then > 1500 for car, then in zip(cars, before, strict=True))


class OfConnection(Evening):
    """A site whose owner says that orders are for the connection, with the house."""

    def document(self) -> str:
        return super().document() + '[grid]\nof = "connection"\n'


async def test_an_order_of_the_connection_counts_the_house_of_all_lines(
    writer: InlineWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.load.foreign.evening.Evening", OfConnection)
    async with open_evening(
        writer, [HONEST] * 4, 63.0, house=lambda _: (9.0, 3.0, 0.0), meter=exact
    ) as evening:
        await evening.manage()
        for number in range(4):
            evening.arrive(number)
        await trio.sleep(5 * MINUTE)
        for amperes, kilowatts, whole in ((24.0, None, 15), (None, 16.6, 20), (None, 2.0, 0)):
            await evening.load.grid_limit(amperes, kilowatts=kilowatts, source="relay")
            await trio.sleep(7 * MINUTE)
            assert sum(evening.seconds[-1].points) == whole


@pytest.mark.parametrize("name", ["one phase rotated", "total power only", "answers after 25 s"])
async def test_a_kind_gets_its_least_under_an_order_in_kw(writer: InlineWriter, name: str) -> None:
    """Two of them, of which the second comes during the order."""
    kind: Kind = KINDS[name]
    async with open_evening(writer, [kind, kind], 32.0, house=house_of_7) as evening:
        await evening.manage()
        evening.arrive(0)
        await trio.sleep(5 * MINUTE)
        await evening.load.grid_limit(None, kilowatts=8.4, source="relay")
        await trio.sleep(2 * MINUTE)
        began = trio.current_time()
        evening.arrive(1)
        await trio.sleep(10 * MINUTE)
        watts = [
            sum(second.points) * kind.lines * VOLTS
            for second in evening.seconds
            if second.at > began
        ]
        assert max(watts) <= 8400
        assert min(evening.current(0), evening.current(1)) >= LEAST_A


async def test_a_car_that_begins_at_less_than_it_had_before_its_pause_is_not_taken_to_need_more(
    writer: InlineWriter,
) -> None:
    """At 10 A each three charge; at 12 A in all two, by turns, with 6 A each."""
    async with open_evening(writer, [HONEST] * 3, 32.0) as evening:
        await evening.manage()
        for number in range(3):
            evening.arrive(number)
        await trio.sleep(10 * MINUTE)
        assert min(evening.seconds[-1].points) == 10
        await evening.load.grid_limit(12, source="relay")
        for _ in range(4):
            await trio.sleep(QUARTER_SECONDS)
            assert sorted(evening.seconds[-1].points) == [0, 6, 6]


async def kept(evening: Evening) -> list[LoadOrder]:
    return await InlineReader(evening.writer).run(partial(orders, since=""))


@pytest.mark.parametrize(("amperes", "kilowatts", "limit"), [(13.0, None, 13.0), (None, 9.0, 9.0)])
async def test_an_order_is_kept_with_the_time_until_it_was_held_and_the_highest_minute_since_then(
    writer: InlineWriter, amperes: float | None, kilowatts: float | None, limit: float
) -> None:
    async with open_evening(writer, [HONEST] * 3, 32.0, house=house_of_7) as evening:
        await evening.manage()
        for number in range(3):
            evening.arrive(number)
        await trio.sleep(5 * MINUTE)
        await evening.load.grid_limit(amperes, kilowatts=kilowatts, source="relay")
        came = trio.current_time()
        await trio.sleep(20 * MINUTE)
        await evening.load.grid_limit(None, source="relay")
        await trio.sleep(MINUTE)
        order, lifted = await kept(evening)
        flowed = [sum(second.points) for second in evening.seconds if second.at > came]
        held = next(seconds for seconds, whole in enumerate(flowed) if whole <= 13)
        assert order.held_after_seconds is not None
        assert held <= order.held_after_seconds <= HELD_SECONDS
        assert order.highest == pytest.approx(13 if amperes else 13 * 3 * VOLTS / 1000, rel=0.05)
        assert order.highest is not None
        assert order.highest <= limit
        assert (order.limits, order.until) == ("chargers", lifted.at)
        assert (lifted.held_after_seconds, lifted.highest, lifted.until) == (None, None, None)


async def test_an_order_that_is_not_held_is_told_and_stays_unheld(writer: InlineWriter) -> None:
    """One charger ignores what it is told."""
    kinds = [KINDS["says SuspendedEVSE, delivers"], HONEST]
    async with open_evening(writer, kinds, 32.0) as evening:
        await evening.manage()
        for number in range(2):
            evening.arrive(number)
        await trio.sleep(MINUTE)
        await evening.load.grid_limit(10, source="relay")
        await trio.sleep(10 * MINUTE)
        (order,) = await kept(evening)
        assert order.held_after_seconds is None
        assert order.highest == pytest.approx(16, abs=1)
        words = [one.words for one in problems(evening.load.now)]
        assert "More is drawn than the grid operator allows" in words
        assert "waits for current" in evening.load.now.cars[1].says if evening.load.now else False
        await evening.load.grid_limit(20, source="relay")
        await trio.sleep(2 * MINUTE)
        assert problems(evening.load.now) == []


async def test_who_waits_by_an_order_is_told_what_is_kept_for_a_charger_that_is_away(
    writer: InlineWriter,
) -> None:
    """14 A for all together, without an end: the one that is away may take all of them, and no time
    changes that."""
    async with open_evening(writer, [HONEST] * 2, 63.0) as evening:
        await evening.manage()
        evening.points[1].is_down = True
        await evening.points[1].cut()
        await evening.load.grid_limit(14, source="relay")
        await trio.sleep(3 * MINUTE)
        evening.arrive(0)
        await trio.sleep(5 * MINUTE)
        assert evening.load.now is not None
        (car,) = evening.load.now.cars
        assert (car.says, car.waits_about_seconds) == (
            "waits, because 16 A are kept for chargers that are away",
            None,
        )
