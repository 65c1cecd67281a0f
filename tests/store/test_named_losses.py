"""The classes of issue 8 in which messages or fields are lost: the evident energy is billed, under
review."""

import pytest

from tests.store.books import NOON, Books, Station, meter_value
from tests.store.telling import (
    HOUR,
    assert_figure,
    assert_open,
    assert_time,
    charge,
    current,
    others,
    settle,
    start_with,
    watts,
)

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

# An invalid start


@pytest.mark.parametrize("register", ["n/a", "12,5", "1,000", "1_000"])
def test_a_start_without_a_register_keeps_its_tag_time_and_readings(
    books: Books, station: Station, register: str
) -> None:
    """It was offline: the start and its readings come two hours later, with their own times."""
    began = station.clock()
    books.wait(2 * HOUR)
    transaction = start_with(station, register, tag="ALICE", at=began)
    for minute in range(0, HOUR + 1, 10):
        station.tell(
            station.register(1000 + 120 * minute, 2 * HOUR - minute), transaction=transaction
        )
    station.stop(transaction, 8200, at=station.clock(HOUR))
    settle(books)
    assert books.row("SELECT id_tag, conn_id FROM tx WHERE id = ?", transaction) == ("ALICE", 1)
    assert_time(books, transaction, "start_time", NOON)
    assert_figure(station, transaction, 7200, flagged=True)


# Only the stop arrives


@pytest.mark.parametrize("told_id", [-1, 0, 17, 123_456])
def test_only_readings_and_stop_arrive(books: Books, station: Station, told_id: int) -> None:
    """Its start was lost, or another server has it. The readings name the same id."""
    books.wait(HOUR)
    register = charge(station, told_id, 1000)
    sent = station.clock()
    station.stop(told_id, register, at=sent, tag="ALICE")
    settle(books)
    (found,) = others(books)
    assert 7200 - 2 * 600 <= found[1] <= 7200
    assert found[2]
    station.stop(told_id, register, at=sent, tag="ALICE")
    assert others(books) == [found]


def test_a_car_that_waits_for_hours_is_one_transaction_by_its_id(
    books: Books, station: Station
) -> None:
    """It charges again at night; the start was lost."""
    register = charge(station, -51, 1000)
    register = charge(station, -51, register, 6 * HOUR, power=0)
    register = charge(station, -51, register)
    station.stop(-51, register)
    settle(books)
    ((_, wh, is_flagged),) = others(books)
    assert (wh, is_flagged) == (2 * 7200 - 600, True)


@pytest.mark.parametrize("told_id", [-1, 123_456])
def test_only_a_stop_with_its_transaction_data_arrives(
    books: Books, station: Station, told_id: int
) -> None:
    books.wait(HOUR)
    begin, end = (
        {"value": wh, "context": f"Transaction.{context}"}
        for wh, context in (("1000", "Begin"), ("8200", "End"))
    )
    data = [meter_value(station.clock(HOUR), begin), meter_value(station.clock(), end)]
    station.stop(told_id, 8200, data=data)
    settle(books)
    (found,) = others(books)
    assert found[1:] == (7200, True)


def test_only_a_stop_arrives_that_nothing_supports(books: Books, station: Station) -> None:
    station.stop(123_456, 8200)
    settle(books)
    assert (others(books), books.count("set_aside")) == ([], 1)


# Signs of life


@pytest.mark.parametrize("sign", ["power", "current"])
def test_power_without_an_id_resumes_what_was_suspended(
    books: Books, station: Station, sign: str
) -> None:
    transaction = station.start(1000)
    register = charge(station, transaction, 1000)
    station.boot()
    books.wait(1)
    samples = [watts(7200)] if sign == "power" else current(7200)[:1]
    station.tell(meter_value(station.clock(), *samples), transaction=None)
    stranger = Station(books, "CLOSER")
    stranger.orphan(stranger.start(0), 0)
    assert_open(station, transaction)
    station.stop(transaction, charge(station, transaction, register + 120))
    assert_figure(station, transaction, 14_520, flagged=False)


@pytest.mark.parametrize("sign", ["power", "current"])
def test_no_power_resumes_nothing(books: Books, station: Station, sign: str) -> None:
    transaction = station.start(1000)
    charge(station, transaction, 1000)
    station.boot()
    books.wait(1)
    samples = [watts(0)] if sign == "power" else current(0)[:1]
    station.tell(meter_value(station.clock(), *samples), transaction=None)
    stranger = Station(books, "CLOSER")
    stranger.orphan(stranger.start(0), 0)
    assert_figure(station, transaction, 7200, flagged=True)
