"""A start whose register is that of the start before, or lower: no reset of the register."""

from __future__ import annotations

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import settle, watts

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores


def bills(books: Books) -> list[tuple[int, str]]:
    settle(books)
    return [
        (row[0], row[1])
        for row in books.rows("SELECT energy_delivered, confidence FROM tx ORDER BY id")
    ]


def session(station: Station, start: int, stop: int, *readings: int, power: int = 3640) -> None:
    """A transaction with readings each five minutes."""
    station.books.wait(5)
    transaction = station.start(start)
    for wh in readings:
        station.books.wait(5)
        station.tell(meter_value(station.clock(), wh, watts(power)), transaction=transaction)
    station.books.wait(4)
    station.stop(transaction, stop)


@pytest.mark.parametrize("readings", [(), (5166, 5472)])
@pytest.mark.parametrize("begin", [0, 900])
def test_a_start_that_is_that_of_the_start_before(
    books: Books, station: Station, readings: tuple[int, ...], begin: int
) -> None:
    first = station.start(begin)
    books.wait(40)
    station.stop(first, 4906)
    session(station, 0, 5581, *readings)
    session(station, 5581, 6581)
    assert bills(books)[1] == (675, "doubtful")
    assert bills(books)[2] == (1000, "certain")


@pytest.mark.parametrize("start", [51_600, 50_900, 50_300])
def test_readings_that_count_from_0_show_no_reset(
    books: Books, station: Station, start: int
) -> None:
    counts = range(600, 7201, 600)
    for wh in (30_000, 37_200, 44_400):
        session(station, wh, wh + 7200, *counts, power=7200)
    session(station, 51_600, 52_300, 600, power=4800)
    session(station, start, 59_500, *counts, power=7200)
    session(station, 59_500, 60_200)
    assert bills(books)[3:] == [(700, "certain"), (7200, "doubtful"), (700, "certain")]


def test_a_register_that_counts_each_transaction_stays_certain(
    books: Books, station: Station
) -> None:
    for stop in (1000, 3000, 2000, 5000, 7000):
        session(station, 0, stop, *(stop * part // 4 for part in (1, 2, 3)), power=stop * 3)
    assert bills(books) == [(stop, "certain") for stop in (1000, 3000, 2000, 5000, 7000)]


def test_a_register_that_was_set_back_shows_it_in_its_readings(
    books: Books, station: Station
) -> None:
    session(station, 0, 1200, 300, 600, 900)
    session(station, 0, 1500, 300, 600, 900, 1200)
    session(station, 1500, 2000)
    assert bills(books)[1] == (1500, "certain")
