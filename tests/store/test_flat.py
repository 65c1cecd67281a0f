"""The cost of a write does not grow with the history of its charger.

The cost is counted in steps of SQLite's virtual machine: the same writes with 100 and with 10,000
past transactions, each with its readings, statuses, facts, sessions and commands.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing as closed_in_the_end
from typing import Any, NamedTuple

import pytest

from levity_trio.charging.sent.readings import understand
from levity_trio.store.cases.case import span_of
from levity_trio.store.cases.neighbours import ChargerHistory, boundaries, earlier
from levity_trio.store.cases.transaction import LAST_TIME, find_transaction
from levity_trio.store.engine.file_store import FileConnection
from levity_trio.store.reads.chargers.plug_ins import PlugIn, plug_ins
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.origin import Opening
from levity_trio.store.writes.transactions import stops
from tests.store.books import SERVER, Books, Station, meter_value
from tests.store.history import REGISTER, with_history
from tests.store.reading import view
from tests.store.telling import watts

FEW, MANY = 100, 10_000
MOST_GROWTH = 1.2
LOST, OTHERS = -7, -1000
STILL = "2022-01-01T00:00:00Z"


def _count(transactions: int, write: Write) -> int:
    """Return the steps of a write with this many past transactions."""
    with closed_in_the_end(
        sqlite3.connect(":memory:", isolation_level=None, factory=FileConnection)
    ) as connection:
        connection.deserialize(with_history(transactions))
        connection.execute("PRAGMA foreign_keys = ON")
        station = Station(Books(connection))
        known = write.prepare(station)
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        connection.set_progress_handler(count, 1)
        write.act(station, known)
        connection.set_progress_handler(None, 0)
        return steps


# The writes


class Write(NamedTuple):
    """A measured write: `act`, with the result of `prepare` (mostly a transactionId)."""

    prepare: Callable[[Station], int]
    act: Callable[[Station, int], object]


def _nothing(station: Station) -> int:
    station.books.wait(1)
    return -1


def _charging(station: Station) -> int:
    """Start a transaction with three readings."""
    station.status("Preparing")
    station.books.wait(1)
    transaction = station.start(REGISTER)
    station.status("Charging")
    for minute in (1, 2, 3):
        station.books.wait(1)
        station.tell(
            meter_value(station.clock(), REGISTER + 100 * minute, watts(6000)),
            transaction=transaction,
        )
    station.books.wait(1)
    return transaction


def _without_clock(station: Station) -> int:
    """All its transactions, also those of this connection, began at one time and at 0 Wh."""
    station.books.connection.execute(
        (
            "UPDATE tx "
            "SET sent_start_time = ?, meter_start = 0, session_id = iif(id % 2 = 0, ?, session_id)"
        ),
        (STILL, station.session),
    )
    return -1


def _charging_without_clock(station: Station) -> int:
    _without_clock(station)
    transaction = station.start(0, at=STILL)
    station.books.wait(30)
    return transaction


def _charging_elsewhere(station: Station) -> int:
    """All that has charged so far did so at another charger, whose register is in the same
    range."""
    other = Station(station.books, "CP-2")
    station.name, station.session = other.name, other.session
    return _charging(station)


def _suspended(station: Station) -> int:
    transaction = _charging(station)
    station.boot()
    station.books.wait(1)
    return transaction


def _stopped(station: Station) -> int:
    transaction = _charging(station)
    station.stop(transaction, REGISTER + 400)
    return transaction


def _risen(station: Station) -> int:
    """One that ended, and a reading above its stop within the minute."""
    transaction = _stopped(station)
    station.books.wait(0.5)
    _rise(station, transaction)
    station.books.wait(2)
    return transaction


def _rise(station: Station, transaction: int) -> None:
    station.tell(meter_value(station.clock(1), REGISTER + 450), transaction=transaction)


def _ended(station: Station) -> int:
    transaction = _stopped(station)
    station.books.wait(5)
    return transaction


def _waiting_for_readings(station: Station) -> int:
    """Only the stop came; among many messages that were set aside."""
    at = station.clock()
    for number in range(station.books.value("SELECT count(*) FROM tx") // 10):
        station.stop(OTHERS - number, 1, at=STILL)
    station.stop(LOST, REGISTER + 400, at=at)
    station.tell(meter_value(at, REGISTER + 400), transaction=LOST)
    station.books.wait(1)
    return LOST


def _tell_the_rest(station: Station, transaction: int) -> None:
    station.tell(meter_value(station.clock(20), REGISTER + 100), transaction=transaction)
    assert station.books.value("SELECT tx_id FROM set_aside ORDER BY id DESC LIMIT 1") is not None


def _preparing(station: Station) -> int:
    station.status("Available")
    station.books.wait(1)
    station.status("Preparing")
    return -1


def _auto_starts_look(station: Station, _: int) -> None:
    # It finds the connector: another status would make the look too easy.
    found: Sequence[PlugIn] = plug_ins(view(station.books.connection), station.name)
    assert [plug_in.connector for plug_in in found] == [1]


def _read(station: Station, transaction: int | None) -> None:
    station.tell(meter_value(station.clock(), REGISTER + 400, watts(6000)), transaction=transaction)


def _close_before_start(station: Station, _: int) -> None:
    opening = Opening(1, "NEXT", REGISTER + 500, understand(station.clock(), station.books.now))
    station.write(stops.close_before_start, opening)


def _close_available(station: Station, _: int) -> None:
    station.write(stops.close_available, 1, understand(station.clock(), station.books.now))


def _close_silent(station: Station, _: int) -> None:
    station.books.run(stops.close_silent, station.books.at, 0.0)


def _start_again(station: Station, _: int) -> None:
    began = station.books.value("SELECT sent_start_time FROM tx WHERE status = 'Active'")
    station.start(REGISTER, at=began)


def _stop_again(station: Station, transaction: int) -> None:
    station.stop(transaction, REGISTER + 400, at=station.clock(5))


def _hear_late(station: Station, transaction: int) -> None:
    station.tell(meter_value(station.clock(6), REGISTER + 390), transaction=transaction)


WRITES = {
    "readings with their id": Write(_charging, _read),
    "readings without id": Write(_charging, lambda station, _: _read(station, None)),
    "readings of nobody": Write(_nothing, lambda station, _: _read(station, None)),
    "readings with a stale id": Write(_nothing, lambda station, _: _read(station, 17)),
    "readings that a stop waits for": Write(_waiting_for_readings, _tell_the_rest),
    "late readings": Write(_ended, _hear_late),
    "readings above the stop": Write(_ended, _rise),
    "Charging, none open": Write(_nothing, lambda station, _: station.status("Charging")),
    "Charging, one suspended": Write(_suspended, lambda station, _: station.status("Charging")),
    "Available": Write(_ended, lambda station, _: station.status("Available")),
    "start": Write(_nothing, lambda station, _: station.start(REGISTER)),
    "start again": Write(_charging, _start_again),
    "stop": Write(
        _charging, lambda station, transaction: station.stop(transaction, REGISTER + 400)
    ),
    "stop, all else at another charger": Write(
        _charging_elsewhere, lambda station, transaction: station.stop(transaction, REGISTER + 400)
    ),
    "start, its clock stands still": Write(
        _without_clock, lambda station, _: station.start(0, at=STILL)
    ),
    "stop, its clock stands still": Write(
        _charging_without_clock,
        lambda station, transaction: station.stop(transaction, 400, at=STILL),
    ),
    "stop after a boot": Write(
        _suspended, lambda station, transaction: station.stop(transaction, REGISTER + 400)
    ),
    "stop again": Write(_ended, _stop_again),
    "stop -1": Write(_charging, lambda station, _: station.stop(-1, REGISTER + 400)),
    "stop -1, none fits": Write(_nothing, lambda station, _: station.stop(-1, 400)),
    "boot": Write(_charging, lambda station, _: station.boot()),
    "connection begins": Write(_nothing, lambda station, _: station.connect()),
    "connection ends": Write(_charging, lambda station, _: station.lose()),
    "auto start's look": Write(_preparing, _auto_starts_look),
    "close before a start": Write(_charging, _close_before_start),
    "close where available": Write(_suspended, _close_available),
    "close what is silent": Write(_suspended, _close_silent),
    "judge what is due": Write(_risen, lambda station, _: station.books.settle()),
    "the server starts": Write(
        _charging,
        lambda station, _: station.books.run(
            sessions.start_run, SERVER, "1.0", station.books.at, True
        ),
    ),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_write_is_flat_in_history(write: Write) -> None:
    few, many = _count(FEW, write), _count(MANY, write)
    assert few > 0
    assert many <= MOST_GROWTH * few, (
        f"{few} steps beside {FEW} past transactions, {many} beside {MANY}"
    )


@pytest.mark.parametrize(
    ("charger", "is_by_receipt"),
    [("CP-1", False), ("CP-1", True), ("CP-2", False)],
    ids=["by its clock", "by receipt", "of another charger"],
)
def test_a_look_beside_an_old_transaction_is_flat_in_history(
    charger: str, is_by_receipt: bool
) -> None:
    """By the charger's clock, and by the times of receipt if that stands still; and at the history
    of another one."""

    def prepare(station: Station) -> int:
        return int(
            station.books.value("SELECT id FROM tx WHERE conn_id = 1 ORDER BY id LIMIT 1 OFFSET 10")
        )

    def look(station: Station, transaction: int) -> None:
        def rows(sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
            return station.books.rows(sql, *values)

        tx = find_transaction(rows, transaction)
        assert tx is not None
        own = span_of(tx)._replace(charger=charger, is_by_receipt=is_by_receipt)
        ChargerHistory(rows, charger).beside(own)
        earlier(rows, own, LAST_TIME)
        boundaries(rows, own, LAST_TIME)

    few, many = _count(FEW, Write(prepare, look)), _count(MANY, Write(prepare, look))
    assert many <= MOST_GROWTH * few, (
        f"{few} steps beside {FEW} past transactions, {many} beside {MANY}"
    )
