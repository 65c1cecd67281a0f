"""The transaction that readings name by its id, and what its earlier readings had named.

Some chargers send the right id, but connector 0 or 1 for each connector; others confuse the ids of two connectors.
"""

from __future__ import annotations

from collections.abc import Sequence

from levity_trio.charging.lifecycle import State
from levity_trio.charging.matching.readings import Reached, is_of_named
from levity_trio.charging.names import reported_id
from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.sent.readings import Reading
from levity_trio.store.transaction import Known
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions.states import begin_by, begin_unset, newest, state, told

NAME = (
    "SELECT told_id FROM meter_val WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id = ?"
    " ORDER BY timestamp DESC, id DESC LIMIT 1"
)
LAST = (
    "SELECT told_id, wh, timestamp FROM meter_val WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ?"
    " AND tx_id = ? AND wh IS NOT NULL ORDER BY timestamp DESC, id DESC LIMIT 1"
)
_SENT = (
    "SELECT sent_conn_id FROM meter_val WHERE cp_id = ? AND conn_id = ? AND timestamp <= ?"
    " ORDER BY timestamp DESC, id DESC LIMIT ?"
)
MOST_SENT = 50
"""So many of the newest readings of a connector are searched for one that was sent with a connectorId."""


def begun(
    db: UnitOfWork, origin: Origin, connector: int, claimed: int | None, readings: Sequence[Reading]
) -> Known | None:
    """Return the transaction that readings name. Correct its start time, or that of the one they follow, if needed."""
    at, named = readings[0].timestamp, _named(db, origin, connector, claimed, readings)
    if named is not None:
        return begin_by(db, named, at)
    begin_unset(db, origin.charger, connector, at, register_of(readings))
    return None


def _named(
    db: UnitOfWork, origin: Origin, connector: int, claimed: int | None, readings: Sequence[Reading]
) -> Known | None:
    """Return the transaction that readings name, if it is their charger's, and its connector theirs or a wrong one."""
    tx = told(db, origin.charger, claimed) if claimed is not None else None
    if tx is None or (connector > 0 and tx.connector not in (None, connector)):
        return tx if tx is not None and _is_rather_of(db, tx, connector, readings) else None
    return tx._replace(connector=connector_for(db, tx, connector) or tx.connector)


def _is_rather_of(db: UnitOfWork, named: Known, connector: int, readings: Sequence[Reading]) -> bool:
    """Whether readings belong to the transaction that they name rather than to the one on the connector that they
    name: the former ran then, and its register fits."""
    at = readings[0].timestamp
    here = newest(db, named.charger, connector, at)
    if not _covers(named, at):
        return False
    if here is None or not _covers(here, at):
        return is_of_named(register_of(readings), _reached(db, named, at), None)
    is_told = connector > 1 or _is_sent(db, named, at)
    return is_of_named(
        register_of(readings), _reached(db, named, at), _reached(db, here, at), is_connector_told=is_told
    )


def _is_sent(db: UnitOfWork, tx: Known, at: str) -> bool:
    """Whether the last reading of a transaction's connector came with the number of this connector."""
    if tx.connector is None or tx.connector <= 1:  # some chargers send 0 or 1 for each connector
        return False
    sent = (number for (number,) in db.rows(_SENT, (tx.charger, tx.connector, at, MOST_SENT)))
    return next((number for number in sent if number is not None), None) == tx.connector


def _covers(tx: Known, at: str) -> bool:
    """Whether a transaction ran at this time, as far as its charger told its end."""
    is_ended = state(tx) in (State.STOPPED, State.JOINED)
    return tx.own_start_time <= at and not (is_ended and (tx.own_stop_time or "") < at)


def _reached(db: UnitOfWork, tx: Known, at: str) -> Reached:
    last = db.row(LAST, (tx.charger, tx.connector, tx.own_start_time, at, tx.id))
    name, wh, since = (None, None, tx.own_start_time) if last is None else last
    return Reached(tx.id, tx.meter_start, wh, seconds(at) - seconds(since), reported_id(name))


def is_ours(db: UnitOfWork, charger: str, transaction: int | None) -> bool:
    """Whether this transactionId was assigned to this charger."""
    return transaction is not None and told(db, charger, transaction) is not None


def called(db: UnitOfWork, tx: Known, at: str) -> int | None:
    """Return the transactionId that the last reading of a transaction before this time had."""
    reading = db.row(NAME, (tx.charger, tx.connector, tx.own_start_time, min(at, tx.last_reading_at or ""), tx.id))
    return reported_id(reading[0]) if reading is not None else None


def connector_for(db: UnitOfWork, tx: Known, sent: int) -> int:
    """Return the connector of a transaction; one whose start was unreadable takes that of its readings."""
    if tx.connector is None and sent > 0:
        db.execute("UPDATE tx SET conn_id = ? WHERE id = ?", (sent, tx.id))
    return sent if tx.connector is None else tx.connector


def register_of(readings: Sequence[Reading]) -> int | None:
    """Return the register in Wh among readings of one time; None if there is none."""
    return next((reading.wh for reading in readings if reading.wh is not None), None)
