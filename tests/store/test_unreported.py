"""An open transaction at a connector that never reported a status is listed there."""

from __future__ import annotations

from levity_trio.store.reads.chargers import chargers
from tests.store.books import Books, Station
from tests.store.nows import Page
from tests.store.reading import reading


def listed(books: Books, charger: str = "CP-1") -> list[tuple[int, str | None, int | None]]:
    with reading(books) as db:
        found = chargers.charger(db, charger)
    assert found is not None
    return [(one.connector, one.status, one.open_transaction) for one in found.connectors]


def test_it_is_listed_while_it_is_open(books: Books, station: Station) -> None:
    transaction = station.start(1000, connector=3)
    assert listed(books) == [(3, None, transaction)]
    assert Page(books).session().id == transaction
    books.wait(60)
    station.stop(transaction, 2000)
    assert listed(books) == []


def test_it_is_listed_beside_those_with_a_status(books: Books, station: Station) -> None:
    station.status("Available", connector=1)
    transaction = station.start(1000, connector=2)
    assert listed(books) == [(1, "Available", None), (2, None, transaction)]
    station.status("Charging", connector=2)
    assert listed(books) == [(1, "Available", None), (2, "Charging", transaction)]


def test_a_suspended_one_is_listed_too(books: Books, station: Station) -> None:
    transaction = station.start(1000, connector=2)
    station.boot()
    assert listed(books) == [(2, None, transaction)]


def test_each_charger_lists_its_own(books: Books, station: Station) -> None:
    other = Station(books, "CP-2").start(7, connector=1)
    transaction = station.start(1000, connector=1)
    with reading(books) as db:
        every = [(one.charger, one.open_transaction) for one in chargers.connectors(db, None)]
    assert every == [("CP-1", transaction), ("CP-2", other)]
