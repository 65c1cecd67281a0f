"""Stations, chargers that are known ahead, and what a person says about connectors."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from levity_trio import nouns
from levity_trio.events import ChargerShown
from levity_trio.store.cases.transaction import COLUMNS, StoredTransaction
from levity_trio.store.reads.chargers.chargers import (
    Connector,
    charger,
    chargers,
    connectors,
    station,
    stations,
)
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.reads.transactions.recheck import DifferenceCause, compare
from levity_trio.store.writes.chargers.hiding import UnknownIdentity, hide
from levity_trio.store.writes.chargers.registration import (
    AlreadyKnown,
    ChargerData,
    ConnectorData,
    UnknownStation,
    add_charger,
    add_station,
    change_charger,
    change_station,
    describe_connector,
    remove_station,
)
from tests.store.books import Books, Station
from tests.store.reading import reading

GARAGE = nouns.Station(name="Garage", address="Main street 1", latitude=47.37, longitude=8.54)


def names(books: Books, *, is_hidden: bool = False) -> list[str]:
    with reading(books) as db:
        return [one.id for one in chargers(db, None, None, WantedPage(), is_hidden=is_hidden).data]


def test_a_station_is_added_changed_and_deleted(books: Books) -> None:
    number = books.run(add_station, GARAGE, books.at)
    books.run(change_station, number, replace(GARAGE, name="Basement", address=None), books.at)
    with reading(books) as db:
        found = station(db, number)
    assert found is not None
    assert (found.name, found.address, found.latitude, found.longitude) == (
        "Basement",
        None,
        47.37,
        8.54,
    )
    books.run(remove_station, number, books.at)
    with reading(books) as db:
        assert station(db, number) is None
        assert stations(db, WantedPage()).data == []
    assert books.count("station") == 1
    for change in (change_station, remove_station):
        with pytest.raises(UnknownStation):
            books.run(
                change,
                *((number, GARAGE, books.at) if change is change_station else (number, books.at)),
            )


def test_the_newest_station_comes_first_with_its_chargers(books: Books) -> None:
    first, second = (
        books.run(add_station, replace(GARAGE, name=name), books.at) for name in ("A", "B")
    )
    for name in ("CP-1", "CP-2"):
        books.run(add_charger, name, ChargerData(None, first), books.at, "anna")
    books.run(hide, "CP-2", books.at, None)
    with reading(books) as db:
        assert [(one.id, one.chargers) for one in stations(db, WantedPage()).data] == [
            (second, 0),
            (first, 1),
        ]
        assert [one.id for one in chargers(db, first, None, WantedPage()).data] == ["CP-1"]
    books.run(remove_station, first, books.at)
    assert books.rows("SELECT station_id FROM cp") == [(None,), (None,)]


def test_a_charger_known_ahead_connects_with_its_name(books: Books) -> None:
    books.run(
        add_charger,
        "CP-1",
        ChargerData("Anna's", None, "United Chargers", "Grizzl-E"),
        books.at,
        "anna",
    )
    Station(books).boot(model="Smart")
    with reading(books) as db:
        found = charger(db, "CP-1")
    assert found is not None
    assert (found.name, found.vendor, found.model, found.is_connected) == (
        "Anna's",
        "United Chargers",
        "Smart",
        True,
    )


@pytest.mark.usefixtures("station")
def test_a_known_charger_is_not_added_twice(books: Books) -> None:
    with pytest.raises(AlreadyKnown):
        books.run(add_charger, "CP-1", ChargerData(None, None), books.at, "anna")
    with pytest.raises(UnknownStation):
        books.run(add_charger, "CP-2", ChargerData(None, 7), books.at, "anna")
    books.run(hide, "CP-1", books.at, "2026-03-01")
    assert (names(books), names(books, is_hidden=True)) == ([], ["CP-1"])
    books.run(add_charger, "CP-1", ChargerData("Back", None), books.at, "anna")
    assert (names(books), names(books, is_hidden=True)) == (["CP-1"], [])
    assert len(books.recorded(ChargerShown)) == 1


def test_a_charger_is_renamed_and_moved(books: Books, station: Station) -> None:
    station.boot(vendor="United Chargers")
    garage = books.run(add_station, GARAGE, books.at)
    books.run(change_charger, "CP-1", ChargerData("Anna's", garage), books.at)
    with reading(books) as db:
        found = charger(db, "CP-1")
    assert found is not None
    assert (found.name, found.station_id, found.vendor) == ("Anna's", garage, "United Chargers")
    with pytest.raises(UnknownIdentity):
        books.run(change_charger, "CP-9", ChargerData(None, None), books.at)
    with pytest.raises(UnknownStation):
        books.run(change_charger, "CP-1", ChargerData(None, 99), books.at)


def test_what_is_said_of_a_connector_replaces_what_was_said_before(
    books: Books, station: Station
) -> None:
    station.status("Charging")
    transaction = station.start()
    for max_w in (22_000, 7_400):
        books.run(
            describe_connector, "CP-1", 1, ConnectorData("Type2", 3, 32, max_w), books.at, "anna"
        )
    books.run(
        describe_connector, "CP-1", 2, ConnectorData("CCS2", None, None, 50_000), books.at, "anna"
    )
    with reading(books) as db:
        first, second = connectors(db, "CP-1")
        assert connectors(db, None) == [first, second]
        found = charger(db, "CP-1")
    assert found is not None
    assert found.connectors == (first, second)
    assert (
        first.status,
        first.open_transaction,
        first.type,
        first.max_a,
        first.max_w,
        first.said_by,
    ) == (*("Charging", transaction, "Type2", 32, 7_400, "anna"),)
    assert second == Connector(
        charger="CP-1",
        connector=2,
        status=None,
        error_code=None,
        vendor_error_code=None,
        status_at=None,
        told_to_be=None,
        open_transaction=None,
        type="CCS2",
        phases=None,
        max_a=None,
        max_w=50_000,
        said_at=books.at,
        said_by="anna",
        meter=None,
    )
    with pytest.raises(UnknownIdentity):
        books.run(
            describe_connector, "CP-9", 1, ConnectorData(None, None, None, None), books.at, "anna"
        )


@pytest.mark.usefixtures("station")
@pytest.mark.parametrize(
    "change", ["DELETE FROM connector_data", "UPDATE connector_data SET max_w = 1"]
)
def test_what_was_said_of_a_connector_stays(books: Books, change: str) -> None:
    books.run(
        describe_connector, "CP-1", 1, ConnectorData("Type2", 3, 32, 22_000), books.at, "anna"
    )
    with pytest.raises(sqlite3.IntegrityError, match="never"):
        books.connection.execute(change)


def test_connectors_of_hidden_chargers_are_not_in_the_list_of_all(
    books: Books, station: Station
) -> None:
    station.status("Available")
    books.run(hide, "CP-1", books.at, None)
    with reading(books) as db:
        assert connectors(db, None) == []
        assert len(connectors(db, "CP-1")) == 1


# The bound of plausible energy


def charged(station: Station, wh: int) -> tuple[str, str]:
    """Charge for an hour, without readings; return the confidence and the reviews."""
    start = 10_000_000 + 1_000_000 * station.messages
    number = station.start(start)
    station.books.wait(60)
    station.stop(number, start + wh)
    station.books.wait(5)
    return station.bill(number)[2], station.review(number)


def test_the_maximum_that_a_person_gave_bounds_energy(books: Books, station: Station) -> None:
    assert charged(station, 20_000) == ("certain", "")
    books.run(
        describe_connector, "CP-1", 1, ConnectorData(None, None, None, 7_400), books.at, "anna"
    )
    books.run(describe_connector, "CP-1", 2, ConnectorData(None, None, None, 1), books.at, "anna")
    assert charged(station, 7_400) == ("certain", "")
    assert charged(station, 20_000) == (
        "doubtful",
        "faster than this charger, or any AC charger, is known to deliver",
    )
    assert books.value("SELECT energy_delivered FROM tx ORDER BY id DESC LIMIT 1") == 20_000
    books.run(
        describe_connector, "CP-1", 1, ConnectorData("Type2", None, None, None), books.at, "anna"
    )
    assert charged(station, 20_000) == ("certain", "")


def test_what_is_said_later_is_no_evidence_of_that_time(books: Books, station: Station) -> None:
    charged(station, 20_000)
    books.run(
        describe_connector, "CP-1", 1, ConnectorData(None, None, None, 7_400), books.at, "anna"
    )
    row = books.row(f"SELECT {COLUMNS} FROM tx")
    found = compare(lambda sql, values: books.rows(sql, *values), StoredTransaction(*row))
    assert found is not None
    assert (found.then.confidence, found.now.confidence, found.causes) == (
        "certain",
        "doubtful",
        (DifferenceCause.HABITS,),
    )
