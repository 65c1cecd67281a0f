"""Readings: every sampled value kept as sent, once, and linked to the transaction that it belongs to (§4.7, §7.33)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from levity_trio.events import EnergyJumped
from levity_trio.store.energy import is_jump
from levity_trio.store.transaction import Transaction
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.stops import FIRST_TRANSACTION_ID, HIGHEST_TRANSACTION_ID
from levity_trio.store.writes.suspensions import resume

INSERT = (
    "INSERT INTO meter_val (tx_id, cp_id, conn_id, session_id, received_at, source, timestamp, sent_timestamp,"
    " measurand, value, unit, context, location, phase, format, wh) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class Reading(NamedTuple):
    """A SampledValue with its defaults filled in. `wh` where it is the billed register's reading, in whole Wh."""

    timestamp: str
    sent_timestamp: str | None
    measurand: str
    value: str
    unit: str
    context: str
    location: str
    phase: str
    format: str
    wh: int | None


TOLD = slice(2, 9)
"""The part of a reading that makes it the same when it comes again: all but its time and its Wh."""


class Batch(NamedTuple):
    """The readings of one message: `source` is MeterValues or transactionData."""

    connector: int
    source: str
    readings: Sequence[Reading]


class _Open(NamedTuple):
    """What linking and following need to know of a transaction."""

    id: int
    status: str
    suspended_at: str | None
    last_reading_at: str | None
    last_register_wh: int | None


COLUMNS = "SELECT id, status, suspended_at, last_reading_at, last_register_wh FROM tx"


def store(db: Transaction, origin: Origin, batch: Batch, claimed: int | None) -> None:
    """Store a MeterValues; `claimed` is the transactionId that it names, if it names one.

    An id that is not this charger's is no id: the readings go to the transaction of that connector and time.
    """
    for timestamp, group in groupby(batch.readings, attrgetter("timestamp")):
        readings = list(group)
        transaction = _named(db, origin, batch.connector, claimed) or _covering(
            db, origin, batch.connector, timestamp
        )
        if transaction is None:
            insert(db, origin, batch, None, readings)
        else:
            _store_in(db, origin, batch, transaction, readings)


def store_data(db: Transaction, origin: Origin, transaction: int, readings: Sequence[Reading]) -> None:
    """Store the transactionData of a stop with its transaction."""
    found = db.row("SELECT conn_id FROM tx WHERE id = ?", (transaction,))
    batch = Batch((found and found[0]) or 0, "transactionData", readings)
    for _, group in groupby(readings, attrgetter("timestamp")):
        insert(db, origin, batch, transaction, list(group))


def insert(
    db: Transaction, origin: Origin, batch: Batch, transaction: int | None, readings: list[Reading]
) -> None:
    """Add readings of one timestamp; those that came before in the same way add no row."""
    known = db.rows(
        "SELECT measurand, value, unit, context, location, phase, format FROM meter_val"
        " WHERE cp_id = ? AND conn_id = ? AND timestamp = ? AND source = ?",
        (origin.charger, batch.connector, readings[0].timestamp, batch.source),
    )
    _insert(db, origin, batch, transaction, [reading for reading in readings if reading[TOLD] not in known])


def _insert(
    db: Transaction, origin: Origin, batch: Batch, transaction: int | None, readings: list[Reading]
) -> None:
    head = (transaction, origin.charger, batch.connector, origin.session, origin.received_at, batch.source)
    db.execute_many(INSERT, [head + reading for reading in readings])


def _named(db: Transaction, origin: Origin, connector: int, claimed: int | None) -> _Open | None:
    if claimed is None or not FIRST_TRANSACTION_ID <= claimed <= HIGHEST_TRANSACTION_ID:
        return None
    found = db.row(
        f"{COLUMNS} WHERE id = ? AND cp_id = ? AND (conn_id = ? OR conn_id IS NULL)",
        (claimed, origin.charger, connector),
    )
    return _Open._make(found) if found else None


def _covering(db: Transaction, origin: Origin, connector: int, timestamp: str) -> _Open | None:
    """The newest transaction of a connector that runs at this time. Connector 0 is the meter of the whole charger."""
    found = db.row(
        f"{COLUMNS} WHERE cp_id = ? AND conn_id = ? AND conn_id > 0 AND start_time <= ?"
        " AND (status = 'Active' OR stop_time >= ?) ORDER BY start_time DESC, id DESC LIMIT 1",
        (origin.charger, connector, timestamp, timestamp),
    )
    return _Open._make(found) if found else None


def _store_in(
    db: Transaction, origin: Origin, batch: Batch, transaction: _Open, readings: list[Reading]
) -> None:
    """Store readings of a transaction; newer ones move it on, and every one is a sign of life."""
    at = readings[0].timestamp
    if at <= (transaction.last_reading_at or ""):
        insert(db, origin, batch, transaction.id, readings)
    else:  # newer than all, so no repeat: no need to look
        _insert(db, origin, batch, transaction.id, readings)
        _move_on(db, origin, batch.connector, transaction, readings)
    if transaction.suspended_at is not None:
        resume(db, origin, transaction.id, batch.source)


def _move_on(
    db: Transaction, origin: Origin, connector: int, transaction: _Open, readings: list[Reading]
) -> None:
    """Keep the newest reading and register of a transaction, and tell a jump."""
    at, wh = readings[0].timestamp, next((reading.wh for reading in readings if reading.wh is not None), None)
    db.execute(
        "UPDATE tx SET last_reading_at = ?, last_register_wh = coalesce(?, last_register_wh), updated_at = ?"
        " WHERE id = ?",
        (at, wh, origin.received_at, transaction.id),
    )
    before = transaction.last_register_wh
    if wh is not None and before is not None and is_jump(before, wh):
        db.tell(
            EnergyJumped(
                charger=origin.charger,
                at=origin.received_at,
                transaction=transaction.id,
                connector=connector,
                from_wh=before,
                to_wh=wh,
            )
        )
