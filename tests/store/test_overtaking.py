"""Readings without a transactionId of ours that overtake the queue of a charger that comes back:
they belong to the transaction that charges, whose start is still in the queue."""

import pytest

from levity_trio.charging.sent.readings import understand
from levity_trio.store.writes.origin import Opening
from levity_trio.store.writes.transactions.stops import close_before_start
from tests.store.books import Books, Station, meter_value
from tests.store.telling import HOUR, QUARTER, assert_figure, assert_open, charge, settle, watts

FIRST_END, SECOND_START, NOW = 75, 60, 0.1
"""Minutes before the charger comes back."""


def go_offline(station: Station) -> tuple[int, int]:
    """Charge 7.2 kWh, of which the last hour is only in the queue; return the transaction and its
    register then."""
    first = station.start(1000, tag="FIRST")
    wh = charge(station, first, 1000, HOUR // 2)
    station.lose()
    station.books.wait(HOUR // 2 + FIRST_END)
    station.connect()
    return first, wh + 3600


def read_live(station: Station, wh: int, named: int | None = None) -> None:
    station.tell(meter_value(station.clock(NOW), wh, watts(7200)), transaction=named)


def linked(books: Books, transaction: int) -> set[int]:
    return {
        wh
        for (wh,) in books.rows(
            "SELECT wh FROM meter_val WHERE tx_id = ? AND wh IS NOT NULL", transaction
        )
    }


def finish(station: Station, transaction: int, wh: int) -> None:
    """Charge 1.2 kWh more, and stop."""
    station.stop(transaction, charge(station, transaction, wh, QUARTER - 5))


def test_ahead_of_the_stop_and_the_next_start(books: Books, station: Station) -> None:
    first, wh = go_offline(station)
    read_live(station, wh + 7200)
    station.stop(first, wh, at=station.clock(FIRST_END))
    second = station.start(wh, tag="SECOND", at=station.clock(SECOND_START))
    assert wh + 7200 in linked(books, second)
    finish(station, second, wh + 7200)
    settle(books)
    assert_figure(station, first, 7200, flagged=False)
    assert_figure(station, second, 8400, flagged=False)


@pytest.mark.parametrize(
    "named", [None, 0, 77_002], ids=["without an id", "id 0", "an id of the charger's own"]
)
def test_ahead_of_the_start_of_the_second_next(
    books: Books, station: Station, named: int | None
) -> None:
    """What is in the queue was stopped in it, too; the reading belongs to the last one."""
    first, wh = go_offline(station)
    read_live(station, wh + 7200, named)
    station.stop(first, wh, at=station.clock(FIRST_END))
    second = station.start(wh, tag="SECOND", at=station.clock(SECOND_START))
    station.stop(second, wh + 2400, at=station.clock(40))
    third = station.start(wh + 2400, tag="THIRD", at=station.clock(39))
    assert (wh + 7200 in linked(books, second), wh + 7200 in linked(books, third)) == (False, True)
    finish(station, third, wh + 7200)
    settle(books)
    assert_figure(station, first, 7200, flagged=False)
    assert_figure(station, second, 2400, flagged=False)
    assert_figure(station, third, 6000, flagged=False)


def test_ahead_of_a_start_that_closes_the_one_before(books: Books, station: Station) -> None:
    """Its stop is lost: it ended before the next one began, where the register of that shows."""
    first, wh = go_offline(station)
    read_live(station, wh + 7200)
    moment = understand(station.clock(SECOND_START), books.now)
    station.write(close_before_start, Opening(1, "SECOND", wh, moment))
    second = station.start(wh, tag="SECOND", at=station.clock(SECOND_START))
    assert books.value("SELECT own_stop_time FROM tx WHERE id = ?", first) <= moment.understood
    finish(station, second, wh + 7200)
    settle(books)
    assert_figure(station, first, 3600, flagged=True)
    assert_figure(station, second, 8400, flagged=False)


def test_a_reading_that_names_its_transaction_stays(books: Books, station: Station) -> None:
    first, wh = go_offline(station)
    station.tell(meter_value(station.clock(NOW), wh + 7200), transaction=first)
    station.start(wh, tag="SECOND", at=station.clock(SECOND_START))
    assert wh + 7200 in linked(books, first)


def test_a_reading_up_to_the_stop_stays(books: Books, station: Station) -> None:
    """The next start has an earlier time than the stop: their clock was set in between, or they
    came in wrong order."""
    first, wh = go_offline(station)
    station.tell(meter_value(station.clock(FIRST_END), wh, watts(0)))
    station.stop(first, wh, at=station.clock(FIRST_END))
    station.start(wh, tag="SECOND", at=station.clock(FIRST_END))
    assert wh in linked(books, first)


def test_readings_below_the_next_start_stay(books: Books, station: Station) -> None:
    """The clock was set back by an hour, and the stop is lost: the readings of the last hour seem
    to be later."""
    station.behind = NOW
    first = station.start(1000, tag="FIRST")
    wh = charge(station, None, 1000)
    station.behind = HOUR
    station.start(wh, tag="SECOND")
    assert linked(books, first) == {1600 + 600 * number for number in range(12)}


def test_a_count_below_the_next_start_and_below_the_readings_before_it_is_of_the_next_transaction(
    books: Books, station: Station
) -> None:
    """The register counts each transaction from 0, and both began at a time in which it was
    offline."""
    first = station.start(0, tag="FIRST")
    wh = charge(station, None, 0)
    station.lose()
    books.wait(HOUR + FIRST_END)
    station.connect()
    read_live(station, 3600)
    station.stop(first, wh, at=station.clock(FIRST_END))
    second = station.start(wh, tag="SECOND", at=station.clock(SECOND_START))
    assert linked(books, second) == {3600}
    books.wait(QUARTER)
    station.stop(second, wh + 5400)
    settle(books)
    assert_figure(station, first, wh, flagged=False)
    assert_figure(station, second, 5400, flagged=False)


def test_a_stop_below_a_reading_that_overtook_it_ends_the_transaction_that_it_names(
    books: Books, station: Station
) -> None:
    """It fits another connector, too, but nothing shows that its id is wrong."""
    other = station.start(500, connector=2)
    first, wh = go_offline(station)
    read_live(station, wh + 7200)
    station.stop(first, wh, at=station.clock(FIRST_END))
    second = station.start(wh, tag="SECOND", at=station.clock(SECOND_START))
    finish(station, second, wh + 7200)
    settle(books)
    assert_open(station, other)
    assert_figure(station, first, 7200, flagged=False)
    assert_figure(station, second, 8400, flagged=False)
