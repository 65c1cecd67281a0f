"""Suspending and resuming: an open transaction whose charger is away stays open and is not billed.

It may well be charging and will tell; its readings, its repeated start or a status of charging resume it.
"""

from __future__ import annotations

from levity_trio.events import TransactionResumed, TransactionSuspended
from levity_trio.store.transaction import Transaction
from levity_trio.store.writes.origin import Moment, Origin
from levity_trio.store.writes.steps import Step, add_step, insert_step


def suspend(db: Transaction, charger: str, session: int | None, at: str, reason: str) -> int:
    """Suspend the open transactions of a charger: still open, not billed. Gives how many were running."""
    running = db.rows(
        "SELECT id, conn_id FROM tx WHERE cp_id = ? AND status = 'Active' AND suspended_at IS NULL", (charger,)
    )
    for transaction, connector in running:
        db.execute("UPDATE tx SET suspended_at = ?, updated_at = ? WHERE id = ?", (at, at, transaction))
        insert_step(db, session, at, transaction, Step("suspend", "system", Moment(at, None, True), reason))
        db.tell(
            TransactionSuspended(charger=charger, at=at, transaction=transaction, connector=connector, reason=reason),
            session,
        )
    return len(running)


def resume(db: Transaction, origin: Origin, transaction: int, reason: str) -> None:
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


def resume_connector(db: Transaction, origin: Origin, connector: int, reason: str) -> None:
    """Resume the newest open transaction of a connector that says it is charging."""
    found = db.row(
        "SELECT id FROM tx WHERE cp_id = ? AND conn_id = ? AND status = 'Active'"
        " ORDER BY start_time DESC, id DESC LIMIT 1",
        (origin.charger, connector),
    )
    if found:
        resume(db, origin, found[0], reason)
