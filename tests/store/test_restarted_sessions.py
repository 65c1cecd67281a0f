"""A session that begins again within a minute, by a charger whose times are whole minutes: both have the same start,
and so one id (rules.md, Transactions)."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import assert_figure, assert_open, settle, watts

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


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("has_readings", [False, True])
def test_the_later_stop_counts_after_one_at_0_wh(
    books: Books, station: Station, times: int, has_readings: bool
) -> None:
    first = station.clock()
    transaction = begin_twice(station, times)
    charge(station, transaction, has_readings=has_readings)
    for _ in range(times):
        station.stop(transaction, BEGIN + WH, at=minute(station))
    station.books.wait(20)
    last = station.start(BEGIN + WH, tag="NEXT", at=minute(station))
    books.wait(30)
    station.stop(last, BEGIN + WH + 2_800, at=minute(station))
    settle(books)
    assert_figure(station, transaction, WH, flagged=True)
    assert station.bill(transaction)[2] == "doubtful"
    assert_figure(station, last, 2_800, flagged=False)
    assert books.count("tx") == 2
    assert books.rows("SELECT code FROM review WHERE resolved_at IS NULL") == [("begun_again",)]
    assert first < books.value("SELECT stop_time FROM tx WHERE id = ?", transaction)


def test_the_first_stop_that_comes_again_changes_nothing(books: Books, station: Station) -> None:
    transaction = begin_twice(station)
    stopped = minute(station)
    charge(station, transaction, has_readings=False)
    station.stop(transaction, BEGIN + WH, at=minute(station))
    station.stop(transaction, BEGIN, at=stopped, reason="Other")
    assert_figure(station, transaction, WH, flagged=True)
    assert books.rows("SELECT code FROM review WHERE resolved_at IS NULL") == [("begun_again",)]
    assert books.rows("SELECT kind, count FROM tx_event ORDER BY id") == [
        ("start", 2),
        ("stop", 2),
        ("conflicting stop", 1),
    ]


@pytest.mark.parametrize("has_readings", [False, True])
def test_the_later_stop_of_a_clock_that_stands_still_counts(books: Books, station: Station, has_readings: bool) -> None:
    """Its times were believable, and all are the same."""
    stopped = station.clock()
    transaction = begin_twice(station)
    charge(station, transaction, has_readings=has_readings)
    station.stop(transaction, BEGIN + WH, at=stopped)
    assert_figure(station, transaction, WH, flagged=True)
    assert books.rows("SELECT code FROM review WHERE resolved_at IS NULL") == [("begun_again",)]


def test_its_stop_is_none_of_the_other_connector(books: Books, station: Station) -> None:
    """The register of that one would fit, too."""
    other = station.start(BEGIN + 100, connector=2)
    transaction = begin_twice(station)
    charge(station, transaction, has_readings=False)
    station.stop(transaction, BEGIN + WH, at=minute(station))
    assert_open(station, other)
    assert_figure(station, transaction, WH, flagged=True)
    assert books.count("set_aside") == 0


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
