"""What could not be linked or handled, kept raw for the operator; and repairs, counted by kind."""

from __future__ import annotations

from collections.abc import Sequence

from levity_trio.events import MessageSetAside
from levity_trio.store.transaction import Transaction
from levity_trio.store.writes.authorization import ACCEPTED
from levity_trio.store.writes.origin import Message, Moment, Origin
from levity_trio.store.writes.starts import Started
from levity_trio.store.writes.steps import Step, add_step, digest


def set_aside(
    db: Transaction, origin: Origin, message: Message, reason: str, transaction: int | None = None
) -> int | None:
    """Keep a message raw; the same one again is counted. Gives the transaction that was opened for it, if any."""
    at, payload = origin.received_at, message.payload
    count, known = db.rows(
        "INSERT INTO set_aside (cp_id, session_id, received_at, action, payload, digest, reason, tx_id,"
        " last_received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (cp_id, action, digest) DO UPDATE SET"
        " count = set_aside.count + 1, last_received_at = excluded.last_received_at RETURNING count, tx_id",
        (origin.charger, origin.session, at, message.action, payload, digest(payload), reason, transaction, at),
    )[0]
    if count == 1:
        action = message.action
        db.tell(
            MessageSetAside(charger=origin.charger, at=at, action=action, reason=reason, transaction=transaction)
        )
    return None if known is None else int(known)


def start_raw(db: Transaction, origin: Origin, message: Message, reason: str) -> Started:
    """Answer a start that could not be read or handled with a real transaction: its car may well be charging.

    Refused, the charger would repeat it for ever or throw it away, and the kilowatt-hours with it.
    """
    known = db.row(
        "SELECT tx_id FROM set_aside WHERE cp_id = ? AND action = ? AND digest = ?",
        (origin.charger, message.action, digest(message.payload)),
    )
    if known and known[0] is not None:
        transaction = int(known[0])
    else:
        transaction = _open_raw(db, origin, message, reason)
    set_aside(db, origin, message, reason, transaction)
    return Started(transaction, ACCEPTED)


def _open_raw(db: Transaction, origin: Origin, message: Message, reason: str) -> int:
    at = origin.received_at
    transaction = db.insert(
        "INSERT INTO tx (cp_id, session_id, verdict, start_time, review, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (origin.charger, origin.session, ACCEPTED, at, f"its start could not be read: {reason}", at, at),
    )
    add_step(db, origin, transaction, Step("start", "charger", Moment(at, None, False), reason, message))
    return transaction


def count_repairs(db: Transaction, origin: Origin, repairs: Sequence[tuple[str, str]]) -> None:
    """Count repairs, given as (kind, sample), by charger, firmware and kind; the first sample is kept."""
    at = origin.received_at
    for kind, sample in repairs:
        db.execute(
            "INSERT INTO repair (cp_id, firmware, kind, count, first_at, last_at, sample)"
            " SELECT id, coalesce(firmware_version, ''), ?, 1, ?, ?, ? FROM cp WHERE id = ?"
            " ON CONFLICT (cp_id, firmware, kind) DO UPDATE SET count = repair.count + 1, last_at = excluded.last_at",
            (kind, at, at, sample, origin.charger),
        )
