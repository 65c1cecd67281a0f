"""Readings: every sampled value kept as sent, once, and linked to the transaction that it belongs to (§4.7, §7.33)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from levity_trio.events import EnergyJumped
from levity_trio.store.energy import is_jump
from levity_trio.store.transaction import Transaction
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.stops import FIRST_TRANSACTION_ID, HIGHEST_TRANSACTION_ID
from levity_trio.store.writes.suspensions import resume

INSERT = (
    "INSERT INTO meter_val (tx_id, cp_id, conn_id, session_id, received_at, timestamp, sent_timestamp, measurand,"
    " value, unit, context, location, phase, format, source, wh) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True, slots=True)
class Reading:
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

    def told(self) -> tuple[str, ...]:
        """What makes it the same reading when it comes again."""
        return (
            *(self.measurand, self.value, self.unit, self.context),
            *(self.location, self.phase, self.format),
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """The readings of one message: `source` is MeterValues or transactionData."""

    connector: int
    source: str
    readings: Sequence[Reading]


@dataclass(frozen=True, slots=True)
class _Open:
    """What linking and following need to know of a transaction."""

    id: int
    status: str
    suspended_at: str | None
    last_register_wh: int | None
    last_register_at: str | None


COLUMNS = "SELECT id, status, suspended_at, last_register_wh, last_register_at FROM tx"


def store(db: Transaction, origin: Origin, batch: Batch, claimed: int | None) -> None:
    """Store a MeterValues; `claimed` is the transactionId that it names, if it names one.

    An id that is not this charger's is no id: the readings go to the transaction of that connector and time.
    """
    connector = batch.connector
    for timestamp, group in groupby(batch.readings, attrgetter("timestamp")):
        transaction = _named(db, origin, connector, claimed) or _covering(db, origin, connector, timestamp)
        readings = list(group)
        insert(db, origin, connector, batch.source, transaction.id if transaction else None, readings)
        if transaction is not None and transaction.status == "Active":
            _follow(db, origin, connector, transaction, readings)


def store_data(db: Transaction, origin: Origin, transaction: int, readings: Sequence[Reading]) -> None:
    """Store the transactionData of a stop with its transaction."""
    found = db.row("SELECT conn_id FROM tx WHERE id = ?", (transaction,))
    connector = (found and found[0]) or 0
    for _, group in groupby(readings, attrgetter("timestamp")):
        insert(db, origin, connector, "transactionData", transaction, list(group))


def insert(
    db: Transaction, origin: Origin, connector: int, source: str, transaction: int | None, readings: Sequence[Reading]
) -> None:
    """Add readings of one timestamp; those that came before in the same way add no row."""
    known = db.rows(
        "SELECT measurand, value, unit, context, location, phase, format FROM meter_val"
        " WHERE cp_id = ? AND conn_id = ? AND timestamp = ? AND source = ?",
        (origin.charger, connector, readings[0].timestamp, source),
    )
    rows = [
        (transaction, origin.charger, connector, origin.session, origin.received_at)
        + (reading.timestamp, reading.sent_timestamp, *reading.told(), source, reading.wh)
        for reading in readings
        if reading.told() not in known
    ]
    db.execute_many(INSERT, rows)


def _named(db: Transaction, origin: Origin, connector: int, claimed: int | None) -> _Open | None:
    if claimed is None or not FIRST_TRANSACTION_ID <= claimed <= HIGHEST_TRANSACTION_ID:
        return None
    found = db.row(
        f"{COLUMNS} WHERE id = ? AND cp_id = ? AND (conn_id = ? OR conn_id IS NULL)",
        (claimed, origin.charger, connector),
    )
    return _Open(*found) if found else None


def _covering(db: Transaction, origin: Origin, connector: int, timestamp: str) -> _Open | None:
    """The newest transaction of a connector that runs at this time. Connector 0 is the meter of the whole charger."""
    found = db.row(
        f"{COLUMNS} WHERE cp_id = ? AND conn_id = ? AND conn_id > 0 AND start_time <= ?"
        " AND (status = 'Active' OR stop_time >= ?) ORDER BY start_time DESC, id DESC LIMIT 1",
        (origin.charger, connector, timestamp, timestamp),
    )
    return _Open(*found) if found else None


def _follow(
    db: Transaction, origin: Origin, connector: int, transaction: _Open, readings: Sequence[Reading]
) -> None:
    """Keep the newest register of an open transaction, tell jumps, and take the reading as a sign of life."""
    if transaction.suspended_at is not None:
        resume(db, origin, transaction.id, "MeterValues")
    at, wh = readings[0].timestamp, next((reading.wh for reading in readings if reading.wh is not None), None)
    if wh is None or (transaction.last_register_at or "") >= at:
        return
    db.execute(
        "UPDATE tx SET last_register_wh = ?, last_register_at = ?, updated_at = ? WHERE id = ?",
        (wh, at, origin.received_at, transaction.id),
    )
    before = transaction.last_register_wh
    if before is not None and is_jump(before, wh):
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
