"""Suspending and resuming: an open transaction whose charger is away stays open and is not billed.

It may well be charging and will tell; its readings, its repeated start or a status of charging resume it.
"""

from __future__ import annotations

from levity_trio.charging.moments import Moment
from levity_trio.events import TransactionResumed, TransactionSuspended
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions.history import Step, add_step, insert_step

CLOSED = "closed by the system"
"""What the part of a review begins with that such a closing gave; the charger's own word answers it."""


def suspend(db: UnitOfWork, charger: str, session: int | None, at: str, reason: str) -> int:
    """Suspend the open transactions of a charger: still open, not billed. Gives how many were running."""
    running = db.rows("SELECT id FROM tx WHERE cp_id = ? AND status = 'Active' AND suspended_at IS NULL", (charger,))
    for (transaction,) in running:
        suspend_one(db, transaction, session, at, reason)
    return len(running)


def suspend_one(db: UnitOfWork, transaction: int, session: int | None, at: str, reason: str) -> None:
    """Suspend this one, if it is running."""
    running = db.row(
        "UPDATE tx SET suspended_at = ?, updated_at = ? WHERE id = ? AND status = 'Active' AND suspended_at IS NULL"
        " RETURNING cp_id, conn_id",
        (at, at, transaction),
    )
    if running is None:
        return
    charger, connector = running
    insert_step(db, session, at, transaction, Step("suspend", "system", Moment(at, None, True), reason))
    db.tell(
        TransactionSuspended(charger=charger, at=at, transaction=transaction, connector=connector, reason=reason),
        session,
    )


def resume(db: UnitOfWork, origin: Origin, transaction: int, reason: str) -> None:
    """Resume a transaction where it was suspended; its readings, its repeated start or its status are the sign."""
    at = origin.received_at
    resumed = db.row(
        "UPDATE tx SET suspended_at = NULL, updated_at = ? WHERE id = ? AND suspended_at IS NOT NULL"
        " AND status = 'Active' RETURNING conn_id",
        (at, transaction),
    )
    if resumed is None:
        return
    add_step(db, origin, transaction, Step("resume", "charger", Moment(at, None, True), reason))
    db.tell(
        TransactionResumed(charger=origin.charger, at=at, transaction=transaction, connector=resumed[0], reason=reason),
        origin.session,
    )


def reopen(db: UnitOfWork, origin: Origin, transaction: int, wh: int, reason: str) -> None:
    """Reopen what the system closed too early: its own readings rise beyond where, and no other began there since."""
    found = db.row(
        "SELECT review FROM tx WHERE id = ? AND stopped_by = 'system' AND meter_stop < ? AND NOT EXISTS (SELECT 1 FROM"
        " tx AS later WHERE later.cp_id = tx.cp_id AND later.conn_id = tx.conn_id"
        " AND (later.start_time, later.id) > (tx.start_time, tx.id))",
        (transaction, wh),
    )
    if found is None:
        return
    db.execute(
        "UPDATE tx SET status = 'Active', stopped_by = NULL, stop_time = NULL, meter_stop = NULL, stop_reason = NULL,"
        " energy_delivered = NULL, energy_method = NULL, confidence = NULL, review = ?, suspended_at = ? WHERE id = ?",
        (without_closing(found[0]), origin.received_at, transaction),
    )
    resume(db, origin, transaction, reason)


def without_closing(review: str | None) -> str | None:
    """A review without the part that a closing by the system gave."""
    return "; ".join(part for part in (review or "").split("; ") if not part.startswith(CLOSED)) or None


def resume_connector(db: UnitOfWork, origin: Origin, connector: int, reason: str) -> None:
    """Resume the newest open transaction of a connector that says it is charging."""
    found = db.row(
        "SELECT id FROM tx WHERE cp_id = ? AND conn_id = ? AND status = 'Active'"
        " ORDER BY start_time DESC, id DESC LIMIT 1",
        (origin.charger, connector),
    )
    if found:
        resume(db, origin, found[0], reason)
