"""Readings by a clock that is behind that of start and stop: local time called Z, while those are
in UTC."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from levity_trio.store.cases.so_far import energies_so_far
from levity_trio.store.engine.database import rows_of
from tests.store.books import Books, Station, meter_value
from tests.store.reading import reading as view
from tests.store.telling import (
    HOUR,
    WATTS,
    assert_doubtful,
    assert_figure,
    close_silent,
    settle,
    watts,
)

BEHIND = (45, HOUR, 5 * HOUR, 12 * HOUR)


def local(at: datetime, behind: float) -> str:
    return (at - timedelta(minutes=behind)).strftime("%Y-%m-%dT%H:%M:%SZ")


def reading(at: datetime, behind: float, wh: int) -> dict[str, Any]:
    return meter_value(local(at, behind), wh, watts(WATTS))


def charge(station: Station, begin: int, behind: float, *, is_named: bool) -> tuple[int, int]:
    """Charge for two hours with a reading each quarter of an hour; return the transaction and the
    register."""
    transaction, wh = station.start(begin), begin
    for _ in range(8):
        station.books.wait(15)
        wh += WATTS // 4
        station.tell(
            reading(station.books.now, behind, wh), transaction=transaction if is_named else None
        )
    station.books.wait(7.5)
    return transaction, wh + WATTS // 8


@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("behind", BEHIND)
def test_readings_by_local_time_belong_to_the_transaction_that_runs(
    books: Books, station: Station, behind: float, is_named: bool
) -> None:
    wh = 100_000
    for _ in range(3):
        transaction, end = charge(station, wh, behind, is_named=is_named)
        station.stop(transaction, end)
        settle(station.books)
        assert_figure(station, transaction, end - wh, flagged=False)
        assert books.value("SELECT count(*) FROM meter_val WHERE tx_id = ?", transaction) == 16
        wh = end


@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("behind", BEHIND)
def test_the_energy_so_far_counts_them(
    books: Books, station: Station, behind: float, is_named: bool
) -> None:
    """What is shown of an open session, and reserved for it, does not wait until they are after its
    start."""
    transaction, _ = charge(station, 100_000, behind, is_named=is_named)
    with view(books) as db:
        assert energies_so_far(rows_of(db), [transaction]) == {transaction: 2 * WATTS}


@pytest.mark.parametrize("behind", BEHIND)
def test_data_of_a_stop_by_local_time(station: Station, behind: float) -> None:
    """All of it arrives with the stop, so only start, stop and whole time zones show how far it is
    behind."""
    books, wh = station.books, 100_000
    transaction, begun = station.start(wh), books.now
    data = [
        reading(begun + timedelta(minutes=15 * n), behind, wh + n * WATTS // 4) for n in range(1, 9)
    ]
    books.wait(2 * HOUR + 7.5)
    end = wh + 2 * WATTS + WATTS // 8
    station.stop(transaction, end, data=data)
    settle(station.books)
    assert_figure(station, transaction, end - wh, flagged=False)


def test_queued_readings_by_local_time(station: Station) -> None:
    """Start, readings and stop arrive hours later."""
    books, wh, begun = station.books, 100_000, station.books.now
    books.wait(9 * HOUR)
    transaction = station.start(wh, at=local(begun, 0))
    for n in range(1, 9):
        at = begun + timedelta(minutes=15 * n)
        station.tell(reading(at, HOUR, wh + n * WATTS // 4), transaction=transaction)
    station.stop(
        transaction, wh + 2 * WATTS + WATTS // 8, at=local(begun + timedelta(minutes=127.5), 0)
    )
    settle(station.books)
    assert_figure(station, transaction, 2 * WATTS + WATTS // 8, flagged=False)


def test_without_its_stop_the_last_reading_by_local_time_counts(station: Station) -> None:
    transaction, end = charge(station, 100_000, 5 * HOUR, is_named=True)
    close_silent(station)
    settle(station.books)
    figure = end - WATTS // 8 - 100_000
    assert_doubtful(station, transaction, figure, figure)


def test_readings_by_the_right_clock_after_a_start_that_was_ahead_stay_where_they_are(
    station: Station,
) -> None:
    """The start's clock was an hour ahead: its readings are before it, and received at their own
    time."""
    books = station.books
    transaction = station.start(100_000, at=local(books.now, -HOUR))
    books.wait(15)
    station.tell(reading(books.now, 0, 101_800), transaction=transaction)
    books.wait(15)
    station.stop(transaction, 103_600)
    settle(station.books)
    assert_figure(station, transaction, 3600, flagged=False)


def test_an_old_reading_not_above_the_end_of_its_session_goes_to_no_newer_one(
    books: Books, station: Station
) -> None:
    """A queued reading of the session before, without an id: it is not above the end of that
    session."""
    first, end = charge(station, 100_000, 0, is_named=False)
    station.stop(first, end)
    late = reading(books.now, 3, end - 100)
    books.wait(30)
    second = station.start(end)
    station.tell(late)
    assert books.value("SELECT count(*) FROM meter_val WHERE tx_id = ?", second) == 0
