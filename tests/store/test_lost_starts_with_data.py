"""Stops whose start was lost, with the energy in their transactionData."""

from __future__ import annotations

from typing import Any

from levity_trio.store.writes.transactions.stops import close_silent
from tests.store.books import Books, Station, meter_value
from tests.store.telling import settle, watts

SILENT = 900.0


def marked(station: Station, wh: int, context: str, at: str | None = None) -> dict[str, Any]:
    return meter_value(
        at or station.clock(), {"value": str(wh), "context": f"Transaction.{context}"}
    )


def charge(station: Station, wh: int, minutes: int, transaction: int) -> int:
    for _ in range(minutes // 5):
        station.books.wait(5)
        wh += 600
        station.tell(meter_value(station.clock(), wh, watts(7200)), transaction=transaction)
    return wh


def test_a_transaction_without_a_stop_ends_before_one_without_a_start(
    books: Books, station: Station
) -> None:
    first = station.start(10_000, tag="A")
    wh = charge(station, 10_000, 30, first)
    books.wait(60)
    begin = marked(station, wh, "Begin")
    wh = charge(station, wh, 60, 7)
    station.stop(7, wh, tag="B", data=[begin, marked(station, wh, "End")])
    books.run(close_silent, books.at, SILENT)
    # its stop may be on its way
    assert books.value("SELECT status FROM tx WHERE id = ?", first) == "Active"
    books.wait(SILENT / 60)
    books.run(close_silent, books.at, SILENT)
    settle(books)
    told = "SELECT id_tag, energy_delivered, status FROM tx ORDER BY id"
    assert books.rows(told) == [("A", 3600, "Completed"), ("B", 7200, "Completed")]


def test_one_that_goes_on_is_not_closed_by_an_older_one(books: Books, station: Station) -> None:
    """The stop of the one before arrives late, from the queue."""
    began = station.clock()
    books.wait(30)
    ended = station.clock()
    books.wait(10)
    running = station.start(12_000, tag="A")
    station.stop(7, 12_000, at=ended, data=[marked(station, 9000, "Begin", began)])
    charge(station, 12_000, 60, running)
    books.wait(SILENT / 60)
    books.run(close_silent, books.at, SILENT)
    assert books.value("SELECT status FROM tx WHERE id = ?", running) == "Active"


def test_transaction_data_shows_a_start_however_long_ago(books: Books, station: Station) -> None:
    """Begin and End are seven hours apart."""
    began = station.clock()
    books.wait(7 * 60)
    station.stop(
        -1, 8200, data=[marked(station, 1000, "Begin", began), marked(station, 8200, "End")]
    )
    settle(books)
    told = "SELECT own_start_time, energy_delivered, confidence FROM tx"
    assert books.rows(told) == [("2026-03-01T12:00:00.000Z", 7200, "doubtful")]
