"""A transaction that is left open beside Available is closed."""

from __future__ import annotations

import pytest

from levity_trio.charging.sent.readings import understand
from levity_trio.events import TransactionClosed
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.origin import Opening
from levity_trio.store.writes.transactions.stops import close_before_start, close_silent
from tests.store.books import SERVER, Books, Station, meter_value

QUARTER, HOUR, DAY = 15, 60, 24 * 60


def wait(books: Books, minutes: int) -> None:
    """As the plugin does, which looks once a minute."""
    for _ in range(minutes):
        books.wait(1)
        books.run(close_silent, books.at, QUARTER * 60.0)


def new_start(station: Station, meter: int, tag: str = "TAG") -> int:
    opening = Opening(1, tag, meter, understand(station.clock(), station.books.now))
    station.write(close_before_start, opening)
    return station.start(meter, tag=tag)


def closed(books: Books) -> list[tuple[int, str]]:
    return [(fact.transaction, fact.reason) for fact in books.recorded(TransactionClosed)]


def charged(station: Station) -> int:
    """Charge 3 kWh, and become Available without a stop."""
    transaction = station.start(1000)
    station.status("Charging")
    station.books.wait(HOUR)
    station.tell(station.register(4000), transaction=transaction)
    station.books.wait(5)
    station.status("Available")
    return transaction


def test_two_starts_and_one_stop(books: Books, station: Station) -> None:
    first = new_start(station, 1000)
    books.wait(2)
    second = new_start(station, 1000)
    books.wait(QUARTER)
    station.tell(station.register(2000), transaction=first)
    books.wait(QUARTER)
    station.stop(first, 3000)
    station.status("Available")
    wait(books, 2)
    # by the second start; its own stop overrode that
    assert [name for name, _ in closed(books)] == [first]
    wait(books, 1)
    assert closed(books)[1:] == [(second, "Other")]
    assert books.row("SELECT status, stopped_by FROM tx WHERE id = ?", second) == (
        "Completed",
        "system",
    )
    assert "available" in books.value(
        "SELECT reason FROM tx_event WHERE tx_id = ? AND kind = 'close'", second
    )


def test_a_stop_without_id_dated_before_the_start(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    books.wait(QUARTER)
    station.stop(-1, 3000, at=station.clock(QUARTER + 5))
    station.status("Available")
    wait(books, 3)
    assert closed(books) == [(transaction, "Other")]
    assert books.count("set_aside") == 1


def test_it_ended_when_its_connector_became_available(books: Books, station: Station) -> None:
    transaction, at = charged(station), books.at
    wait(books, 5)
    assert station.bill(transaction)[0] == 3000
    assert books.value("SELECT stop_time FROM tx") == at[:20] + "000Z"
    assert books.value("SELECT free_at FROM tx") is None


def test_the_stop_that_comes_just_after_available_ends_it(books: Books, station: Station) -> None:
    transaction = charged(station)
    wait(books, 2)
    station.stop(transaction, 4100, at=station.clock(2))
    wait(books, QUARTER)
    assert closed(books) == []
    assert station.bill(transaction) == (3100, "register", "certain")


def test_a_late_stop_overrides_it_and_a_live_reading_reopens_it(
    books: Books, station: Station
) -> None:
    transaction = charged(station)
    wait(books, 3)
    assert closed(books) == [(transaction, "Other")]
    station.tell(station.register(4500), transaction=transaction)
    assert books.value("SELECT status FROM tx") == "Active"
    wait(books, QUARTER)
    assert len(closed(books)) == 1
    station.status("Available")
    wait(books, 3)
    assert len(closed(books)) == 2
    station.stop(transaction, 4600, at=station.clock(3))
    assert station.bill(transaction)[0] == 3600


def test_available_again_each_minute_does_not_put_it_off(books: Books, station: Station) -> None:
    transaction = charged(station)
    for _ in range(3):
        wait(books, 1)
        station.status("Available")
    assert closed(books) == [(transaction, "Other")]


def test_available_without_a_change_after_the_start_counts(books: Books, station: Station) -> None:
    """A charger without Charging: equal statuses are one row."""
    station.status("Available")
    books.wait(HOUR)
    transaction = station.start(1000)
    wait(books, QUARTER)
    assert closed(books) == []
    station.status("Available")
    wait(books, 3)
    assert closed(books) == [(transaction, "Other")]


@pytest.mark.parametrize("status", ["Preparing", "Charging", "SuspendedEV", "Finishing", "Faulted"])
def test_another_status_ends_the_wait(books: Books, station: Station, status: str) -> None:
    charged(station)
    wait(books, 2)
    station.status(status)
    wait(books, QUARTER)
    assert closed(books) == []


@pytest.mark.parametrize("connector", [0, 2])
def test_the_status_of_another_connector_tells_nothing(
    books: Books, station: Station, connector: int
) -> None:
    transaction = station.start(1000)
    books.wait(HOUR)
    station.status("Available", connector=connector)
    wait(books, QUARTER)
    assert closed(books) == []
    station.status("Available")
    wait(books, 1)
    station.status("Charging", connector=connector)
    wait(books, 2)
    assert closed(books) == [(transaction, "Other")]


def test_a_newer_reading_ends_the_wait_and_an_older_one_lets_it_begin_again(
    books: Books, station: Station
) -> None:
    transaction = charged(station)
    wait(books, 2)
    # of before Available
    station.tell(meter_value(station.clock(5), 4050), transaction=transaction)
    wait(books, 2)
    assert closed(books) == []
    station.tell(station.register(4060), transaction=transaction)
    wait(books, QUARTER)
    assert closed(books) == []
    station.status("Available")
    wait(books, 2)
    # older than the last one
    station.tell(meter_value(station.clock(30), 3500), transaction=transaction)
    wait(books, 2)
    assert closed(books) == []
    wait(books, 1)
    assert closed(books) == [(transaction, "Other")]


def test_a_repeated_start_lets_it_begin_again(books: Books, station: Station) -> None:
    at = station.clock()
    transaction = station.start(1000, at=at)
    station.status("Available")
    wait(books, 2)
    assert station.start(1000, at=at) == transaction
    wait(books, 2)
    assert closed(books) == []
    wait(books, 1)
    assert closed(books) == [(transaction, "Other")]


@pytest.mark.parametrize("behind", [HOUR, -HOUR])
def test_a_wrong_clock_changes_nothing(books: Books, behind: int) -> None:
    transaction = charged(Station(books, behind=behind))
    wait(books, 2)
    assert closed(books) == []
    wait(books, 1)
    assert closed(books) == [(transaction, "Other")]


def test_a_restart_of_the_server_does_not_lose_the_wait(books: Books, station: Station) -> None:
    transaction = charged(station)
    wait(books, 1)
    books.server = books.run(sessions.start_run, SERVER, "1.0", books.at, True)
    station.connect()
    wait(books, 2)
    # the session that the server ended does not count: its end is unknown
    assert closed(books) == []
    wait(books, 1)
    assert closed(books) == [(transaction, "Other")]


def test_time_stands_still_while_the_charger_is_away(books: Books, station: Station) -> None:
    transaction = charged(station)
    wait(books, 2)
    station.lose()
    wait(books, DAY)
    assert closed(books) == []
    station.connect()
    books.run(close_silent, books.at, QUARTER * 60.0)
    assert closed(books) == []
    wait(books, 1)
    assert closed(books) == [(transaction, "Other")]
