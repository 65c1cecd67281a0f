"""Ends of transactions that repeat an old register, and meters that are swapped on the way, as
chargers tell them."""

from __future__ import annotations

import pytest

from levity_trio.charging.lifecycle import Cause
from levity_trio.events import TransactionRejudged
from tests.store.books import Books, Station, meter_value
from tests.store.deciding import open_codes
from tests.store.telling import HOUR, assert_figure, bill_of, charge, session, settle, watts
from tests.store.test_shared_registers import SHARED

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

BEGIN = 1_000_000
SERIAL = "meter_serial_number"


def test_the_next_start_shows_that_a_stop_was_stale(books: Books, station: Station) -> None:
    transaction = station.start(BEGIN)
    wh = charge(station, transaction, BEGIN, every=15, tells_power=False)
    books.wait(10)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 7200, flagged=False)
    books.wait(60)
    station.start(wh + 1200)
    settle(books)
    assert_figure(station, transaction, 7200, flagged=True)
    assert open_codes(books, transaction) == ["stop_garbled"]
    (fact,) = books.recorded(TransactionRejudged)
    assert (fact.transaction, fact.cause) == (transaction, Cause.LATER)


def test_a_stop_that_rose_as_power_implies_stays_certain(books: Books, station: Station) -> None:
    transaction = station.start(BEGIN)
    wh = charge(station, transaction, BEGIN, every=15)
    books.wait(10)
    station.stop(transaction, wh + 1200)
    books.wait(60)
    station.start(wh + 2400)
    settle(books)
    assert_figure(station, transaction, 8400, flagged=False)
    assert books.recorded(TransactionRejudged) == []


def test_a_start_that_was_read_late(books: Books, station: Station) -> None:
    wh = session(station, BEGIN)
    books.wait(60)
    transaction = station.start(wh + 600)
    books.wait(5)
    station.tell(station.register(wh + 600), transaction=transaction)
    wh = charge(station, transaction, wh + 600, tells_power=False)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 7200, flagged=True)
    assert open_codes(books, transaction) == ["start_garbled"]


def test_the_next_start_shows_that_a_low_register_was_no_reset(
    books: Books, station: Station
) -> None:
    wh = session(station, BEGIN)
    transaction = station.start(0)
    books.wait(60)
    station.stop(transaction, 700)
    assert_figure(station, transaction, 700, flagged=False)
    books.wait(60)
    station.start(wh + 7200)
    settle(books)
    assert_figure(station, transaction, 700, flagged=True)


def test_a_meter_that_is_swapped_on_the_way_for_one_that_stands_higher(
    books: Books, station: Station
) -> None:
    station.boot(**{SERIAL: "OLD"})
    books.wait(5)
    transaction = station.start(BEGIN)
    wh = charge(station, transaction, BEGIN, tells_power=False)
    station.boot(**{SERIAL: "NEW"})
    wh = charge(station, transaction, wh + 500, tells_power=False)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 14_400 - 600, flagged=True)
    assert open_codes(books, transaction) == ["meter_swapped"]


def test_a_meter_that_is_swapped_where_no_reading_tells(books: Books, station: Station) -> None:
    station.boot(**{SERIAL: "OLD"})
    books.wait(5)
    transaction = station.start(BEGIN)
    books.wait(60)
    station.boot(**{SERIAL: "NEW"})
    books.wait(60)
    station.stop(transaction, BEGIN + 9000)
    assert bill_of(station, transaction)[1:] == (0, True)


def test_a_meter_that_is_swapped_after_the_stop_by_the_clock_of_the_charger(
    books: Books, station: Station
) -> None:
    """Its clock is two hours ahead, so by its times there are readings before and after the receipt
    of the boot."""
    station.behind = -2 * HOUR
    station.boot(**{SERIAL: "OLD"})
    books.wait(5)
    transaction = station.start(BEGIN)
    wh = charge(station, transaction, BEGIN, 3 * HOUR)
    station.lose()
    stopped = station.clock()
    books.wait(20)
    station.connect()
    station.boot(**{SERIAL: "NEW"})
    station.stop(transaction, wh, at=stopped)
    assert_figure(station, transaction, 21_600, flagged=False)


def test_a_meter_that_is_swapped_on_the_way_by_the_clock_of_the_charger(
    books: Books, station: Station
) -> None:
    station.behind = -2 * HOUR
    test_a_meter_that_is_swapped_on_the_way_for_one_that_stands_higher(books, station)


def test_a_car_whose_start_was_lost_is_counted_by_the_same_register(
    books: Books, station: Station
) -> None:
    """Its transaction, known from its stop only, has the other one judged again."""
    one = station.start(BEGIN)
    books.wait(20)
    for wh in (BEGIN + 4000, BEGIN + 8000, BEGIN + 12_000):
        station.tell(station.register(wh), transaction=17, connector=2)
        books.wait(10)
        station.tell(station.register(wh + 2000), transaction=one)
        books.wait(10)
    station.stop(one, BEGIN + 15_000)
    assert_figure(station, one, 15_000, flagged=False)
    books.wait(20)
    station.tell(station.register(BEGIN + 17_000), transaction=17, connector=2)
    station.stop(17, BEGIN + 17_000)
    settle(books)
    assert open_codes(books, one) == SHARED


def test_an_empty_transaction_at_a_wrong_time_hides_no_overlap(
    books: Books, station: Station
) -> None:
    """Its register is that of the begin of the one before, and its clock is hours ahead."""
    first = station.start(BEGIN)
    wh = charge(station, first, BEGIN, tells_power=False)
    station.stop(first, wh)
    books.wait(60)
    empty = station.start(BEGIN)
    station.stop(empty, BEGIN)
    books.wait(60)
    last = station.start(BEGIN + 5000)
    station.stop(last, charge(station, last, wh, every=15, tells_power=False))
    settle(books)
    assert_figure(station, last, 7200, flagged=True)
    assert open_codes(books, last) == ["overlap"]


def test_a_start_that_was_read_late_before_two_reports_of_one_power(
    books: Books, station: Station
) -> None:
    """What power lacks stands between the two transactions; a car that charges late looks the
    same."""
    session(station, 37)
    books.wait(600)
    transaction = station.start(10_237)
    for wh, power in ((2208, 21_600), (7708, 21_900), (11_666, 0), (11_666, 0)):
        books.wait(15)
        station.tell(
            meter_value(station.clock(), 10_237 + wh, watts(power)), transaction=transaction
        )
    books.wait(8)
    station.stop(transaction, 21_903)

    assert_figure(station, transaction, 11_666, flagged=True)
