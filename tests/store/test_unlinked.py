"""Messages that were set aside, and the transactions to which they can be attached."""

from __future__ import annotations

from levity_trio.charging.lifecycle import State
from levity_trio.store.reads.transactions.reviews import fitting, message
from tests.store.books import Books, Station
from tests.store.reading import view


def test_a_message_has_its_frame(books: Books, station: Station) -> None:
    station.stop(17, "many")
    db = view(books.connection)
    found = message(db, 1)
    assert found is not None
    assert (found.charger, found.action, found.transaction, found.received_at) == (
        *("CP-1", "StopTransaction", None),
        books.at,
    )
    assert '"meterStop":"many"' in found.frame
    assert message(db, 2) is None


def test_it_fits_what_has_no_stop_of_its_charger(books: Books, station: Station) -> None:
    for connector in (1, 2, 3):
        station.status("Available", connector)
    past = station.start(1000, connector=1)
    books.wait(60)
    station.orphan(past, 4000)
    closed = station.start(4000, connector=1)
    books.wait(60)
    station.orphan(closed, 6000)
    station.stop(station.start(1000, connector=2), 5000)
    running = station.start(1000, connector=3)
    Station(books, "CP-2").start(1000)
    db = view(books.connection)
    found = fitting(db, "CP-1", "StopTransaction", books.at)
    assert [(one.id, one.state) for one in found] == [(running, State.OPEN), (closed, State.CLOSED)]
    assert found[1].energy_wh == 2000
    assert len(fitting(db, "CP-1", "MeterValues", books.at)) == 3
    assert fitting(db, "CP-1", "StartTransaction", books.at) == []
