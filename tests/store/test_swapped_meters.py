"""A meter that is swapped while its charger is offline: what the queue holds is of the old and of
the new one."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import HOUR, assert_figure, charge, session, settle

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores


def come_back(station: Station) -> None:
    """Connect, and boot with the new meter; the queue follows."""
    station.connect()
    station.boot(meter_serial_number="NEW")


def test_registers_of_two_meters_in_one_queue_do_not_overlap(
    books: Books, station: Station
) -> None:
    station.boot(meter_serial_number="OLD")
    station.lose()
    books.wait(5 * HOUR)
    come_back(station)
    first = station.start(0, at=station.clock(4 * HOUR))
    station.stop(first, 7200, at=station.clock(3 * HOUR))
    second = station.start(3600, at=station.clock(2 * HOUR))
    station.stop(second, 5450, at=station.clock(HOUR))
    settle(books)

    assert_figure(station, first, 7200, flagged=False)
    assert_figure(station, second, 1850, flagged=False)


def test_registers_that_fall_on_one_meter_overlap(books: Books, station: Station) -> None:
    """The swap was before both."""
    station.boot(meter_serial_number="OLD")
    books.wait(HOUR)
    come_back(station)
    books.wait(HOUR)
    station.lose()
    books.wait(5 * HOUR)
    station.connect()
    first = station.start(0, at=station.clock(4 * HOUR))
    station.stop(first, 7200, at=station.clock(3 * HOUR))
    second = station.start(3600, at=station.clock(2 * HOUR))
    station.stop(second, 5450, at=station.clock(HOUR))
    settle(books)

    assert_figure(station, first, 3600, flagged=True)
    assert_figure(station, second, 0, flagged=True)


def test_a_reading_of_the_new_meter_that_overtakes_the_queue_is_of_the_transaction_that_charges(
    books: Books, station: Station
) -> None:
    """Two of the old meter are in the queue before it."""
    station.boot(meter_serial_number="OLD")
    first = station.start(20_000)
    wh = charge(station, first, 20_000, HOUR // 2)
    station.lose()
    books.wait(3 * HOUR)
    come_back(station)
    books.wait(20)
    station.tell(meter_value(station.clock(0.1), 2400))
    station.stop(first, wh + 600, at=station.clock(2.9 * HOUR))
    second = station.start(wh + 600, tag="SECOND", at=station.clock(2.5 * HOUR))
    station.stop(second, wh + 1200, at=station.clock(2 * HOUR))
    third = station.start(500, tag="THIRD", at=station.clock(16))
    station.stop(third, charge(station, third, 2400, 15))
    settle(books)

    assert_figure(station, first, 4200, flagged=False)
    assert_figure(station, second, 600, flagged=False)
    assert_figure(station, third, 3700, flagged=False)


def test_an_empty_transaction_after_it_shows_that_a_register_never_rose(
    books: Books, station: Station
) -> None:
    """No meter is set back to the very register at which it stood before: this stop is of another
    connector."""
    wh = session(station, 1000)
    transaction = station.start(wh)
    books.wait(HOUR)
    station.stop(transaction, wh + 1372)
    books.wait(10)
    empty = station.start(wh)
    books.wait(HOUR)
    station.stop(empty, wh)
    settle(books)

    assert_figure(station, transaction, 0, flagged=True)
    assert_figure(station, empty, 0, flagged=False)


def test_a_boot_without_a_serial_number_between_two_meters_hides_no_swap(
    books: Books, station: Station
) -> None:
    """The last known one counts."""
    station.boot(meter_serial_number="OLD")
    books.wait(HOUR)
    station.boot()
    books.wait(HOUR)
    transaction = station.start(50_000)
    wh = charge(station, transaction, 50_000, minutes=30)
    station.boot(meter_serial_number="NEW")
    books.wait(1)
    station.stop(transaction, 200)
    settle(books)
    assert_figure(station, transaction, wh - 50_000, flagged=True)
    assert [code for (code,) in books.rows("SELECT code FROM review")] == ["meter_swapped"]
