"""What the automatic start reads of connectors with a cable, on both stores."""

from __future__ import annotations

from levity_trio.store.reads.chargers.plug_ins import PlugIn, plug_ins
from tests.store.books import Station
from tests.store.reading import reading


def read(station: Station) -> list[PlugIn]:
    with reading(station.books) as db:
        return plug_ins(db, station.name)


def test_a_cable_before_during_and_after_a_transaction(station: Station) -> None:
    station.status("Available")
    assert read(station) == []
    station.status("Preparing")
    (new,) = read(station)
    assert new == PlugIn(1, new.id, False, None, False, False, 0)
    transaction = station.start()
    (begun,) = read(station)
    assert (begun.id, begun.open_transaction, begun.had_transaction) == (new.id, transaction, True)
    station.stop(transaction)
    (ended,) = read(station)
    assert (ended.open_transaction, ended.had_transaction) == (None, True)


def test_a_time_that_cannot_be(station: Station) -> None:
    station.status("Available")
    station.status("Preparing", at="1970-01-01T00:00:00Z")
    station.start(at="1970-01-01T00:00:00Z")
    (found,) = read(station)
    assert found.had_transaction


def test_a_status_that_is_late_ends_no_plug_in(station: Station) -> None:
    station.status("Available")
    station.status("Preparing")
    (plugged,) = read(station)
    station.status("Available", at=station.clock(minutes_ago=60))
    assert read(station) == [plugged]
    station.status("Preparing")
    assert read(station) == [plugged]
