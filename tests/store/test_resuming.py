"""Which reading shows that a suspended or closed transaction goes on: one that was taken after
that."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from levity_trio.charging.lifecycle import State, state_of
from levity_trio.charging.sent.readings import Moment, ahead_when_sent
from levity_trio.events import TransactionResumed
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.transactions.stops import close_available, close_silent
from tests.store.books import SERVER, Books, Station, meter_value

HOUR, MINUTES = 60, 15


def state(books: Books, transaction: int) -> State:
    status, suspended, by = books.row(
        "SELECT status, suspended_at, stopped_by FROM tx WHERE id = ?", transaction
    )
    return state_of(status, suspended is not None, by)


def cut(station: Station) -> None:
    station.lose()
    station.books.wait(5)
    station.connect()


def cut_and_boot(station: Station) -> None:
    cut(station)
    station.boot()


def end_server(station: Station) -> None:
    books = station.books
    books.server = books.run(sessions.start_run, SERVER, "1.0", books.at, True)
    books.wait(5)
    station.connect()


def begin(station: Station) -> int:
    transaction = station.start(1000)
    station.status("Charging")
    station.books.wait(30)
    return transaction


def available(station: Station) -> None:
    station.write(close_available, 1, Moment(station.books.at, None, True))
    station.status("Available")


@pytest.mark.parametrize("suspend", [cut_and_boot, cut, end_server, Station.boot])
@pytest.mark.parametrize("is_named", [True, False])
def test_a_reading_from_before_is_stored_and_resumes_nothing(
    books: Books, station: Station, suspend: Callable[[Station], None], is_named: bool
) -> None:
    transaction = begin(station)
    taken = station.clock(2)
    suspend(station)
    books.wait(1)
    station.tell(meter_value(taken, 2500), transaction=transaction if is_named else None)
    assert (state(books, transaction), books.recorded(TransactionResumed)) == (State.SUSPENDED, [])
    assert books.row("SELECT last_register_wh, last_reading_at FROM tx") == (
        2500,
        taken[:-1] + ".000Z",
    )
    books.wait(1)
    available(station)
    assert state(books, transaction) is State.CLOSED
    assert station.bill(transaction)[0] == 1500


def test_it_is_closed_after_minutes_of_silence_too(books: Books, station: Station) -> None:
    transaction = begin(station)
    taken = station.clock(2)
    cut_and_boot(station)
    station.tell(meter_value(taken, 2500), transaction=transaction)
    for _ in range(MINUTES):
        books.wait(1)
        books.run(close_silent, books.at, MINUTES * 60.0)
    assert state(books, transaction) is State.CLOSED


@pytest.mark.parametrize("suspend", [cut_and_boot, cut, end_server, Station.boot])
@pytest.mark.parametrize("behind", [0, HOUR, -HOUR, 7 * HOUR, -0.5])
def test_a_reading_taken_since_resumes_by_any_clock(
    books: Books, suspend: Callable[[Station], None], behind: float
) -> None:
    station = Station(books, behind=behind)
    transaction = begin(station)
    taken = station.clock(2)
    suspend(station)
    books.wait(2)
    station.tell(meter_value(taken, 2400), transaction=transaction)
    assert state(books, transaction) is State.SUSPENDED
    station.tell(station.register(2500), transaction=transaction)
    assert state(books, transaction) is State.OPEN
    assert len(books.recorded(TransactionResumed)) == 1


@pytest.mark.parametrize("reports", [True, False])
def test_the_clock_was_set_when_the_charger_came_back(books: Books, reports: bool) -> None:
    station = Station(books, behind=-HOUR)
    transaction = begin(station)
    cut_and_boot(station)
    station.behind = 0
    if reports:
        station.status("Finishing")
    books.wait(1)
    station.tell(station.register(2500), transaction=transaction)
    assert state(books, transaction) is State.OPEN


def test_a_queue_that_was_filled_before_and_after(books: Books, station: Station) -> None:
    """Its clock is 20 minutes ahead, so that a reading from before seems to be of now."""
    station.behind = -20
    transaction = begin(station)
    before = station.clock()
    station.lose()
    books.wait(20)
    after = station.clock(10)
    station.connect()
    station.boot()
    station.status("Finishing")
    station.tell(meter_value(before, 2400), transaction=transaction)
    assert state(books, transaction) is State.SUSPENDED
    station.tell(meter_value(after, 3000), transaction=transaction)
    assert state(books, transaction) is State.OPEN


def test_what_the_system_closed_is_judged_again_and_stays_closed(
    books: Books, station: Station
) -> None:
    transaction = begin(station)
    taken = station.clock(1)
    cut_and_boot(station)
    available(station)
    assert station.bill(transaction)[0] == 0
    books.wait(HOUR)
    station.tell(meter_value(taken, 2500), transaction=transaction)
    assert (state(books, transaction), station.bill(transaction)[0]) == (State.CLOSED, 1500)
    station.tell(station.register(3000), transaction=transaction)
    assert state(books, transaction) is State.OPEN


@pytest.mark.parametrize(
    ("own", "since", "before", "ahead"),
    [
        (-600, None, 0, 0),  # it waited
        (-600, None, -600, -600),  # the clock is behind
        (-620, -590, -600, -620),
        (-600, -400, 0, 0),  # the status waited, too
        (0, 3600, 3600, 3600),  # it waited for an hour by a clock that is ahead by one
        (0, None, 3600, 0),  # the clock was set
        (3000, None, 3600, 3600),
        (-300, 0, 3600, 0),
        (30, 0, 0, 30),
        (-90, None, 0, 0),
    ],
)
def test_by_how_much_a_clock_was_ahead(
    own: float, since: float | None, before: float, ahead: float
) -> None:
    assert ahead_when_sent(own, since, before) == ahead
