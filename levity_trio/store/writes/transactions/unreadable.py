"""Transaction messages that could not be read or handled: kept raw, and answered as if they were whole."""

from __future__ import annotations

from levity_trio.charging.moments import Moment
from levity_trio.events import TransactionStarted
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.authorization import ACCEPTED
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.store.writes.sessions import STOP_UNREAD
from levity_trio.store.writes.set_aside import number_in, set_aside
from levity_trio.store.writes.transactions.history import Step, add_step, digest
from levity_trio.store.writes.transactions.starts import Started
from levity_trio.store.writes.transactions.stops import is_ours
from levity_trio.store.writes.transactions.suspensions import resume, suspend_one


def start_unreadable(db: UnitOfWork, origin: Origin, message: Message, reason: str) -> Started:
    """Answer a start that could not be read or handled with a real transaction: its car may well be charging.

    Refused, the charger would repeat it for ever or throw it away, and the kilowatt-hours with it. Its time cannot be
    believed, so it repeats an open transaction only: a new one costs nothing, a closed one the new one's energy.
    """
    known = db.row(
        "SELECT tx.id FROM set_aside JOIN tx ON tx.id = set_aside.tx_id AND tx.status = 'Active'"
        " WHERE set_aside.cp_id = ? AND action = ? AND digest = ?",
        (origin.charger, message.action, digest(message.payload)),
    )
    transaction = int(known[0]) if known else _open_raw(db, origin, message, reason)
    resume(db, origin, transaction, message.action)
    set_aside(db, origin, message, reason, transaction)
    return Started(transaction, ACCEPTED)


def _open_raw(db: UnitOfWork, origin: Origin, message: Message, reason: str) -> int:
    at, meter_start = origin.received_at, number_in(message, "meterStart")
    connector = number_in(message, "connectorId") or None  # 0 is the charger as a whole
    transaction = db.insert(
        "INSERT INTO tx (cp_id, conn_id, session_id, verdict, start_time, meter_start, review, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (origin.charger, connector, origin.session, ACCEPTED, at, meter_start)
        + (f"its start could not be read: {reason}", at, at),
    )
    add_step(db, origin, transaction, Step("start", "charger", Moment(at, None, False), reason, message))
    fact = TransactionStarted(
        charger=origin.charger,
        at=at,
        transaction=transaction,
        connector=connector,
        id_tag=None,
        meter_start_wh=meter_start,
    )
    db.tell(fact, origin.session)
    return transaction


def stop_unreadable(db: UnitOfWork, origin: Origin, message: Message, reason: str) -> None:
    """Keep a stop raw that could not be read or handled. The transaction that it names has ended, for all one knows:
    it is suspended, so that its connector or the time closes it."""
    set_aside(db, origin, message, reason)
    transaction = number_in(message, "transactionId")
    if transaction is not None and is_ours(db, origin.charger, transaction):
        suspend_one(db, transaction, origin.session, origin.received_at, STOP_UNREAD)
