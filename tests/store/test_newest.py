"""The newest time of a database, which shows that a clock is not set; and rows that are no
evidence."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from levity_trio.events import ClockLeapt
from levity_trio.store.reads.site.database import STRAY_ROWS, Newest, newest
from levity_trio.store.writes.chargers import sessions
from levity_trio.wire.times import stamp
from tests.store.books import SERVER, Books, Station
from tests.store.reading import view

ONCE = datetime.fromisoformat("2036-02-07T06:28:16.000Z")


def look(books: Books) -> Newest | None:
    return newest(view(books.connection))


def at(books: Books) -> str | None:
    found = look(books)
    return found and found.at


def start_again(books: Books, *, is_trusted: bool) -> None:
    books.server = books.run(sessions.start_run, SERVER, "1", books.at, is_trusted)


def live_a_moment_ahead(books: Books) -> datetime:
    """An hour in another year; gives the true time."""
    now, books.now = books.now, ONCE
    start_again(books, is_trusted=True)
    station = Station(books, "CP-2")
    station.stop(station.start())
    books.run(sessions.end_run, books.server, books.at)
    return now


def test_the_newest_row_of_any_kind(books: Books) -> None:
    """Readings are not events, and the time a charger was last seen is stored only every few
    seconds."""
    assert at(books) == books.at  # the run's own
    books.wait(10)
    station = Station(books)
    assert at(books) == books.at
    transaction = station.start(1000)
    books.wait(10)
    station.tell(station.register(1100), transaction=transaction)
    assert look(books) == (books.at, f"tx {transaction}")
    books.wait(10)
    books.run(sessions.heartbeat, "CP-1", books.at)
    assert look(books) == (books.at, "cp CP-1")
    books.wait(10)
    books.run(sessions.end_run, books.server, books.at)
    assert look(books) == (books.at, f"run {books.server}")


def test_nothing_is_known_of_an_empty_one(books: Books) -> None:
    books.connection.execute("DROP TRIGGER run_is_kept")
    books.connection.execute("DELETE FROM run")
    assert look(books) is None


@pytest.mark.parametrize("strays", range(1, STRAY_ROWS + 1))
def test_a_few_rows_from_another_year_are_no_evidence(books: Books, strays: int) -> None:
    station = Station(books)
    for _ in range(10):
        books.wait(1)
        station.boot()
    now, books.now = books.now, ONCE
    for _ in range(strays):
        station.boot()
    books.now = now
    assert at(books) == books.at


def test_more_of_them_are_and_one_is_named(books: Books) -> None:
    Station(books)
    now = live_a_moment_ahead(books)
    found = look(books)
    assert found is not None
    assert found.at == stamp(ONCE)
    books.now = now
    start_again(books, is_trusted=False)  # it waits, and serves without trust
    station = Station(books)
    station.boot()
    assert at(books) == stamp(ONCE)


def test_one_start_that_a_person_vouches_for_outdates_them(books: Books) -> None:
    Station(books)
    books.now = live_a_moment_ahead(books)
    start_again(books, is_trusted=True)
    Station(books).boot()
    assert at(books) == books.at
    start_again(books, is_trusted=False)
    assert at(books) == books.at


def test_rows_a_few_days_ahead_are_evidence(books: Books) -> None:
    """A machine may have been off for a day."""
    station = Station(books)
    books.now += timedelta(days=20)
    station.boot()
    assert at(books) == books.at


def test_rows_from_the_time_before_our_clock_was_set_back_are_passed_over(books: Books) -> None:
    right, books.now = books.now, books.now + timedelta(hours=2)
    station = Station(books)
    station.stop(station.start())
    books.run(sessions.heartbeat, "CP-1", books.at)
    books.now = right + timedelta(minutes=1)
    back = ClockLeapt(charger=None, at=books.at, seconds=-7200, believed=True)
    books.run(sessions.note_leap, books.server, replace(back, believed=False))
    assert at(books) == stamp(right + timedelta(hours=2))
    books.run(sessions.note_leap, books.server, back)
    assert at(books) == stamp(right)  # the run's own
    books.wait(60)
    station.boot()
    assert at(books) is not None
    books.now = right + timedelta(hours=3)  # what the clock shows after that is evidence again
    station.boot()
    assert at(books) == books.at
