"""A session that begins again within a minute, by a charger whose times are whole minutes: both
have the same start, and so one id."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import assert_doubtful, assert_figure, settle, watts

BEGIN, WH = 50_000, 7_200


def minute(station: Station) -> str:
    return station.books.now.strftime("%Y-%m-%dT%H:%M:00Z")


def begin_twice(station: Station, times: int = 1) -> int:
    """Start, stop at 0 Wh, and start again, each message `times` times."""
    books = station.books
    books.now = books.now.replace(second=5)
    began = minute(station)
    transaction = [station.start(BEGIN, at=began) for _ in range(times)][-1]
    books.wait(0.3)
    for _ in range(times):
        station.stop(transaction, BEGIN, at=began, reason="Other")
    books.wait(0.2)
    for _ in range(times):
        assert station.start(BEGIN, at=began) == transaction
    return transaction


def charge(station: Station, transaction: int, *, has_readings: bool) -> None:
    for number in range(1, 7):
        station.books.wait(10)
        told = meter_value(station.clock(), BEGIN + WH * number // 6, watts(WH))
        if has_readings:
            station.tell(told, transaction=transaction)


@pytest.mark.parametrize("has_readings", [False, True])
@pytest.mark.parametrize("times", [1, 2])
def test_the_later_stop_is_a_second_one(
    books: Books, station: Station, times: int, has_readings: bool
) -> None:
    """What flowed until the next start is under review, or told as unbilled energy."""
    transaction = begin_twice(station, times)
    charge(station, transaction, has_readings=has_readings)
    for _ in range(times):
        station.stop(transaction, BEGIN + WH, at=minute(station))
    station.books.wait(20)
    last = station.start(BEGIN + WH, tag="NEXT", at=minute(station))
    books.wait(30)
    station.stop(last, BEGIN + WH + 2_800, at=minute(station))
    settle(books)
    assert_doubtful(station, transaction, 0, WH)
    assert ("second_stop",) in books.rows("SELECT code FROM review WHERE resolved_at IS NULL")
    unbilled = books.value("SELECT coalesce(unbilled_wh, 0) FROM tx WHERE id = ?", last)
    assert station.bill(transaction)[0] + unbilled == WH
    assert_figure(station, last, 2_800, flagged=False)
    assert books.count("tx") == 2


@pytest.mark.parametrize("has_readings", [False, True])
def test_the_later_stop_of_a_clock_that_stands_still_is_one_too(
    station: Station, has_readings: bool
) -> None:
    """Its times were believable, and all are the same."""
    stopped = station.clock()
    transaction = begin_twice(station)
    charge(station, transaction, has_readings=has_readings)
    station.stop(transaction, BEGIN + WH, at=stopped)
    assert_doubtful(station, transaction, 0, WH)


def test_without_a_second_start_a_later_stop_changes_nothing(station: Station) -> None:
    """Some chargers repeat a stop with a later time and a register some Wh higher."""
    transaction = station.start(BEGIN)
    station.books.wait(1)
    station.stop(transaction, BEGIN)
    station.books.wait(60)
    station.stop(transaction, BEGIN + WH)
    assert_figure(station, transaction, 0, flagged=True)


def test_a_later_stop_after_the_next_start_changes_nothing(station: Station) -> None:
    """Its energy is that of the next transaction."""
    transaction = station.start(BEGIN)
    station.books.wait(1)
    station.stop(transaction, BEGIN)
    station.books.wait(1)
    following = station.start(BEGIN, tag="NEXT")
    station.books.wait(60)
    station.stop(following, BEGIN + WH)
    station.stop(transaction, BEGIN + WH, tag="TAG")
    assert_figure(station, transaction, 0, flagged=True)
    assert station.review(transaction) == "a second stop came with other values"
    assert_figure(station, following, WH, flagged=False)


@pytest.mark.parametrize("stop", [BEGIN - 1000, BEGIN])
def test_a_session_that_stays_empty_is_certain(station: Station, stop: int) -> None:
    transaction = begin_twice(station)
    station.books.wait(10)
    station.stop(transaction, stop, at=minute(station))
    assert_figure(station, transaction, 0)
    assert station.bill(transaction)[2] == "certain"
