"""What was joined to a transaction and belongs elsewhere returns to where it waited."""

from __future__ import annotations

import pytest

from levity_trio.store.writes.chargers.sessions import set_aside
from tests.store.books import Books, Station, meter_value
from tests.store.deciding import Operator
from tests.store.telling import QUARTER, charge, settle

HOUR = 60


def waiting(books: Books) -> list[tuple[str, str]]:
    """Return the messages that wait for a person: action and payload."""
    return books.rows("SELECT action, payload FROM set_aside WHERE looked_at IS NULL ORDER BY id")


def registers(books: Books) -> list[str]:
    """Return meterStop of each stop that waits."""
    return [payload.split('"meterStop":')[1].split(",")[0] for _, payload in waiting(books)]


def joined_stop(station: Station, transaction: int) -> None:
    """A stop of another connector, whose start was lost, is joined to the only open transaction."""
    station.books.wait(QUARTER)
    station.tell(station.register(2654), transaction=transaction)
    station.books.wait(QUARTER)
    station.tell(station.register(2975), transaction=transaction)
    station.books.wait(QUARTER)
    station.stop(-1, 12_670)
    assert station.books.value("SELECT stopped_by FROM tx WHERE id = ?", transaction) == "joined"


def go_on(station: Station, transaction: int) -> None:
    for wh in (3300, 3700, 4100):
        station.books.wait(QUARTER)
        station.tell(station.register(wh), transaction=transaction)
    station.books.wait(QUARTER)


def test_a_stop_that_was_joined_waits_when_the_transaction_has_its_own(
    books: Books, station: Station
) -> None:
    transaction = station.start(2313)
    joined_stop(station, transaction)
    go_on(station, transaction)
    assert waiting(books) == []
    station.stop(transaction, 4300)
    settle(books)
    assert station.bill(transaction) == (1987, "register", "certain")
    assert registers(books) == ["12670"]
    station.stop(transaction, 4300)  # said again
    assert registers(books) == ["12670"]


def test_its_transaction_is_made_of_it(books: Books, station: Station) -> None:
    """It is a whole message: an operator makes a transaction of it, with its own time of
    receipt."""
    transaction = station.start(2313)
    joined_stop(station, transaction)
    at = books.at
    go_on(station, transaction)
    station.stop(transaction, 4300)
    message, received_at = books.row("SELECT id, received_at FROM set_aside")
    made = Operator(books).make(
        message, connector=2, start_time="2026-03-01T12:05:00.000Z", meter_start=9000
    )
    assert received_at == at
    assert (made.meter_stop, made.energy_delivered) == (12_670, 3670)


def test_the_same_stop_with_the_id_is_no_other_one(books: Books, station: Station) -> None:
    """A charger that learns the id late says its stop again with that, and perhaps with a newer
    register."""
    transaction = station.start(1000)
    station.books.wait(HOUR)
    at = station.clock()
    station.stop(-1, 5000, at=at)
    books.wait(1)
    station.stop(transaction, 5002, reason="EVDisconnected", at=at)
    assert waiting(books) == []
    assert station.bill(transaction)[0] == 4002


def test_a_stop_that_named_another_transaction(books: Books, station: Station) -> None:
    """It was impossible there, and joined to the other; then the other has its own."""
    first = station.start(100_000)
    second = station.start(2000, connector=2)
    station.books.wait(HOUR)
    station.tell(station.register(104_000), transaction=first)
    station.tell(station.register(5000), transaction=second, connector=2)
    station.stop(first, 5600)
    assert books.value("SELECT stopped_by FROM tx WHERE id = ?", second) == "joined"
    station.books.wait(HOUR)
    station.stop(second, 9000)
    assert registers(books) == ["5600"]


def test_the_readings_that_came_with_it_go_with_it(books: Books, station: Station) -> None:
    transaction = station.start(2313)
    books.wait(HOUR)
    station.tell(station.register(2975), transaction=transaction)
    books.wait(HOUR)
    data = [
        meter_value(station.clock(minutes), wh)
        for minutes, wh in ((30, 9100), (15, 11_000), (0, 12_670))
    ]
    station.stop(-1, 12_670, data=data)
    go_on(station, transaction)
    station.stop(transaction, 4300)
    settle(books)
    assert registers(books) == ["12670"]
    assert (
        books.rows("SELECT tx_id FROM meter_val WHERE source = 'transactionData'") == [(None,)] * 3
    )
    assert station.bill(transaction) == (1987, "register", "certain")
    message = books.value("SELECT id FROM set_aside")
    made = Operator(books).make(message, connector=1, start_time="2026-03-01T13:20:00.000Z")
    assert (
        books.rows("SELECT tx_id FROM meter_val WHERE source = 'transactionData'")
        == [(made.id,)] * 3
    )


def test_it_is_attached_with_its_readings_to_another_transaction_of_the_connector(
    books: Books, station: Station
) -> None:
    transaction = station.start(2313)
    books.wait(HOUR)
    station.tell(station.register(2975), transaction=transaction)
    books.wait(1)
    data = [meter_value(station.clock(minutes), wh) for minutes, wh in ((0.5, 3500), (0, 12_670))]
    station.stop(-1, 12_670, data=data)
    books.wait(HOUR)
    other = station.start(3400, at=station.clock(65))
    station.stop(transaction, 3400, at=station.clock(66))
    books.wait(HOUR)
    Operator(books).attach(books.value("SELECT id FROM set_aside"), other)
    assert (
        books.rows("SELECT tx_id FROM meter_val WHERE source = 'transactionData'") == [(other,)] * 2
    )


def test_a_stop_that_a_person_attached(books: Books, station: Station) -> None:
    """What the person decided stays in the history of the transaction."""
    transaction = station.start(1000)
    station.start(1000, connector=2)
    station.books.wait(HOUR)
    station.stop(17, 5000)
    anna = Operator(books)
    anna.attach(books.value("SELECT id FROM set_aside"), transaction)
    assert waiting(books) == []
    station.books.wait(HOUR)
    station.stop(transaction, 8000)
    assert registers(books) == ["5000"]
    assert books.value("SELECT count(*) FROM tx_event WHERE kind = 'attach' AND who = 'anna'") == 1
    anna.dismiss(books.value("SELECT id FROM set_aside"))
    assert waiting(books) == []


@pytest.mark.parametrize("is_queued", [False, True])
def test_readings_that_a_person_attached_and_a_start_takes(
    books: Books, station: Station, is_queued: bool
) -> None:
    """They overtook the start of the next transaction, whose own they are."""
    transaction = station.start(1000)
    wh = charge(station, transaction, 1000, HOUR)
    station.lose()
    books.wait(HOUR)
    station.connect()
    told = [{"timestamp": station.clock(0.1), "sampledValue": [{"value": str(wh + 3000)}]}]
    station.write(
        set_aside, station.message("MeterValues", connectorId=1, meterValue=told), "it failed"
    )
    Operator(books).attach(books.value("SELECT id FROM set_aside"), transaction)
    assert waiting(books) == []
    if is_queued:
        station.stop(transaction, wh, at=station.clock(50))
    station.start(wh, at=station.clock(40))
    assert books.value("SELECT tx_id FROM meter_val WHERE wh = ?", wh + 3000) != transaction
    assert len(waiting(books)) == 1
