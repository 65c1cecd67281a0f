"""A StopTransaction for a transaction that was stopped before (rules.md, Transactions)."""

from __future__ import annotations

from levity_trio.charging.lifecycle import Cause, Kind
from levity_trio.charging.reviews import Code, Doubt
from levity_trio.events import StopConflicted
from levity_trio.store.transaction import Known
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions import history
from levity_trio.store.writes.transactions.finding import is_equal
from levity_trio.store.writes.transactions.history import Entry
from levity_trio.store.writes.transactions.requests import Stop
from levity_trio.store.writes.transactions.reviews import open_review
from levity_trio.store.writes.transactions.states import state
from levity_trio.wire.texts import digest


def stop_again(db: UnitOfWork, origin: Origin, tx: Known, request: Stop, cause: Cause) -> None:
    """Store a stop of a transaction that was stopped before. A different one changes nothing and opens a review."""
    same = "SELECT kind FROM tx_event WHERE tx_id = ? AND digest = ? AND kind IN (?, ?) ORDER BY id LIMIT 1"
    before = db.row(same, (tx.id, digest(request.message.payload), Kind.STOP, Kind.CONFLICTING_STOP))
    kind = Kind(before[0]) if before else Kind.STOP if is_equal(tx, request) else Kind.CONFLICTING_STOP
    entry = Entry(kind, "charger", request.moment, request.reason, request.message, state(tx), cause)
    added = history.add(db, origin, tx.id, entry)
    if added.is_new and kind is Kind.CONFLICTING_STOP:
        evidence = (f"meterStop {tx.meter_stop} Wh", f"then {request.meter_stop} Wh")
        doubt = Doubt(Code.SECOND_STOP, "a second stop came with other values", evidence)
        open_review(db, tx.id, doubt, added.id, origin.received_at)
        fact = StopConflicted(charger=origin.charger, at=origin.received_at, transaction=tx.id)
        db.record(fact, origin.session)
