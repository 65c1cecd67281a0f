"""Starts that arrive after their own readings and stop: a charger that got no answer tries them again later."""

from typing import Any, cast

import pytest

from levity_trio.store.writes.set_aside import set_aside
from tests.store.books import Books, Station
from tests.store.deciding import Operator, open_codes
from tests.store.telling import HOUR, assert_figure, assert_open, charge, others, session, settle

OWN = 77_002
QUARTER = 15


# Its readings and its stop have arrived: a transaction with an unknown start waits for it


def charge_without_start(station: Station, name: int | None = OWN, tag: str | None = "TAG") -> tuple[str, int]:
    """Play two sessions, of which the start of the second is lost; return that start's time, and the transaction that
    was opened for its stop."""
    first = station.start(1000)
    station.stop(first, charge(station, first, 1000))
    station.books.wait(QUARTER)
    began = station.clock()
    wh = charge(station, name, 8200)
    station.stop(-1 if name is None else name, wh, tag=tag)
    station.books.wait(QUARTER)
    ((transaction, *_),) = others(station.books, first)
    return began, transaction


@pytest.mark.parametrize("tag", ["TAG", "tag ", None])
@pytest.mark.parametrize("name", [None, -1, 0, OWN])
def test_a_late_start_is_that_of_the_transaction_without_one(
    books: Books, station: Station, name: int | None, tag: str | None
) -> None:
    began, transaction = charge_without_start(station, name, tag)
    session(station, 8200 + 7200)

    assert station.start(8200, at=began) == transaction
    assert station.start(8200, at=began) == transaction
    settle(books)
    assert_figure(station, transaction, 7200, flagged=False)
    found = books.row("SELECT id_tag, meter_start, sent_start_time, told_id FROM tx WHERE id = ?", transaction)
    assert found == ("TAG", 8200, began, None)
    kinds = books.rows("SELECT kind, who FROM tx_event WHERE tx_id = ? ORDER BY id", transaction)
    assert kinds == [("start", "system"), ("stop", "charger"), ("start", "charger"), ("rejudge", "system")]


def test_another_late_start_begins_a_transaction(station: Station) -> None:
    began, transaction = charge_without_start(station)

    assert station.start(8200, tag="OTHER", at=station.clock(2 * HOUR)) != transaction, "another tag, and long before"
    assert station.start(8200, connector=2, at=began) != transaction, "another connector"
    assert station.start(8801, at=began) != transaction, "above its first reading"
    assert station.start(1000, at=station.clock(3 * HOUR)) != transaction, "before the previous one"


def test_a_late_start_that_another_tag_stopped_is_in_doubt(books: Books, station: Station) -> None:
    """The first reading came soon after it."""
    began, transaction = charge_without_start(station)
    assert station.start(8200, tag="OTHER", at=began) == transaction
    settle(books)
    assert_figure(station, transaction, 7200, flagged=True)
    assert "stopped with the tag TAG" in station.review(transaction)


def test_a_start_is_not_that_of_one_after_the_connector_was_available(books: Books, station: Station) -> None:
    """A transaction ended in between, whose stop was lost."""
    session(station, 1000)
    began = station.clock()
    books.wait(HOUR)
    station.status("Available")
    books.wait(QUARTER)
    station.stop(OWN, charge(station, OWN, 9200), tag="TAG")
    books.wait(QUARTER)
    (known,) = books.rows("SELECT id FROM tx WHERE told_id = ?", OWN)

    assert station.start(8200, at=began) != known[0]


def test_a_start_of_a_clock_that_was_never_set_may_be_any(station: Station) -> None:
    _, transaction = charge_without_start(station)

    assert station.start(8200, at="1970-01-01T00:00:10Z") != transaction


def test_a_long_silence_after_the_start_leaves_a_doubt(books: Books, station: Station) -> None:
    """Another session may have ended in it, of which the stop was lost, and the start of this one."""
    session(station, 1000)
    began = station.clock()
    books.wait(HOUR)
    station.stop(OWN, charge(station, OWN, 9200), tag="TAG")
    books.wait(QUARTER)
    transaction = station.start(8200, at=began)

    assert_figure(station, transaction, 8200, flagged=True)
    assert open_codes(books, transaction) == ["stop_without_id"]


def test_a_figure_that_was_confirmed_stays_when_the_start_arrives(books: Books, station: Station) -> None:
    began, transaction = charge_without_start(station)
    Operator(books).confirm(transaction)

    assert station.start(8200, at=began) == transaction
    assert_figure(station, transaction, 6600, flagged=True)
    assert open_codes(books, transaction) == ["later_facts"]


def test_it_came_from_no_other_server(books: Books, station: Station) -> None:
    began, transaction = charge_without_start(station)
    assert "other_server" in open_codes(books, transaction)

    station.start(8200, at=began)
    assert open_codes(books, transaction) == []


# Only its stop has arrived, which names none: it waits for its start


@pytest.mark.parametrize("name", [None, -1, 0, OWN])
@pytest.mark.parametrize("tag", ["TAG", None])
def test_a_start_that_its_own_stop_overtook_ends_by_it(
    books: Books, station: Station, name: int | None, tag: str | None
) -> None:
    """A start that got no answer is sent again, after the stop that could not name it."""
    session(station, 1000)
    began = station.clock()
    books.wait(HOUR)
    station.stop(cast(int, name), 8200 + 7200, tag=tag)
    books.wait(QUARTER)
    transaction = station.start(8200, at=began)
    assert_figure(station, transaction, 7200, flagged=True)
    assert books.row("SELECT tx_id, resolution FROM set_aside") == (transaction, "attached")
    assert "stop_without_id" in open_codes(books, transaction)


def leave_stop(station: Station, data: Any) -> None:
    """Set a stop aside, as it arrives when nothing shows its transaction."""
    payload = {"transactionId": -1, "meterStop": 15_400, "timestamp": station.clock(), "transactionData": data}
    station.write(set_aside, station.message("StopTransaction", **payload), "no transaction fits")
    station.books.wait(QUARTER)


def test_a_waiting_stop_brings_its_transaction_data(books: Books, station: Station) -> None:
    """The register of its end alone shows no energy, so it waited."""
    session(station, 1000)
    began = station.clock()
    books.wait(HOUR)
    leave_stop(station, [station.register(8200 + 7200)])
    transaction = station.start(8200, at=began)
    assert_figure(station, transaction, 7200, flagged=True)
    found = books.rows("SELECT wh, source FROM meter_val WHERE tx_id = ?", transaction)
    assert found == [(8200 + 7200, "transactionData")]


@pytest.mark.parametrize(
    "data",
    ["none", [7], [{"timestamp": 7, "sampledValue": []}], [{"timestamp": "", "sampledValue": [{"value": 7}]}]],
)
def test_transaction_data_that_needs_a_repair_stays_with_a_stop_that_waits(
    books: Books, station: Station, data: Any
) -> None:
    session(station, 1000)
    began = station.clock()
    books.wait(HOUR)
    leave_stop(station, data)
    assert_open(station, station.start(8200, at=began))


def test_a_stop_that_does_not_fit_a_late_start_goes_on_waiting(books: Books, station: Station) -> None:
    session(station, 1000)
    station.stop(-1, 9000)
    books.wait(HOUR)
    began = station.clock()
    books.wait(QUARTER)
    assert_open(station, station.start(8200, at=began))
    assert books.row("SELECT tx_id, resolution FROM set_aside") == (None, None)


def test_of_two_stops_that_fit_a_late_start_neither_is_taken(books: Books, station: Station) -> None:
    session(station, 1000)
    began = station.clock()
    for wh in (8200 + 3600, 8200 + 7200):
        books.wait(HOUR)
        station.stop(-1, wh)
    assert_open(station, station.start(8200, at=began))
