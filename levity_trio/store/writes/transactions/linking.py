"""Links readings to a transaction whose start arrived after them (field.md B11)."""

from __future__ import annotations

from levity_trio.charging.lifecycle import Cause, Kind
from levity_trio.charging.names import reported_id
from levity_trio.store.neighbours import is_other_meter
from levity_trio.store.transaction import LAST_TIME, Known
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes import set_aside
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions.judging import judge_now
from levity_trio.store.writes.transactions.states import load, step

FOUND = (
    "SELECT cp_id, conn_id, told_id, own_start_time, meter_start, (SELECT min(own_start_time) FROM tx AS next"
    " WHERE next.cp_id = tx.cp_id AND next.conn_id = tx.conn_id AND next.own_start_time > tx.own_start_time),"
    " (SELECT CASE WHEN last_reading_at >= tx.own_start_time THEN id END FROM tx AS before"
    " WHERE before.cp_id = tx.cp_id AND before.conn_id = tx.conn_id AND before.own_start_time < tx.own_start_time"
    " ORDER BY before.own_start_time DESC, before.id DESC LIMIT 1)"
    " FROM tx WHERE id = ?"
)
_UNASSIGNED = (
    "cp_id = ?2 AND conn_id = ?3 AND timestamp >= ?4 AND timestamp < ?5 AND tx_id IS NULL AND imported_id IS NULL"
    " AND (?7 OR timestamp <> received_at)"
)
LINK = (
    f"UPDATE meter_val SET tx_id = ?1 WHERE {_UNASSIGNED} AND coalesce(told_id, 0) IN (0, -1, coalesce(?6,"  # noqa: S608
    f" (SELECT told_id FROM meter_val WHERE {_UNASSIGNED} AND told_id NOT IN (0, -1) ORDER BY timestamp, id LIMIT 1)))"
    " RETURNING timestamp, wh"
)
_OVERTAKING = (
    "FROM meter_val WHERE cp_id = ? AND conn_id = ? AND timestamp >= ? AND timestamp > ? AND tx_id = ?"
    " AND source = 'MeterValues' AND timestamp <> received_at"
    " AND NOT EXISTS (SELECT 1 FROM tx AS named WHERE named.id = meter_val.told_id)"
)
LOWEST = f"SELECT count(*), min(wh) {_OVERTAKING}"
HIGHEST_BEFORE = (
    "SELECT max(wh) FROM meter_val WHERE cp_id = ? AND conn_id = ? AND timestamp >= ? AND timestamp < ? AND tx_id = ?"
)
UNLINK = f"UPDATE meter_val SET tx_id = NULL WHERE id IN (SELECT id {_OVERTAKING})"  # noqa: S608 - our own names
_LEFT = "FROM meter_val WHERE cp_id = ?1 AND conn_id = ?2 AND timestamp BETWEEN ?3 AND ?4 AND tx_id = ?5"
REACHED = (
    f"UPDATE tx SET last_reading_at = (SELECT max(timestamp) {_LEFT}), previous_register_wh = NULL,"  # noqa: S608
    f" last_register_wh = (SELECT wh {_LEFT} AND wh IS NOT NULL ORDER BY timestamp DESC, id DESC LIMIT 1) WHERE id = ?5"
)


def link_earlier(db: UnitOfWork, origin: Origin, transaction: int) -> None:
    """Link readings of its connector that arrived before its start, as an offline charger may send them (field.md B11).

    These are unassigned, lie between this start and the next, and have one transactionId: that of the stop if the start
    is unknown, otherwise that of the first such reading. A reading without a plausible time that arrived before the
    start belongs to the previous transaction, even if the start has an earlier time. One without an id of ours that
    overtook this start was linked to the previous transaction, and is no longer.
    """
    found = db.row(FOUND, (transaction,))
    if found is None:
        raise LookupError(transaction)
    charger, connector, told_id, begun, begin, ended, overtaken = found
    if overtaken is not None and told_id is None and unlink_since(db, load(db, overtaken), begun, begin):
        _judge_without(db, origin, overtaken)
    readings = db.rows(
        LINK, (transaction, charger, connector, begun, ended or LAST_TIME, reported_id(told_id), told_id is not None)
    )
    if not readings:
        return
    _, register = max([reading for reading in readings if reading[1] is not None], default=(None, None))
    newest = "UPDATE tx SET last_reading_at = ?, last_register_wh = ? WHERE id = ?"
    db.execute(newest, (max(timestamp for timestamp, _ in readings), register, transaction))


def _may_be_set_back(db: UnitOfWork, tx: Known, since: str, lowest: int) -> bool:
    """Whether readings below the next start may be older than they say: those before are not above them."""
    if is_other_meter(db.rows, tx.charger, tx.created_at, LAST_TIME):
        return False
    ((highest,),) = db.rows(HIGHEST_BEFORE, (tx.charger, tx.connector, tx.own_start_time, since, tx.id))
    return highest is None or lowest >= highest


def _judge_without(db: UnitOfWork, origin: Origin, transaction: int) -> None:
    """Judge a transaction again at once if it has ended: its range of the register bounds the one that began after."""
    tx = load(db, transaction)
    if step(tx, Cause.LATER).kind is Kind.REJUDGE:
        judge_now(db, origin, tx, Cause.LATER)


def unlink_since(db: UnitOfWork, tx: Known, since: str, begin: int | None) -> bool:
    """Unlink the readings that a transaction has though the next one began before them, at the register `begin` in Wh;
    return whether there are any.

    A charger that comes back may send a reading ahead of its queue, when its last transaction still seems open. Without
    an id of ours nothing else shows what it belongs to. A reading up to the time of the charger's stop stays, and so do
    all if one is below `begin`: then their clock was set back. Not so if it is of a new meter, or below the readings
    before: then it counts each transaction.
    """
    if (tx.last_reading_at or "") < since:
        return False
    stopped = None if tx.stopped_by == "system" else tx.own_stop_time
    overtaking = (tx.charger, tx.connector, since, stopped or "", tx.id)
    ((number, lowest),) = db.rows(LOWEST, overtaking)
    is_below = lowest is not None and begin is not None and lowest < begin
    if not number or (is_below and _may_be_set_back(db, tx, since, lowest)):
        return False
    db.execute(UNLINK, overtaking)
    set_aside.put_back_readings(db, tx.id, since)
    db.execute(REACHED, (tx.charger, tx.connector, tx.own_start_time, tx.last_reading_at, tx.id))
    return True
