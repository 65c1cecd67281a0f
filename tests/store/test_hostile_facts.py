"""One message that nobody foresaw costs its own transaction at most a figure, and nobody else
anything."""

from __future__ import annotations

import pytest

from levity_trio.store.writes.transactions import judging, stops
from tests.store.books import Books, Station, meter_value
from tests.store.telling import settle

YEARS = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1899-12-31T23:59:59Z"]


@pytest.mark.parametrize("at", YEARS)
@pytest.mark.parametrize("place", ["start", "reading", "stop"])
def test_a_time_of_a_year_that_no_clock_shows(
    books: Books, station: Station, at: str, place: str
) -> None:
    transaction = station.start(1000, at=at if place == "start" else None)
    for wh in (2000, 3000):
        books.wait(10)
        station.tell(
            meter_value(at if place == "reading" else station.clock(), wh), transaction=transaction
        )
    books.wait(10)
    station.stop(transaction, 4000, at=at if place == "stop" else None)
    later = station.start(4000)
    books.wait(30)
    station.stop(later, 5000)
    settle(books)
    assert books.rows("SELECT energy_delivered FROM tx ORDER BY id") == [(3000,), (1000,)]


def test_a_transaction_id_that_no_database_can_hold(books: Books, station: Station) -> None:
    station.stop(2**63 + 5, 4000)
    transaction = station.start(1000)
    books.wait(30)
    station.stop(transaction, 2000)
    assert station.bill(transaction)[0] == 1000


@pytest.mark.logs_errors
def test_a_judgement_that_fails_keeps_the_others_from_nothing(
    books: Books, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (session(books, station, wh) for wh in (1000, 5000))
    books.connection.execute("UPDATE tx SET judge_after = ?", (books.at,))
    real = judging.judge_now

    def failing(*given: object) -> None:
        if given[2].id == first:  # type: ignore[attr-defined]
            raise ValueError
        real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(judging, "judge_now", failing)
    books.settle()
    assert books.rows("SELECT judge_after FROM tx") == [(None,), (None,)]
    assert [station.bill(number)[0] for number in (first, second)] == [1000, 1000]


def session(books: Books, station: Station, wh: int) -> int:
    transaction = station.start(wh)
    books.wait(30)
    station.stop(transaction, wh + 1000)
    books.wait(30)
    return transaction


@pytest.mark.logs_errors
def test_a_transaction_that_cannot_be_closed_keeps_no_other_open(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    stations = [Station(books, name) for name in ("CP-1", "CP-2")]
    numbers = [station.start(1000) for station in stations]
    for station in stations:
        station.boot()
    books.wait(60)
    real = stops.close

    def failing(*given: object) -> None:
        if given[2].id == numbers[0]:  # type: ignore[attr-defined]
            raise ValueError
        real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(stops, "close", failing)
    books.run(stops.close_silent, books.at, 900.0)
    assert books.rows("SELECT status FROM tx ORDER BY id") == [("Active",), ("Completed",)]
