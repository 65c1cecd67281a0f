"""Frames that a transaction's evidence or the operator's list names, as they came, in the table `log`."""

from __future__ import annotations

from levity_trio.store.transaction import Transaction
from levity_trio.store.writes.origin import Message, Origin


def keep(db: Transaction, origin: Origin, message: Message) -> None:
    """Keep the frame of a message, once, in the transaction of what it told."""
    frame = (origin.charger, origin.received_at, message.message_id)
    db.execute(
        "INSERT INTO log (cp_id, at, message_id, session_id, direction, action, frame)"
        " SELECT ?, ?, ?, ?, 'recv', ?, ? WHERE NOT EXISTS"
        " (SELECT 1 FROM log WHERE cp_id = ? AND at = ? AND message_id = ?)",
        (*frame, origin.session, message.action, message.frame, *frame),
    )
