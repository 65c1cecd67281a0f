"""A stop that is taken from its transaction, or given to another one, by one wrong field."""

from __future__ import annotations

from typing import Any

import pytest

from levity_trio.charging.sent.readings import understand
from levity_trio.store.writes.origin import Opening
from levity_trio.store.writes.transactions.stops import close_before_start
from tests.store.books import Books, Station, meter_value
from tests.store.telling import settle, watts

pytestmark = pytest.mark.sqlite  # about matching and judging, which are the same on both stores

CAR = 7200


def energy(books: Books, transaction: int) -> int:
    settle(books)
    return int(books.value("SELECT energy_delivered FROM tx WHERE id = ?", transaction))


class Car:
    """A car at a connector that is told each minute."""

    def __init__(
        self, station: Station, wh: int, connector: int = 1, car: int = CAR, tag: str = "TAG"
    ) -> None:
        self.station, self.wh, self.connector, self.car = station, wh, connector, car
        self.transaction = station.start(wh, connector, tag)
        self.data = [
            meter_value(station.clock(), {"value": str(wh), "context": "Transaction.Begin"})
        ]

    def minute(self) -> None:
        self.wh += self.car // 60
        reading = meter_value(self.station.clock(), self.wh, watts(self.car))
        self.station.tell(reading, transaction=self.transaction, connector=self.connector)

    def whole_data(self) -> list[dict[str, Any]]:
        end = meter_value(
            self.station.clock(), {"value": str(self.wh), "context": "Transaction.End"}
        )
        return [*self.data, end]


def charge_for(minutes: int, *cars: Car) -> None:
    for _ in range(minutes):
        cars[0].station.books.wait(1)
        for car in cars:
            car.minute()


@pytest.mark.parametrize("car", [3700, 7200, 50_000])
@pytest.mark.parametrize("reads", [True, False])
def test_the_last_stop_of_the_connector_comes_again_with_the_new_id(
    books: Books, station: Station, car: int, reads: bool
) -> None:
    before = Car(station, 1000)
    charge_for(60, before)
    at = station.clock()
    station.stop(before.transaction, before.wh, at=at, reason="EVDisconnected")
    books.wait(5)
    after = Car(station, before.wh, car=car, tag="BOB")
    charge_for(2, after)
    station.stop(after.transaction, before.wh, at=at, reason="EVDisconnected")
    if reads:
        charge_for(58, after)
    else:
        books.wait(58)
        after.wh += car // 60 * 58
    books.wait(0.3)
    station.stop(after.transaction, after.wh)
    assert energy(books, after.transaction) == car // 60 * 60
    assert energy(books, before.transaction) == 7200
    assert books.rows("SELECT code FROM review") == []


@pytest.mark.parametrize("has_data", [True, False])
def test_a_stop_with_the_register_of_the_other_connector(
    books: Books, station: Station, has_data: bool
) -> None:
    one = Car(station, 27_471, 1, tag="A")
    charge_for(31, one)
    two = Car(station, 1200, 2, tag="B")
    charge_for(89, one, two)
    station.stop(one.transaction, two.wh, data=one.whole_data() if has_data else ())
    charge_for(20, two)
    station.stop(two.transaction, two.wh)
    books.wait(30)
    for car in (one, two):
        opening = Opening(car.connector, "NEXT", car.wh, understand(station.clock(), books.now))
        station.write(close_before_start, opening)
        station.start(car.wh, car.connector, "NEXT")
    assert energy(books, two.transaction) == 109 * 120
    assert energy(books, one.transaction) == 120 * 120


@pytest.mark.parametrize("car", [7200, 22_000, 50_000, 90_000])
def test_a_stop_at_0_wh_after_which_the_car_charges_under_its_id(
    books: Books, station: Station, car: int
) -> None:
    one = Car(station, 8200, car=car)
    books.wait(0.1)
    station.stop(one.transaction, 8200)
    charge_for(60, one)
    books.wait(0.3)
    station.stop(one.transaction, one.wh)
    station.start(one.wh)
    assert energy(books, one.transaction) == car // 60 * 60
    assert books.value("SELECT confidence FROM tx WHERE id = ?", one.transaction) == "doubtful"
