"""Readings: every sampled value kept as sent, once, and linked to the transaction that it belongs to (§4.7, §7.33)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from levity_trio.charging.energy import is_jump
from levity_trio.charging.readings import Reading
from levity_trio.events import EnergyJumped
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions.suspensions import reopen, resume

INSERT = (
    "INSERT INTO meter_val (tx_id, cp_id, conn_id, session_id, received_at, source, timestamp, sent_timestamp,"
    " measurand, value, unit, context, location, phase, format, wh) VALUES"
)
ROW = " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ROWS_COMPARED = 1_000
"""The newest of one time: a repeat is among them, and a clock that stands still has more of them every day."""
ROWS_AT_ONCE = 16
"""Rows of one statement: each statement is a struggle for the interpreter lock with the loop."""


_MOVE = (
    "UPDATE tx SET last_reading_at = ?, previous_register_wh = last_register_wh,"
    " last_register_wh = coalesce(?, last_register_wh), updated_at = ? WHERE id = ? AND cp_id = ? AND conn_id = ?"
    " AND status = 'Active' AND suspended_at IS NULL AND coalesce(last_reading_at, '') {} ?"
    " RETURNING previous_register_wh"
)
MOVE, MOVE_OR_STAY = _MOVE.format("<"), _MOVE.format("<=")
LAST = "9999"
"""Behind every time."""


TOLD = slice(1, 9)
"""The part of a reading that makes it the same when it comes again: what was sent."""


class Batch(NamedTuple):
    """The readings of one message: `source` is MeterValues or transactionData."""

    connector: int
    source: str
    readings: Sequence[Reading]


def store(db: UnitOfWork, origin: Origin, batch: Batch, claimed: int | None) -> None:
    """Store a MeterValues; `claimed` is the transactionId that it names, if it names one.

    An id that is not this charger's is no id: the readings go to the transaction of that connector and time. Nearly
    all belong to the running transaction that they name and are newer than all before; those take two statements.
    Not so where the time is that of receipt, because the charger's own could not be believed: a repeat looks newer.
    """
    for timestamp, group in groupby(batch.readings, attrgetter("timestamp")):
        readings, can_repeat = list(group), timestamp == origin.received_at
        if not can_repeat and claimed is not None and _moves_on(db, origin, batch.connector, claimed, readings):
            _insert(db, origin, batch, claimed, readings)
        else:
            _store_closely(db, origin, batch, claimed, readings)


def link_earlier(db: UnitOfWork, transaction: int) -> None:
    """Link readings of its connector that came before its start, as an offline charger may tell them (field.md B11).

    They were nobody's, and lie between this start and the next.
    """
    found = db.row(
        "SELECT cp_id, conn_id, start_time, (SELECT min(start_time) FROM tx AS next WHERE next.cp_id = tx.cp_id"
        " AND next.conn_id = tx.conn_id AND next.start_time > tx.start_time) FROM tx WHERE id = ?",
        (transaction,),
    )
    if found is None:
        raise LookupError(transaction)
    charger, connector, begun, ended = found
    readings = db.rows(
        "UPDATE meter_val SET tx_id = ? WHERE cp_id = ? AND conn_id = ? AND timestamp >= ? AND timestamp < ?"
        " AND tx_id IS NULL RETURNING timestamp, wh",
        (transaction, charger, connector, begun, ended or LAST),
    )
    if not readings:
        return
    _, register = max([told for told in readings if told[1] is not None], default=(None, None))
    newest = "UPDATE tx SET last_reading_at = ?, last_register_wh = ? WHERE id = ?"
    db.execute(newest, (max(timestamp for timestamp, _ in readings), register, transaction))


def _store_closely(db: UnitOfWork, origin: Origin, batch: Batch, claimed: int | None, readings: list[Reading]) -> None:
    transaction = _belonging(db, origin, batch.connector, claimed, readings[0].timestamp)
    insert(db, origin, batch, transaction, readings)
    if transaction is None:
        return
    if transaction == claimed and (register := _register(readings)) is not None:
        reopen(db, origin, transaction, register, batch.source)
    if transaction == claimed or _has_risen(db, transaction, readings):
        resume(db, origin, transaction, batch.source)
    # Power and register of one moment may come in two messages.
    _moves_on(db, origin, batch.connector, transaction, readings, move=MOVE_OR_STAY)


def _has_risen(db: UnitOfWork, transaction: int, readings: list[Reading]) -> bool:
    """Readings that name no transaction come while nothing charges, too: only energy is a sign that one goes on."""
    return (
        db.row(
            "SELECT 1 FROM tx WHERE id = ? AND ? > coalesce(last_register_wh, meter_start)",
            (transaction, _register(readings)),
        )
        is not None
    )


def _register(readings: list[Reading]) -> int | None:
    return next((reading.wh for reading in readings if reading.wh is not None), None)


def _moves_on(
    db: UnitOfWork, origin: Origin, connector: int, transaction: int, readings: list[Reading], *, move: str = MOVE
) -> bool:
    """Keep the newest time and register of a running transaction, and tell a jump; False where these do not fit it.

    Newer than all before means that they are no repeat.
    """
    at, wh = readings[0].timestamp, _register(readings)
    before = db.row(move, (at, wh, origin.received_at, transaction, origin.charger, connector, at))
    if before is None:
        return False
    if wh is not None and before[0] is not None and is_jump(before[0], wh):
        db.tell(
            EnergyJumped(
                charger=origin.charger,
                at=origin.received_at,
                transaction=transaction,
                connector=connector,
                from_wh=before[0],
                to_wh=wh,
            ),
            origin.session,
        )
    return True


def store_data(db: UnitOfWork, origin: Origin, transaction: int, readings: Sequence[Reading]) -> None:
    """Store the transactionData of a stop with its transaction."""
    found = db.row("SELECT conn_id FROM tx WHERE id = ?", (transaction,))
    batch = Batch((found and found[0]) or 0, "transactionData", readings)
    for _, group in groupby(readings, attrgetter("timestamp")):
        insert(db, origin, batch, transaction, list(group))


def insert(db: UnitOfWork, origin: Origin, batch: Batch, transaction: int | None, readings: list[Reading]) -> None:
    """Add readings of one timestamp; those that came before in the same way add no row."""
    known = db.rows(
        "SELECT sent_timestamp, measurand, value, unit, context, location, phase, format FROM meter_val"
        " WHERE cp_id = ? AND conn_id = ? AND timestamp = ? AND source = ? ORDER BY id DESC LIMIT ?",
        (origin.charger, batch.connector, _known_since(db, origin, batch, readings), batch.source, ROWS_COMPARED),
    )
    told = set(known)
    new = [reading for reading in readings if tuple(reading)[TOLD] not in told]
    _insert(db, origin, batch, transaction, new)


def _insert(db: UnitOfWork, origin: Origin, batch: Batch, transaction: int | None, readings: list[Reading]) -> None:
    head = (transaction, origin.charger, batch.connector, origin.session, origin.received_at, batch.source)
    for first in range(0, len(readings), ROWS_AT_ONCE):
        rows = readings[first : first + ROWS_AT_ONCE]
        values = [value for reading in rows for value in (*head, *reading)]
        db.execute(_insert_of(len(rows)), values)


@cache
def _insert_of(rows: int) -> str:
    return INSERT + ",".join([ROW] * rows)


def _known_since(db: UnitOfWork, origin: Origin, batch: Batch, readings: list[Reading]) -> str:
    """The time under which these would be known. Without one of their own a repeat follows at once what it repeats."""
    timestamp = readings[0].timestamp
    if timestamp != origin.received_at:
        return timestamp
    newest = db.row(
        "SELECT max(timestamp) FROM meter_val WHERE cp_id = ? AND conn_id = ? AND timestamp <= ?",
        (origin.charger, batch.connector, timestamp),
    )
    return (newest and newest[0]) or timestamp


def _belonging(db: UnitOfWork, origin: Origin, connector: int, claimed: int | None, timestamp: str) -> int | None:
    """The transaction that readings name, if it is their charger's and connector's; else the one of their time.

    One that its charger ended before may be a stale id: then another of that time comes first.
    """
    named = db.row(
        "SELECT conn_id, coalesce(stopped_by, '') = 'charger' AND stop_time < ? FROM tx"
        " WHERE id = ? AND cp_id = ? AND (conn_id = ? OR conn_id IS NULL)",
        (timestamp, claimed, origin.charger, connector),
    )
    if named is None:
        return _covering(db, origin, connector, timestamp)
    if named[0] is None and connector > 0:  # its start could not be read: now its connector is known
        db.execute("UPDATE tx SET conn_id = ? WHERE id = ?", (connector, claimed))
    return (named[1] and _covering(db, origin, connector, timestamp)) or claimed


def _covering(db: UnitOfWork, origin: Origin, connector: int, timestamp: str) -> int | None:
    """The newest transaction of a connector at this time, if it ran then. Connector 0 is the meter of the charger."""
    found = db.row(
        "SELECT id, status = 'Active' OR stop_time >= ? FROM tx WHERE cp_id = ? AND conn_id = ? AND conn_id > 0"
        " AND start_time <= ? ORDER BY start_time DESC, id DESC LIMIT 1",
        (timestamp, origin.charger, connector, timestamp),
    )
    return found[0] if found and found[1] else None
