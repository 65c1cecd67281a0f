"""Transactions closed too early, and unreadable messages: no available evidence is
lost."""

import pytest

from levity_trio.charging.lifecycle import Cause
from levity_trio.charging.sent import readings
from levity_trio.events import EnergyUnbilled
from levity_trio.store.writes.origin import Message
from levity_trio.store.writes.transactions import judging
from levity_trio.store.writes.transactions.starts import (
    start_unreadable,
    stop_unreadable,
)
from levity_trio.store.writes.transactions.stops import close_silent
from tests.store.books import Books, Station, meter_value
from tests.store.telling import bill_of, charge, settle
from tests.store.test_orphans import (
    MINUTES,
    available,
    new_start,
    open_ones,
    suspended,
    wait_and_look,
)


def test_its_own_readings_reopen_what_was_closed_too_early(books: Books, station: Station) -> None:
    """It sends readings only every half hour."""
    transaction = suspended(books, station)
    wait_and_look(books, MINUTES)
    assert station.bill(transaction)[0] == 3000
    books.wait(30)
    station.tell(station.register(9000), transaction=transaction)
    assert books.row(
        "SELECT status, suspended_at, stopped_by, energy_delivered, review FROM tx"
    ) == (*("Active", None, None, None, None),)
    station.stop(transaction, 12_000)
    assert station.bill(transaction) == (11_000, "register", "certain")
    assert books.recorded(EnergyUnbilled) == []


def test_one_that_was_reopened_is_judged_when_it_ends(books: Books, station: Station) -> None:
    transaction = suspended(books, station)
    wait_and_look(books, MINUTES)
    books.wait(30)
    station.tell(station.register(9000), transaction=transaction)
    station.write(judging.judge_again, transaction, Cause.LATER)
    settle(books)
    assert station.bill(transaction) == (None, None, None)


def test_readings_that_tell_nothing_new_reopen_nothing(books: Books, station: Station) -> None:
    transaction = suspended(books, station)
    wait_and_look(books, MINUTES)
    station.tell(station.register(4000), transaction=transaction)
    assert open_ones(books) == set()


def test_a_closed_one_stays_closed_once_another_began(books: Books, station: Station) -> None:
    transaction = suspended(books, station)
    newer = new_start(station, 5000)
    station.tell(station.register(9000), transaction=transaction)
    assert open_ones(books) == {newer}


def test_a_stop_that_cannot_be_read_lets_its_connector_end_it(
    books: Books, station: Station
) -> None:
    transaction = station.start(1000)
    books.wait(60)
    station.tell(station.register(8000), transaction=transaction)
    unreadable = station.message("StopTransaction", transactionId=transaction, meterStop=None)
    station.write(stop_unreadable, unreadable, "meterStop: type")
    assert open_ones(books) == {transaction}
    books.wait(1)
    available(station)
    assert station.bill(transaction)[0] == 7000


@pytest.mark.parametrize(("ahead", "is_newer"), [(0, True), (480, True), (480, False)])
def test_a_new_start_closes_what_began_by_a_clock_that_was_ahead(
    books: Books, station: Station, ahead: int, is_newer: bool
) -> None:
    """That clock is right now. Of the other, all messages have its times: what waited since before
    ends nothing."""
    station.behind = -ahead
    first = station.start(1000)
    books.wait(50)
    second = new_start(station, 1000, at=station.clock(ahead if is_newer else 2 * 60))
    assert open_ones(books) == ({second} if is_newer else {first, second})


@pytest.mark.parametrize("is_available_before", [True, False])
def test_the_readings_of_a_stop_that_cannot_be_read_give_the_figure(
    books: Books, station: Station, is_available_before: bool
) -> None:
    transaction = station.start(1000)
    books.wait(60)
    unreadable = station.message("StopTransaction", transactionId=transaction, meterStop=None)
    data = readings.read([station.register(8000)], books.now)
    if is_available_before:
        station.write(stop_unreadable, unreadable, "meterStop: type")
        available(station)
    station.write(stop_unreadable, unreadable, "meterStop: type", [data])
    if not is_available_before:
        books.wait(1)
        available(station)
    settle(books)
    assert bill_of(station, transaction) == ("Completed", 7000, True)


def test_a_stop_that_cannot_be_read_at_all_ends_nobody(books: Books, station: Station) -> None:
    station.start(1000)
    for payload in ("[2,", "[]", '{"transactionId":true}', '{"transactionId":7}'):
        station.write(
            stop_unreadable, Message("StopTransaction", payload, '"1"', payload), "no JSON"
        )
    assert books.value("SELECT suspended_at FROM tx") is None
    assert books.count("set_aside") == 4


@pytest.mark.parametrize("tag", [None, 7, "x" * 500])
def test_what_can_be_read_of_a_start_is_kept(books: Books, station: Station, tag: object) -> None:
    unreadable = station.message("StartTransaction", connectorId=2, idTag=tag, meterStart=1000)
    transaction = station.write(start_unreadable, unreadable, "idTag: type").transaction
    assert books.row("SELECT conn_id, meter_start FROM tx") == (2, 1000)
    books.wait(60)
    station.stop(transaction, 11_000)
    assert station.bill(transaction)[0] == 10_000
    assert "could not be read" in station.review(transaction)


def test_no_transaction_helps_to_show_the_habit_that_would_spare_its_own_review(
    books: Books, station: Station
) -> None:
    """Each stop counts from 0. The fifth is judged again with the sixth, when five others have
    shown the habit; then its neighbours are, too."""
    begin = 100_000
    transactions = [stopped_by_a_count(station, begin + 7200 * number) for number in range(5)]
    station.tell(meter_value(station.clock(15), 7200), transaction=transactions[4])
    settle(books)
    assert [bill_of(station, one)[1:] for one in transactions] == [(7200, True)] * 5
    transactions.append(stopped_by_a_count(station, begin + 5 * 7200))
    station.tell(meter_value(station.clock(105), 7200), transaction=transactions[4])
    settle(books)
    assert [bill_of(station, one)[1:] for one in transactions] == [(7200, False)] * 6


def test_a_register_that_is_reset_each_time_is_always_under_review(station: Station) -> None:
    """What flowed between the last reading and the reset is known from no register."""
    transactions = [reset_on_the_way(station, 4200, 4200) for _ in range(7)]
    assert [bill_of(station, one)[1:] for one in transactions] == [(7200, True)] * 7


def test_a_transaction_that_was_closed_before_its_stop_shows_a_habit_once(
    books: Books, station: Station
) -> None:
    transactions = [
        reset_on_the_way(station, 4200, 4200, is_silent=number == 0) for number in range(6)
    ]
    assert books.value("SELECT transactions FROM habit WHERE kind = 'register_reset'") == 6
    assert {bill_of(station, one)[1] for one in transactions} == {7200}


def stopped_by_a_count(station: Station, begin: int) -> int:
    """7,200 Wh with readings and a stop that count from 0."""
    transaction = station.start(begin)
    charge(station, transaction, 0)
    station.stop(transaction, 7200)
    station.books.wait(10)
    return transaction


def reset_on_the_way(station: Station, begin: int, end: int, *, is_silent: bool = False) -> int:
    """7,200 Wh, of which `end` after the reset. If it is silent, its stop arrives when it was
    closed for that."""
    transaction = station.start(begin)
    reset = begin + 7200 - end
    register = charge(
        station, transaction, begin, told=lambda wh: wh if wh <= reset else wh - reset
    )
    if is_silent:
        station.lose()
        station.books.run(close_silent, station.books.at, 0.0)
        station.connect()
    station.stop(transaction, register - reset)
    station.books.wait(10)
    return transaction
